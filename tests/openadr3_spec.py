"""The judge of OpenADR 3 messages: every request and answer is checked against the Alliance's own description.

`nullable` and `discriminator` become JSON Schema, and date-times are checked. The 3.1.0 file has one malformed line (a
stray dash after a default), which is mended on reading. tests/data/openadr3 holds the descriptions and their licence.
"""

from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_DATA = Path(__file__).parent / "data" / "openadr3"
_FORMATS = FormatChecker()


class SpecError(AssertionError):
    """A message that the Alliance's description does not allow."""


@_FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def judge(schema: str, message: Any, *, version: str = "3.1.0") -> None:
    """Raise SpecError unless `message` is a `schema` (`event`, `reportRequest`, ...) of that version."""
    if version == "3.1.0" and schema in {"ven", "resource"}:
        # The description wants such an object's objectType to be two things at once: its own kind, as every object's,
        # and the kind of the request that made it. Each half is judged by itself.
        judge("objectMetadata", message, version=version)
        asked = schema.capitalize()
        schema, message = f"Bl{asked}Request", {**message, "objectType": f"BL_{schema.upper()}_REQUEST"}
    errors = [
        f"{'/'.join(str(step) for step in error.absolute_path)}: {error.message[:200]}"
        for error in _validator(version, schema).iter_errors(message)
    ]
    if errors:
        raise SpecError(f"no {schema} of OpenADR {version}: " + "; ".join(errors[:5]))


def payload_schema(file: str, kind: str) -> dict[str, Any] | None:
    """Return the Alliance's schema of one payload type's values; None for a private type."""
    definitions = _load("3.1.0", f"{file}-payloads.schema.yaml")["definitions"]
    found: dict[str, Any] | None = definitions.get(kind)
    return found


@lru_cache(maxsize=4)
def _load(version: str, file: str = "openadr3.yaml") -> Any:
    text = (_DATA / version / file).read_text(encoding="utf-8")
    return yaml.safe_load(text.replace("default: null          -", "default: null"))


@lru_cache(maxsize=64)
def _validator(version: str, schema: str) -> Any:
    description = _plain(_load(version))
    registry: Any = Registry().with_resource("spec", Resource.from_contents(description, DRAFT202012))
    reference = {"$ref": f"spec#/components/schemas/{schema}"}
    return Draft202012Validator(reference, registry=registry, format_checker=_FORMATS)


def _plain(part: Any) -> Any:
    """Return the part as JSON Schema: what may be null says so, and examples say nothing."""
    if isinstance(part, list):
        return [_plain(item) for item in part]
    if not isinstance(part, dict):
        return part
    plain = {key: _plain(value) for key, value in part.items() if key not in {"example", "discriminator", "nullable"}}
    return {"anyOf": [plain, {"type": "null"}]} if part.get("nullable") is True else plain
