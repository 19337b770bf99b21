# SPDX-License-Identifier: Apache-2.0
"""The operations of schemas/openapi.yaml, for tests that are made from it: what is added there is tested without a word here."""
import yaml

from .services import ROOT

METHODS = ("get", "post", "put", "patch", "delete")
DOCUMENT = yaml.safe_load((ROOT / "schemas" / "openapi.yaml").read_text(encoding="utf-8"))


def deref(node):
    while isinstance(node, dict) and "$ref" in node:
        target = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


class Operation:
    def __init__(self, path, method, shared, node):
        self.path, self.method, self.node = path, method.upper(), node
        self.id = node["operationId"]
        self.roles = node.get("x-roles", [])
        self.parameters = [deref(p) for p in shared + node.get("parameters", [])]
        body = deref(node.get("requestBody", {}))
        self.media_type = next(iter(body.get("content", {})), None)
        self.schema = deref(body["content"][self.media_type].get("schema", {})) if self.media_type else None
        self.needs_body = body.get("required", False)

    def of(self, place):
        return [p for p in self.parameters if p["in"] == place]

    def __repr__(self):
        return f"{self.method} {self.path}"


def operations():
    return [
        Operation(path, method, item.get("parameters", []), item[method])
        for path, item in DOCUMENT["paths"].items() for method in METHODS if method in item
    ]  # fmt: skip


def is_reference(schema):
    """A UUID, alone or among alternatives."""
    schema = deref(schema)
    return schema.get("format") == "uuid" or any(is_reference(s) for s in schema.get("anyOf", []) + schema.get("oneOf", []))


def references(schema, at=()):
    """Where in a body UUIDs stand: paths of property names, "[]" for the items of a list."""
    schema = deref(schema)
    if is_reference(schema):
        return {at}
    found = set()
    for part in schema.get("allOf", []) + schema.get("anyOf", []) + schema.get("oneOf", []):
        found |= references(part, at)
    for name, sub in schema.get("properties", {}).items():
        found |= references(sub, (*at, name))
    if isinstance(schema.get("items"), dict):
        found |= references(schema["items"], (*at, "[]"))
    return found


def carried(body, at=()):
    """The places of a body."""
    if isinstance(body, dict):
        return set().union({at}, *(carried(v, (*at, k)) for k, v in body.items()))
    if isinstance(body, list):
        return set().union({at}, *(carried(v, (*at, "[]")) for v in body))
    return {at}


def least(schema):
    """The least value that a schema lets in; None for what has no simple one."""
    schema = deref(schema)
    if "default" in schema or "const" in schema or "enum" in schema:
        return schema.get("default", schema.get("const", schema.get("enum", [None])[0]))
    for word in ("oneOf", "anyOf"):
        if word in schema:
            return least(schema[word][0])
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: least(schema["properties"][name]) for name in schema.get("required", [])}
    if kind == "array":
        return [least(schema["items"])] * schema.get("minItems", 0)
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if kind == "boolean":
        return False
    by_format = {"email": "somebody@example.com", "uri": "https://example.com/x", "date-time": "2030-01-01T00:00:00Z",
                 "hostname": "example.com"}  # fmt: skip
    return by_format.get(schema.get("format"), "x" * max(1, schema.get("minLength", 1)))
