"""Rows of the tables: objects by name with changes, and when an object is as a row says."""

import contextlib
import copy
import json
import pathlib

import yaml


def merge(target, patch):
    """JSON merge patch (RFC 7396), on copies."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    out = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out


def load(path):
    return yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


class Table:
    """A folder of rows; objects.yaml has the objects that they share."""

    def __init__(self, name):
        folder = pathlib.Path(__file__).parent / name
        self.objects = load(folder / "objects.yaml")["objects"]
        self.rows = []
        for file in sorted(set(folder.glob("*.yaml")) - {folder / "objects.yaml"}):
            for number, row in enumerate(load(file)["rows"], 1):
                self.rows.append({**row, "namespace": f"{name}-{file.stem.replace('_', '-')}-{number}"})

    def titles(self):
        return [f"{row['row']}: {row['title']}" for row in self.rows]

    def make(self, spec):
        """{use, with} or a whole object."""
        if "use" not in spec:
            return copy.deepcopy(spec)
        return merge(self.objects[spec["use"]], spec.get("with", {}))


def difference(wanted, actual, path=""):
    """What of `wanted` is not in `actual`, in words; "" where nothing. Lists of things with names (or mountPaths, hosts,
    types) are compared by name and may have more, but none with `absent: true`; other lists are compared whole; null
    means absent; JSON in texts is compared as such."""
    if wanted is None:
        return "" if actual in (None, "", [], {}) else f"{path}: should not be there: {actual!r}"
    if isinstance(wanted, dict):
        if not isinstance(actual, dict):
            return f"{path}: {actual!r} is no object" if actual is not None or any(
                v is not None for v in wanted.values()) else ""
        return next(filter(None, (difference(v, actual.get(k), f"{path}.{k}") for k, v in wanted.items())), "")
    if isinstance(wanted, list):
        if actual is None and all(isinstance(item, dict) and item.get("absent") for item in wanted):
            return ""
        if not isinstance(actual, list):
            return f"{path}: {actual!r} is no list"
        for key in ("mountPath", "name", "type", "host"):
            if wanted and all(isinstance(item, dict) and key in item for item in wanted):
                by_name = {item.get(key): item for item in actual}
                for item in wanted:
                    if item.get("absent") and item[key] in by_name:
                        return f"{path}[{item[key]}]: should not be there: {by_name[item[key]]!r}"
                wanted = [item for item in wanted if not item.get("absent")]
                return next(filter(None, (difference(item, by_name.get(item[key]), f"{path}[{item[key]}]")
                                          for item in wanted)), "")
        if len(wanted) != len(actual):
            return f"{path}: wanted {wanted!r}, got {actual!r}"
        return next(filter(None, (difference(w, a, f"{path}[{i}]") for i, (w, a) in enumerate(zip(wanted, actual)))), "")
    if isinstance(wanted, str) and wanted[:1] in "{[" and isinstance(actual, str):
        with contextlib.suppress(ValueError):
            wanted, actual = json.loads(wanted), json.loads(actual)
    return "" if wanted == actual else f"{path}: wanted {wanted!r}, got {actual!r}"


def changes(old, new, path=""):
    """What became of `old`, for people."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [line for key in {**old, **new} for line in changes(old.get(key), new.get(key), f"{path}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [line for i, pair in enumerate(zip(old, new)) for line in changes(*pair, f"{path}[{i}]")]
    return [] if old == new else [f"{path}: {old!r} -> {new!r}"]


def contract_rows(text):
    """(section, name) of each row of the contract in "02 §5 owners, update; 02 §10 copied"."""
    for part in text.split(";"):
        document, section, names = part.strip().split(" ", 2)
        for name in names.split(","):
            yield f"{document} {section}", name.strip()


def in_namespace(value, namespace):
    """{namespace} in the texts of a row."""
    if isinstance(value, str):
        return value.replace("{namespace}", namespace)
    if isinstance(value, dict):
        return {k: in_namespace(v, namespace) for k, v in value.items()}
    return [in_namespace(v, namespace) for v in value] if isinstance(value, list) else value
