"""Reading parameters the way Stripe does: bracketed forms, and refusals for what is unknown, missing or mistyped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from sandbox.stripe.errors import StripeError

MAX_INTEGER = 99_999_999_999
MAX_METADATA = 50
PERIOD_BOUNDS = ("gt", "gte", "lt", "lte")


@dataclass(frozen=True)
class Param:
    """What one parameter may be. `kind`: integer, text, flag, texts, metadata, group or period."""

    kind: str
    is_required: bool = False
    choices: tuple[str, ...] = ()
    fields: Mapping[str, "Param"] = field(default_factory=dict)
    least: int = 0
    longest: int = 5000


Spec = Mapping[str, Param]


def integer(*, required: bool = False, least: int = 0) -> Param:
    """Return a parameter that is a whole number of at least `least`."""
    return Param("integer", is_required=required, least=least)


def text(*choices: str, required: bool = False, longest: int = 5000) -> Param:
    """Return a parameter that is text, one of `choices` where any are given."""
    return Param("text", is_required=required, choices=choices, longest=longest)


def texts(*choices: str, required: bool = False) -> Param:
    """Return a parameter that is a list of texts."""
    return Param("texts", is_required=required, choices=choices)


def group(fields: Spec, *, required: bool = False) -> Param:
    """Return a parameter that is an object with these members and no others."""
    return Param("group", is_required=required, fields=fields)


FLAG = Param("flag")
METADATA = Param("metadata")
PERIOD = Param("period")


def decode_form(encoded: str) -> dict[str, Any]:
    """Return the nested parameters of a form or query string: `a[b][0]=c` becomes {"a": {"b": {"0": "c"}}}."""
    decoded: dict[str, Any] = {}
    for number, (name, value) in enumerate(parse_qsl(encoded, keep_blank_values=True)):
        head, *rest = name.split("[")
        parts = [head, *(part.removesuffix("]") or str(number) for part in rest)]
        place = decoded
        for part in parts[:-1]:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                raise StripeError(f"Invalid object: {head}", param=head)
            place = inner
        place[parts[-1]] = value
    return decoded


def check(given: Mapping[str, Any], spec: Spec, *, is_form: bool, within: str = "") -> dict[str, Any]:
    """Return the parameters with their types; raises StripeError for the first that does not fit `spec`.

    In forms everything arrives as text and is converted; JSON must have the right types.
    """
    for name in given:
        if name not in spec:
            raise StripeError(
                f"Received unknown parameter: {_name(within, name)}", code="parameter_unknown", param=name
            )
    for name, param in spec.items():
        if param.is_required and name not in given:
            called = _name(within, name)
            raise StripeError(f"Missing required param: {called}.", code="parameter_missing", param=called)
    return {name: _check_one(value, spec[name], _name(within, name), is_form=is_form) for name, value in given.items()}


def _check_one(value: Any, param: Param, called: str, *, is_form: bool) -> Any:
    if param.kind == "integer":
        return _integer(value, param, called, is_form=is_form)
    if param.kind == "text":
        return _text(value, param, called)
    if param.kind == "flag":
        return _flag(value, called, is_form=is_form)
    if param.kind == "texts":
        values = list(value.values()) if is_form and isinstance(value, dict) else value
        if not isinstance(values, list):
            raise StripeError("Invalid array", param=called)
        return [_text(item, param, f"{called}[{index}]") for index, item in enumerate(values)]
    if param.kind == "metadata":
        return _metadata(value, called)
    if param.kind == "period":
        bounds = value if isinstance(value, dict) else {"gte": value, "lte": value}
        return check(bounds, {name: integer() for name in PERIOD_BOUNDS}, is_form=is_form, within=called)
    if not isinstance(value, dict):
        raise StripeError("Invalid object", param=called)
    return check(value, param.fields, is_form=is_form, within=called)


def _integer(value: Any, param: Param, called: str, *, is_form: bool) -> int:
    if is_form and isinstance(value, str) and value.removeprefix("-").isdecimal() and value.isascii():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise StripeError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=called)
    if not param.least <= value <= MAX_INTEGER:
        bound = f"greater than or equal to {param.least}" if value < param.least else f"at most {MAX_INTEGER}"
        raise StripeError(f"This value must be {bound}.", code="parameter_invalid_integer", param=called)
    return value


def _text(value: Any, param: Param, called: str) -> str:
    if not isinstance(value, str):
        raise StripeError(f"Invalid string: {value}", param=called)
    if not value:
        raise StripeError(
            f"You passed an empty string for '{called}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{called}' cannot be unset.",
            code="parameter_invalid_empty",
            param=called,
        )
    if len(value) > param.longest:
        raise StripeError(f"Invalid string: must be at most {param.longest} characters", param=called)
    if param.choices and value not in param.choices:
        raise StripeError(f"Invalid {called}: must be one of {', '.join(param.choices)}", param=called)
    return value


def _flag(value: Any, called: str, *, is_form: bool) -> bool:
    if is_form and value in {"true", "false"}:
        return bool(value == "true")
    if not isinstance(value, bool):
        raise StripeError(f"Invalid boolean: {value}", param=called)
    return value


def _metadata(value: Any, called: str) -> dict[str, str]:
    if value == "":
        return {}
    if not isinstance(value, dict):
        raise StripeError("Invalid object", param=called)
    if len(value) > MAX_METADATA:
        raise StripeError(f"Metadata can have at most {MAX_METADATA} keys.", param=called)
    for key, item in value.items():
        if not isinstance(item, str) or len(key) > 40 or len(item) > 500:
            raise StripeError(
                "Metadata values are strings of at most 500 characters under keys of at most 40.",
                param=f"{called}[{key}]",
            )
    return dict(value)


def _name(within: str, name: str) -> str:
    return f"{within}[{name}]" if within else name
