#!/usr/bin/env python3
"""Writes the field tables of the built-in kinds (schemas/<group>.cc) from Kubernetes' OpenAPI
document: names, types, required, list keys and merge keys. Descriptions are left out.

usage: generate.py k8s.io/kubernetes/api/openapi-spec/swagger.json OUTPUT_FOLDER GENERATED_PROTO...

The .proto files (of k8s.io/api, apimachinery and apiextensions-apiserver) give the field numbers.

The notation is explained in schemas/tables.h; schema_table.cc reads it.
"""

import json
import pathlib
import re
import sys

ROOTS = {
    "core": ["meta.v1.DeleteOptions"] + ["core.v1." + k for k in (
        "Namespace Pod Service ConfigMap Secret ServiceAccount Event Endpoints Node "
        "PersistentVolume PersistentVolumeClaim").split()],
    "workloads": ["apps.v1.Deployment", "apps.v1.ReplicaSet", "batch.v1.Job",
                  "autoscaling.v2.HorizontalPodAutoscaler", "autoscaling.v1.Scale"],
    "cluster": ["networking.v1.Ingress", "coordination.v1.Lease", "events.v1.Event",
                "rbac.v1.Role", "rbac.v1.RoleBinding", "rbac.v1.ClusterRole",
                "rbac.v1.ClusterRoleBinding", "discovery.v1.EndpointSlice",
                "authorization.v1.SelfSubjectAccessReview",
                "authorization.v1.SelfSubjectRulesReview",
                "apiextensions.v1.CustomResourceDefinition"],
}
PREFIXES = (
    ("io.k8s.apiextensions-apiserver.pkg.apis.", ""), ("io.k8s.apimachinery.pkg.apis.", ""),
    ("io.k8s.apimachinery.pkg.api.", ""), ("io.k8s.apimachinery.pkg.util.", ""),
    ("io.k8s.api.", ""))
# Types that hold any value, or are scalars behind a name.
SCALARS = {
    "api.resource.Quantity": "quantity", "resource.Quantity": "quantity",
    "util.intstr.IntOrString": "intstr", "intstr.IntOrString": "intstr",
    "meta.v1.Time": "time", "meta.v1.MicroTime": "microtime", "meta.v1.FieldsV1": "object",
    "runtime.RawExtension": "object", "apiextensions.v1.JSON": "any",
    "apiextensions.v1.JSONSchemaProps": "object",
}


def short(ref):
    name = ref.rsplit("/", 1)[-1]
    for prefix, replacement in PREFIXES:
        if name.startswith(prefix):
            return replacement + name[len(prefix):]
    return name


def type_of(schema, used):
    ref = schema.get("$ref")
    if ref is None and len(schema.get("allOf", [])) == 1:
        ref = schema["allOf"][0].get("$ref")
    if ref:
        name = short(ref)
        if name in SCALARS:
            return SCALARS[name]
        used.append(name)
        return name
    kind = schema.get("type")
    if kind == "array":
        text = "[" + type_of(schema["items"], used) + "]"
        list_type = schema.get("x-kubernetes-list-type")
        if list_type == "map":
            text += "@map(" + ",".join(schema["x-kubernetes-list-map-keys"]) + ")"
        elif list_type == "set":
            text += "@set"
        strategy = schema.get("x-kubernetes-patch-strategy", "")
        if "merge" in strategy:
            text += "@merge(" + schema.get("x-kubernetes-patch-merge-key", "") + ")"
        return text
    if kind == "object":
        extra = schema.get("additionalProperties")
        return "{" + type_of(extra, used) + "}" if extra else "object"
    if kind == "integer":
        return "int" if schema.get("format") == "int32" else "int64"
    if kind == "string" and schema.get("format") == "byte":
        return "bytes"
    if kind == "string" and schema.get("format") == "date-time":
        return "time"
    if kind == "boolean":
        return "bool"
    return kind if kind else "any"


def read_protos(paths):
    """{"core.v1.Container": {"image": ("2", type name)}}"""
    messages = {}
    for path in paths:
        group, version = pathlib.Path(path).parts[-3:-1]
        for match in re.finditer(r"^message (\w+) \{\n(.*?)^\}", pathlib.Path(path).read_text(),
                                 re.S | re.M):
            fields = {}
            for line in re.findall(r"^  (?:optional |repeated )?(\S.*?) (\w+) = (\d+);", match[2],
                                   re.M):
                kind = line[0]
                local = re.fullmatch(r"[A-Z]\w*", kind)
                kind = "%s.%s.%s" % (group, version, kind) if local else ".".join(
                    kind.split(".")[-3:])
                fields[line[1]] = (line[2], kind)
            messages["%s.%s.%s" % (group, version, match[1])] = fields
    return messages


def number_paths(messages, name, properties, prefix=""):
    """Members to the path of field numbers: what JSON inlines is a message of its own there."""
    out = {}
    for field, (number, kind) in messages.get(name, {}).items():
        if field in properties:
            out[field] = prefix + number
        elif field == "xintOrString":
            continue
        elif kind in messages:
            inner = number_paths(messages, kind, properties, prefix + number + ".")
            out.update({k: v for k, v in inner.items() if k not in out})
    return out


def main():
    definitions = json.loads(pathlib.Path(sys.argv[1]).read_text())["definitions"]
    by_short = {short(name): value for name, value in definitions.items()}
    out = pathlib.Path(sys.argv[2])
    messages = read_protos(sys.argv[3:])
    seen = set()
    for group, roots in ROOTS.items():
        queue, lines = list(roots), []
        while queue:
            name = queue.pop(0)
            if name in seen:
                continue
            seen.add(name)
            schema = by_short[name]
            used, fields = [], []
            required = set(schema.get("required", []))
            properties = schema.get("properties", {})
            numbers = number_paths(messages, name, properties)
            for field, value in sorted(properties.items()):
                number = "#" + numbers[field] if field in numbers else ""
                text = field + number + ":" + type_of(value, used) + ("!" if field in required else "")
                if "retainKeys" in value.get("x-kubernetes-patch-strategy", ""):
                    text += "@retainKeys"
                fields.append(text)
            queue += used
            atomic = " @atomic" if schema.get("x-kubernetes-map-type") == "atomic" else ""
            line = [name + atomic]
            for field in fields:
                if len(line[-1]) + len(field) > 98:
                    line.append(" ")
                line[-1] += " " + field
            lines += line
        # String literals are limited to 64 KiB by the standard's minimum; parts keep well under.
        parts, part = [], []
        for line in lines:
            if not line.startswith(" ") and sum(map(len, part)) > 12000:
                parts.append(part)
                part = []
            part.append(line)
        parts.append(part)
        for index, part in enumerate(parts):
            name = group if len(parts) == 1 else "%s_%d" % (group, index + 1)
            symbol = "".join(w.capitalize() for w in name.split("_"))
            (out / (name + ".cc")).write_text(
                "// Written by schemas/generate.py: fields of built-in kinds. Do not edit.\n"
                '#include "local/apiserver/schemas/tables.h"\n\n'
                "namespace kinglet::local::schemas {\n\n"
                "std::string_view %s() {\n  return R\"(\n%s\n)\";\n}\n\n"
                "}  // namespace kinglet::local::schemas\n" % (symbol, "\n".join(part)))
            print(name, len(part), "lines")


main()
