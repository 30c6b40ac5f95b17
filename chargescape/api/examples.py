"""Examples for the schema: made from it, with values that an owner could have."""

from typing import Any

AN_ID = "6f0c1f52-4d0e-4a53-8f4e-0a4f8f4a3c11"
BY_NAME: dict[str, Any] = {
    "address": "1100 Congress Ave, Austin",
    "amount_minor": 184,
    "available_minor": 1240,
    "body": "Evening Relief asks for help from 6:00 PM to 8:00 PM.",
    "capacity_wh": 131_000,
    "code": "vehicle_not_active",
    "country": "US",
    "currency": "USD",
    "cursor": "eyJ1IjoxLCJuIjo3fQ:1vN2aB:k3Q",
    "detail": "",
    "earned_minor": 5210,
    "email": "alice@example.com",
    "evse_max_charge_w": 11_500,
    "export_limit_w": 9_600,
    "kind": "redirect",
    "language": "en",
    "leaves_at": "07:30",
    "maker": "ford",
    "make": "Ford",
    "max_charge_w": 11_300,
    "max_discharge_w": 9_600,
    "minimum_soc_percent": 20,
    "model": "F-150 Lightning",
    "model_year": 2024,
    "name": "Alice Moreno",
    "next": None,
    "nickname": "Blue Lightning",
    "paid_minor": 3970,
    "page_size": 50,
    "postal_code_prefix": "78701",
    "power_kw": [11.3, 0.0, -9.6],
    "month_date": "2026-11-01",
    "power_w": 7_200,
    "previous": None,
    "program_name": "Evening Relief",
    "proof": "q2Zl0c7mXw",
    "purpose": "data_use",
    "region": "LZ_AUSTIN",
    "reserve_soc_percent": 30,
    "return_url": "https://app.chargescape.example/linked",
    "reward_micros_per_kwh": 400_000,
    "reward_per_kwh": "0.4",
    "sentence": "Your car charges from 1:00 AM to 4:15 AM and is ready at 7:30 AM with 85 %.",
    "slot_minutes": 15,
    "slug": "lone-star-market",
    "soc_percent": 62.5,
    "target_soc_percent": 85,
    "tariff": "lone-star-market",
    "time_zone": "America/Chicago",
    "title": "The grid asks for help this evening",
    "trim": "Extended Range",
    "user_code": "",
    "verification_url": "",
    "version": 3,
    "weekday": 0,
}
BY_FORMAT: dict[str, Any] = {
    "uuid": AN_ID,
    "date-time": "2026-11-24T00:30:00Z",
    "date": "2026-11-23",
    "time": "07:30:00",
    "email": "alice@example.com",
    "uri": "https://chargescape.example/cars/link/open/?ticket=5cXq",
    "decimal": "0.5",
    "double": 62.5,
}
BY_TYPE: dict[str, Any] = {"integer": 0, "number": 0.0, "boolean": True, "string": "", "object": {}, "null": None}


def sample(schema: dict[str, Any], schemas: dict[str, Any], name: str = "") -> Any:
    """Return a value that the schema allows, as an owner's could be."""
    if "$ref" in schema:
        return sample(schemas[schema["$ref"].rsplit("/", 1)[1]], schemas, name)
    for several in ("allOf", "oneOf", "anyOf"):
        if several in schema:
            return sample(schema[several][0], schemas, name)
    if "enum" in schema:
        wanted = BY_NAME.get(name)
        return wanted if wanted in schema["enum"] else schema["enum"][0]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object" and "properties" in schema:
        return {key: sample(value, schemas, key) for key, value in schema["properties"].items()}
    if kind == "array":
        wanted = BY_NAME.get(name)
        return wanted if isinstance(wanted, list) else [sample(schema["items"], schemas, name)]
    return _value(schema, kind, name)


def _value(schema: dict[str, Any], kind: str, name: str) -> Any:
    wanted = BY_NAME.get(name, BY_FORMAT.get(schema.get("format", "")))
    kinds = {"integer": int, "number": (int, float), "string": str, "boolean": bool}
    if wanted is not None and isinstance(wanted, kinds.get(kind, object)):  # type: ignore[arg-type]
        return wanted
    if name in BY_NAME and BY_NAME[name] is None and "null" in schema.get("type", []):
        return None
    if schema.get("format") in BY_FORMAT:
        return BY_FORMAT[schema["format"]]
    if ":" in schema.get("pattern", ""):
        return "07:30"
    if schema.get("pattern") or schema.get("minLength"):
        return "evening-relief"
    return max(schema.get("minimum", BY_TYPE[kind]), BY_TYPE[kind]) if kind == "integer" else BY_TYPE[kind]
