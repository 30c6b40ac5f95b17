"""Completes the schema with what the contract adds to every call: problems, headers, examples."""

from typing import Any

from chargescape.api.codes import problem_codes
from chargescape.api.examples import sample
from chargescape.api.problems import PROBLEM_TYPE

TEXT = {"type": "string"}
LOCAL_TIME = r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"
PROBLEMS = {
    "400": "The request is not valid; `errors` says which fields.",
    "401": "Nobody is signed in by this token, or no longer.",
    "403": "This caller may not do that.",
    "404": "There is no such thing, or it is not yours.",
    "409": "Refused as things stand; `code` says why, `detail` what to do. Nothing was changed.",
    "410": "The cursor is too old: begin anew.",
    "412": "It was changed since you read it (`If-Match`).",
    "422": "The `Idempotency-Key` was used for another request.",
    "429": "Too many calls; `Retry-After` says when to try again.",
}
LIMITS = {
    "RateLimit": {"description": "What is left of each limit: `r` calls, whole again in `t` seconds.", "schema": TEXT},
    "RateLimit-Policy": {"description": "Each limit: `q` calls in `w` seconds.", "schema": TEXT},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A value of your own, new for each wish. Sent again within 24 hours, the same request is answered "
    "with the first answer and `Idempotency-Replayed: true`, and nothing is done twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    "example": "5f1c6c1e-2f0a-4a39-9d0e-3a8f3f7f8a11",
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "The `ETag` of what you read; where it was changed since, nothing is saved and the answer is 412.",
    "schema": {"type": "string", "pattern": '^("[0-9a-f]{32}"|\\*)$'},
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of what you have; where it still holds, the answer is 304 without a body.",
    "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
}
PROBLEM = {
    "type": "object",
    "description": "Why a call did not do what was asked (RFC 9457). `code` is stable; `detail` is for people.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": TEXT | {"format": "uri"},
        "title": TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"$ref": "#/components/schemas/ProblemCode"},
        "detail": TEXT,
        "errors": {"type": "object", "description": "Field -> what is wrong with it.", "additionalProperties": True},
    },
}


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:  # noqa: FBT001 - drf-spectacular's hook
    """Return the schema with parameters, problems and examples added to every operation."""
    del generator, request, public
    schemas = result["components"]["schemas"]
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            _tell_local_time(field)
    schemas["ProblemCode"] = {"type": "string", "enum": problem_codes(), "description": "Stable; new ones may come."}
    schemas["Problem"] = PROBLEM
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            _unwrap(operation)
            _add_parameters(operation, method)
            _add_problems(operation, method, path)
            _add_examples(operation, schemas)
    return result


def _tell_local_time(field: dict[str, Any]) -> None:
    """Tell a local time as hours and minutes: JSON Schema's own "time" is an instant with a zone."""
    if field.get("format") == "time":
        del field["format"]
        field["pattern"] = LOCAL_TIME


def _unwrap(operation: dict[str, Any]) -> None:
    """Tell one object where a view without rows, such as `/me/`, is taken for a list because its method is `list`."""
    if not operation["operationId"].endswith("_retrieve"):
        return
    for media in operation["responses"].get("200", {}).get("content", {}).values():
        if media["schema"].get("type") == "array":
            media["schema"] = media["schema"]["items"]


def _add_parameters(operation: dict[str, Any], method: str) -> None:
    added = [IF_NONE_MATCH] if method == "get" else [IDEMPOTENCY_KEY]
    if method in {"put", "patch"}:
        added.append(IF_MATCH)
    operation["parameters"] = [*operation.get("parameters", []), *added]


def _add_problems(operation: dict[str, Any], method: str, path: str) -> None:
    responses = operation["responses"]
    statuses = {"400", "401", "403", "429"}
    if "{" in path or "/utility/" in path or "vehicle" in str(operation["parameters"]):
        statuses.add("404")
    if method == "get":
        responses["304"] = {"description": "What you have still holds.", "headers": _headers(has_etag=True)}
        statuses |= {"409"} if "{" in path else set()
    else:
        statuses |= {"404", "409", "422"}
    if method in {"put", "patch"}:
        statuses.add("412")
    if path.endswith("/changes/"):
        statuses.add("410")
    for status in responses:
        if status.startswith("2"):
            responses[status]["headers"] = _headers(has_etag=method == "get")
    for status in sorted(statuses):
        responses[status] = _problem(PROBLEMS[status])
        if status == "429":
            retry = {"description": "Seconds.", "schema": {"type": "integer"}}
            responses[status]["headers"] = LIMITS | {"Retry-After": retry}
    responses["default"] = _problem("Any other trouble, in the same form.")


def _headers(*, has_etag: bool) -> dict[str, Any]:
    etag = {"ETag": {"description": "For `If-None-Match` and `If-Match`.", "schema": TEXT}}
    return LIMITS | etag if has_etag else LIMITS


def _problem(description: str) -> dict[str, Any]:
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content}


def _add_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    bodies = [operation["requestBody"]] if "requestBody" in operation else []
    bodies += [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    for body in bodies:
        for media in body.get("content", {}).values():
            media["example"] = sample(media["schema"], schemas)
