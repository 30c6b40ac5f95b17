"""The judge of Stripe calls: every request and answer is checked against Stripe's own OpenAPI description.

The description closes only top-level request objects, so nested ones are closed here (a misspelt nested key is an
error); `nullable` becomes JSON Schema; form bodies are decoded from brackets and converted where the schema says so.
tests/data/stripe-openapi-LICENSE.txt holds its licence.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import stripe
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

_FILE = Path(__file__).parent / "data" / "stripe-openapi-trimmed.json"
_HELD_BACK = {"charge", "refund"}  # kinds of objects that the description does not contain


class SpecError(AssertionError):
    """A request or an answer that Stripe's description does not allow."""


class JudgingClient(stripe.RequestsClient):
    """The SDK's own transport, which checks everything that passes through it."""

    def __init__(self, prefix: str, **options: Any) -> None:
        self.prefix = prefix
        self.seen: list[tuple[str, str, int, Mapping[str, str]]] = []
        super().__init__(**options)

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **options: Any
    ) -> tuple[Any, int, Mapping[str, str]]:
        """Send one call; raises SpecError where it or its answer is not in the description."""
        content, status, replied = super().request(method, url, headers, post_data, **options)
        parts = urlsplit(url)
        path = parts.path.removeprefix(self.prefix)
        self.seen.append((method.upper(), path, status, replied))
        if status == 200:  # refused requests may well be wrong: that is what they are refused for
            check_request(method, path, parts.query, post_data)
        check_answer(method, path, status, content)
        return content, status, replied


def check_request(method: str, path: str, query: str, body: Any) -> None:
    """Raise SpecError where the request's parameters do not fit the description."""
    operation = _operation(method, path)
    if operation is None:
        return
    by_name = {p["name"]: p["schema"] for p in operation.get("parameters", []) if p["in"] == "query"}
    given = decode(query)
    _judge(
        {"type": "object", "properties": by_name, "additionalProperties": False}, given, f"{method} {path}?", form=True
    )
    content = operation.get("requestBody", {}).get("content", {})
    if method.upper() == "POST" and "application/json" in content:
        _judge(content["application/json"]["schema"], json.loads(body or "{}"), f"{method} {path}", form=False)
    elif method.upper() == "POST" and content:
        form = content["application/x-www-form-urlencoded"]["schema"]
        _judge(form, decode(body or ""), f"{method} {path}", form=True)


def check_answer(method: str, path: str, status: int, content: bytes) -> None:
    """Raise SpecError where the answer does not fit the description."""
    operation = _operation(method, path)
    if operation is None:
        return
    reply = operation["responses"].get(str(status), operation["responses"]["default"])
    schema = _closed(reply["content"]["application/json"]["schema"], close=status == 200)
    if status != 200 and path.startswith("/v2/"):
        schema = {"$ref": "#/components/schemas/v2.error"}
    try:
        answer = json.loads(content)
    except ValueError:
        return  # cut on purpose; the SDK has to notice
    _validate(schema, _without_unknown_kinds(answer), f"{method} {path} -> {status}")


def check_object(name: str, value: Any) -> None:
    """Raise SpecError where `value` is not the description's object `name`."""
    _validate(_closed({"$ref": f"#/components/schemas/{name}"}, close=True), value, name)


def decode(encoded: str) -> dict[str, Any]:
    """Return the nested parameters of a bracketed form or query."""
    decoded: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        parts = re.findall(r"[^\[\]]+", name)
        place = decoded
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        place[parts[-1]] = value
    return decoded


def _without_unknown_kinds(value: Any) -> Any:
    """Return the answer with expanded objects that the description does not contain put back to their ids."""
    if isinstance(value, list):
        return [_without_unknown_kinds(item) for item in value]
    if isinstance(value, dict):
        if isinstance(value.get("object"), str) and value["object"] in _HELD_BACK:
            return value["id"]
        return {name: _without_unknown_kinds(item) for name, item in value.items()}
    return value


def _judge(schema: dict[str, Any], given: Any, where: str, *, form: bool) -> None:
    closed = _closed(schema, close=True)
    _validate(closed, _converted(given, closed) if form else given, where)


def _converted(value: Any, schema: dict[str, Any]) -> Any:
    """Return a form's texts as the types that `schema` asks for; what does not convert stays text and is refused."""
    for choice in schema.get("anyOf", []):
        if isinstance(value, dict) == (choice.get("type") == "object"):
            return _converted(value, choice)
    kind = schema.get("type")
    if kind == "array" and isinstance(value, dict):
        return [_converted(item, schema["items"]) for item in value.values()]
    if kind == "object" and isinstance(value, dict):
        known = schema.get("properties", {})
        return {name: _converted(item, known.get(name, {})) for name, item in value.items()}
    if kind == "integer" and isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        return int(value)
    if kind == "boolean" and value in {"true", "false"}:
        return value == "true"
    return value


def _validate(schema: dict[str, Any], value: Any, where: str) -> None:
    whole = {**schema, "components": _components()}
    faults = sorted(Draft202012Validator(whole).iter_errors(value), key=lambda fault: list(map(str, fault.path)))
    if faults:
        told = "; ".join(f"{fault.json_path}: {fault.message[:300]}" for fault in faults[:5])
        raise SpecError(f"{where}: {told}")


def _operation(method: str, path: str) -> dict[str, Any] | None:
    """Return what the description says of a call; None for the kinds it does not contain."""
    for pattern, operations in _spec()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) and method.lower() in operations:
            found: dict[str, Any] = operations[method.lower()]
            return found
    if path.split("/")[2] in {f"{kind}s" for kind in _HELD_BACK}:
        return None
    raise SpecError(f"{method} {path} is not in the description")


def _closed(schema: Any, *, close: bool) -> Any:
    """Return `schema` as JSON Schema: `nullable` converted and, where `close` says so, unknown members refused."""
    if isinstance(schema, list):
        return [_closed(item, close=close) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {name: _closed(item, close=close) for name, item in schema.items() if name != "nullable"}
    if close and schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        out.setdefault("additionalProperties", False)
    if schema.get("nullable") is True:
        return {"anyOf": [out, {"type": "null"}]}
    return out


@lru_cache(maxsize=1)
def _spec() -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(_FILE.read_text())
    # The SDK speaks 2026-10-28.endive, a version later than this copy: account links no longer name configurations.
    link = spec["paths"]["/v2/core/account_links"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    for schema in (link, spec["components"]["schemas"]["v2.core.account_link"]):
        for use in ("account_onboarding", "account_update"):
            schema["properties"]["use_case"]["properties"][use]["required"].remove("configurations")
    return spec


@lru_cache(maxsize=1)
def _components() -> dict[str, Any]:
    components: dict[str, Any] = {"schemas": dict(_closed_schemas())}
    return components


def _closed_schemas() -> Iterator[tuple[str, Any]]:
    for name, schema in _spec()["components"]["schemas"].items():
        yield name, _closed(schema, close=not name.startswith("v2.error") and name != "api_errors")
