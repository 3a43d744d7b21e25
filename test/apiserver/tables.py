"""Rows of the tables: objects by name with changes, and when an object is as a row says."""

import copy
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


class Table:
    def __init__(self, name):
        content = yaml.safe_load((pathlib.Path(__file__).parent / name).read_text())
        self.objects, self.rows = content["objects"], content["rows"]
        for number, row in enumerate(self.rows):
            row["namespace"] = f"{pathlib.Path(name).stem}-{number}"

    def titles(self):
        return [f"{row['row']}: {row['title']}" for row in self.rows]

    def make(self, spec):
        """{use, with} or a whole object."""
        if "use" not in spec:
            return copy.deepcopy(spec)
        return merge(self.objects[spec["use"]], spec.get("with", {}))


def difference(wanted, actual, path=""):
    """What of `wanted` is not in `actual`, in words; "" where nothing. Lists of things with names (or hosts, types)
    are compared by name and may have more; other lists are compared whole; null means absent."""
    if wanted is None:
        return "" if actual in (None, "", [], {}) else f"{path}: should not be there: {actual!r}"
    if isinstance(wanted, dict):
        if not isinstance(actual, dict):
            return f"{path}: {actual!r} is no object" if actual is not None or any(
                v is not None for v in wanted.values()) else ""
        return next(filter(None, (difference(v, actual.get(k), f"{path}.{k}") for k, v in wanted.items())), "")
    if isinstance(wanted, list):
        if not isinstance(actual, list):
            return f"{path}: {actual!r} is no list"
        for key in ("name", "type", "host"):
            if wanted and all(isinstance(item, dict) and key in item for item in wanted):
                by_name = {item.get(key): item for item in actual}
                return next(filter(None, (difference(item, by_name.get(item[key]), f"{path}[{item[key]}]")
                                          for item in wanted)), "")
        if len(wanted) != len(actual):
            return f"{path}: wanted {wanted!r}, got {actual!r}"
        return next(filter(None, (difference(w, a, f"{path}[{i}]") for i, (w, a) in enumerate(zip(wanted, actual)))), "")
    return "" if wanted == actual else f"{path}: wanted {wanted!r}, got {actual!r}"


def in_namespace(value, namespace):
    """{namespace} in the texts of a row."""
    if isinstance(value, str):
        return value.replace("{namespace}", namespace)
    if isinstance(value, dict):
        return {k: in_namespace(v, namespace) for k, v in value.items()}
    return [in_namespace(v, namespace) for v in value] if isinstance(value, list) else value
