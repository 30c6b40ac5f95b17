"""Writes `models.py` and `api.py` from the platform's OpenAPI schema.

    python manage.py spectacular --format openapi-json | python -m client.generate

Only what our schema uses is known; anything else stops with a NotImplementedError instead of a wrong client.
"""

import json
import keyword
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent, wrap
from typing import Any

HERE = Path(__file__).resolve().parent
WRITTEN = "Written by client/generate.py from the schema: change that, not this."
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
CONTRACT = {"Idempotency-Key": "key", "If-Match": "if_match"}


def write_models(schema: dict[str, Any]) -> str:
    """Return the source of models.py: one TypedDict or Literal a component."""
    parts = [f'"""What the API speaks of. {WRITTEN}"""', "", "from __future__ import annotations"]
    parts += ["", "from typing import Any, Literal, NotRequired, TypedDict"]
    components: dict[str, Any] = schema["components"]["schemas"]
    for name in sorted(components):
        if name == "ProblemCode":
            parts += ["", "ProblemCode = str"]  # new ones may come: nobody may rely on the list being closed
        elif values := values_of(components[name]):
            parts += ["", *_literal(name, values)]
    for name in sorted(components):
        if not values_of(components[name]):
            parts += ["", "", *_typed_dict(name, components[name])]
    return "\n".join(parts) + "\n"


def write_api(schema: dict[str, Any]) -> str:
    """Return the source of api.py: one method an operation."""
    parts = [
        f'"""Every call of the API. {WRITTEN}"""',
        "",
        "from typing import Any, Literal",
        "",
        "from client import models",
        "from client.http import Transport",
        "",
        "",
        "class Api(Transport):",
        '    """One method a call, named as the schema names it."""',
    ]
    for path, operations in sorted(schema["paths"].items()):
        for method, operation in sorted(operations.items()):
            parts += ["", indent("\n".join(_method(method, path, operation)), "    ")]
    return "\n".join(parts) + "\n"


def values_of(schema: dict[str, Any]) -> list[Any]:
    """Return the values to which a schema is closed, none for any other."""
    values: list[Any] = [None] if schema.get("type") == "null" else schema.get("enum", [])
    return values


def _literal(name: str, values: list[Any]) -> Iterator[str]:
    yield f"{name} = Literal["
    yield from (f"    {json.dumps(value, ensure_ascii=False) if value is not None else None}," for value in values)
    yield "]"


def _typed_dict(name: str, schema: dict[str, Any]) -> Iterator[str]:
    if schema.get("type") != "object":
        raise NotImplementedError(f"{name} is no object")
    yield f"class {name}(TypedDict):"
    yield from _docstring(schema.get("description") or f"{name}.")
    properties = schema.get("properties", {})
    if properties:
        yield ""
    for field, value in properties.items():
        if keyword.iskeyword(field) or not field.isidentifier():
            raise NotImplementedError(f"{name}.{field} needs another spelling")
        hint = type_of(value)
        yield f"    {field}: {hint if field in schema.get('required', []) else f'NotRequired[{hint}]'}"


def type_of(schema: dict[str, Any], prefix: str = "") -> str:
    """Return the Python type of a schema; `prefix` stands before names of components."""
    if "$ref" in schema:
        return prefix + str(schema["$ref"]).rsplit("/", 1)[1]
    if "allOf" in schema and len(schema["allOf"]) == 1:
        return type_of(schema["allOf"][0], prefix)
    if several := schema.get("oneOf") or schema.get("anyOf"):
        return " | ".join(dict.fromkeys(type_of(one, prefix) for one in several))
    if "enum" in schema:
        return f"Literal[{', '.join(repr(value) for value in schema['enum'])}]"
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(type_of(schema | {"type": one}, prefix) for one in kind)
    if kind == "array":
        return f"list[{type_of(schema['items'], prefix)}]"
    if kind in PLAIN:
        return PLAIN[kind]
    if kind == "object":
        more = schema.get("additionalProperties", {})
        return f"dict[str, {type_of(more, prefix) if isinstance(more, dict) and more else 'Any'}]"
    if kind is None:
        return "Any"
    raise NotImplementedError(f"what is {schema}?")


def _method(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    answer = _answer_of(operation)
    in_path = re.findall(r"{(\w+)}", path)
    query = [one for one in operation.get("parameters", []) if one["in"] == "query"]
    headers = [CONTRACT[one["name"]] for one in operation.get("parameters", []) if one["name"] in CONTRACT]
    yield f"def {operation['operationId']}("
    yield "    self,"
    yield from (f"    {name}: str," for name in in_path)
    if "requestBody" in operation:
        body = type_of(operation["requestBody"]["content"]["application/json"]["schema"], "models.")
        yield f"    body: {body},"
    if query or headers:
        yield "    *,"
    for one in query:
        hint = type_of(one["schema"], "models.")
        yield f"    {one['name']}: {hint}," if one.get("required") else f"    {one['name']}: {hint} | None = None,"
    yield from (f"    {name}: str | None = None," for name in headers)
    yield f") -> {answer}:"
    yield from _docstring(operation.get("description") or f"{method.upper()} {path}")
    arguments = [f'"{method.upper()}"', f'f"{path}"' if in_path else f'"{path}"']
    if query:
        arguments.append("query={" + ", ".join(f'"{one["name"]}": {one["name"]}' for one in query) + "}")
    arguments += ["body=body"] if "requestBody" in operation else []
    arguments += [f"{name}={name}" for name in headers]
    call = f"self.call({', '.join(arguments)})"
    yield from [f"    {call}"] if answer == "None" else [f"    found: {answer} = {call}", "    return found"]


def _answer_of(operation: dict[str, Any]) -> str:
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            content = answer.get("content", {})
            if "application/json" in content:
                return type_of(content["application/json"]["schema"], "models.")
            return "bytes" if content else "None"
    raise NotImplementedError(f"{operation['operationId']} has no answer")


def _docstring(text: str) -> Iterator[str]:
    lines = [line for part in text.strip().split("\n") for line in (wrap(part, 108) or [""])]
    lines = [line.replace("\\", "\\\\").replace('"""', "'''") for line in lines]
    if len(lines) == 1:
        yield f'    """{lines[0]}"""'
        return
    yield f'    """{lines[0]}'
    yield from (f"    {line}" if line else "" for line in lines[1:])
    yield '    """'


def main() -> None:
    """Write both files from the schema at standard input."""
    schema = json.load(sys.stdin)
    (HERE / "models.py").write_text(write_models(schema))
    (HERE / "api.py").write_text(write_api(schema))


if __name__ == "__main__":
    main()
