"""The schema tells everything without a warning, its examples are true, and the client is what it says."""

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from django.core.management import call_command

from client import generate


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The schema as apps get it; a warning while it is made is an error."""
    path = tmp_path_factory.mktemp("schema") / "schema.json"
    call_command("spectacular", "--validate", "--fail-on-warn", format="openapi-json", file=str(path))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_every_call_tells_its_problems_and_its_contract(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    codes = schema["components"]["schemas"]["ProblemCode"]["enum"]
    assert {"not_found", "throttled", "precondition_failed", "vehicle_not_active", "link_state_used"} <= set(codes)
    for path, method, operation in operations(schema):
        said = operation["responses"].keys()
        assert {"400", "401", "403", "429", "default"} <= said, (method, path)
        named = {one["name"] for one in operation["parameters"]}
        assert ("If-None-Match" if method == "get" else "Idempotency-Key") in named, (method, path)
        assert operation.get("description"), f"{method} {path} says nothing about itself: give its view a docstring"


def test_examples_are_what_the_schema_allows(schema: dict[str, Any]) -> None:
    shown = 0
    for path, method, operation in operations(schema):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for media in [media for body in bodies for media in body.get("content", {}).values() if "example" in media]:
            resolved = media["schema"] | {"components": schema["components"]}
            problems = list(jsonschema.Draft202012Validator(resolved).iter_errors(media["example"]))
            assert not problems, f"{method} {path}: {problems[0].message}; see chargescape/api/examples.py"
            shown += 1
    assert shown > 80


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (path, method, operation) of every call."""
    return [(path, method, one) for path, methods in schema["paths"].items() for method, one in methods.items()]


def test_client_is_what_the_schema_says(schema: dict[str, Any]) -> None:
    stale = "Generate the client anew: see client/generate.py"
    assert (generate.HERE / "models.py").read_text() == generate.write_models(schema), stale
    assert (generate.HERE / "api.py").read_text() == generate.write_api(schema), stale


@pytest.mark.parametrize(
    ("schema", "hint"),
    [
        ({"type": ["string", "null"]}, "str | None"),
        ({"oneOf": [{"$ref": "#/components/schemas/Car"}, {"type": "null"}]}, "models.Car | None"),
        ({"allOf": [{"$ref": "#/components/schemas/Car"}]}, "models.Car"),
        ({"type": "array", "items": {"type": "number"}}, "list[float]"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "dict[str, int]"),
        ({"enum": ["a", "b"], "type": "string"}, "Literal['a', 'b']"),
        ({}, "Any"),
    ],
)
def test_generator_knows_the_types_of_our_schema(schema: dict[str, Any], hint: str) -> None:
    assert generate.type_of(schema, "models.") == hint


def test_generator_stops_at_what_it_does_not_know() -> None:
    with pytest.raises(NotImplementedError):
        generate.type_of({"type": "tuple"})
