"""Who may join a program, as data: the rules of its terms against the facts of a car, its home and its owner; pure.

A rule that is not met gives a failure with a stable code; `flows.programs.fitting` tells owners what it means. A rule
that nobody knows is refused when a file is loaded: it would otherwise be one that everybody meets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CAR, HOME_CHARGER = "car", "home_charger"
DEVICES = (CAR, HOME_CHARGER)
WATTS_PER_KW = 1000
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """What is known of one car where it is. Powers are W, AC side; the energy is usable Wh.

    `devices` are what we steer its charging through; `is_export_agreed` says that an agreement is in force now.
    """

    country: str = ""
    region: str = ""
    utility: str = ""
    postal_code_prefix: str = ""
    tariff: str = ""
    devices: frozenset[str] = frozenset({CAR})
    maker: str = ""
    make: str = ""
    model: str = ""
    model_year: int | None = None
    ends_holds_itself: bool = False
    gives_energy_back: bool = False
    capacity_wh: int = 0
    charge_w: int = 0
    is_charger_bidirectional: bool = False
    charger_w: int = 0
    is_export_agreed: bool = False
    export_w: int = 0


@dataclass(frozen=True)
class Failure:
    """One rule that is not met: its code, and the numbers and names for the reader."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Rule:
    """One rule: what its value must look like (a complaint, or ""), and how facts fare against it."""

    check: Callable[[Any], str]
    judge: Callable[[Any, Facts], Failure | None]


def parse_rules(record: object) -> dict[str, Any]:
    """Return the rules of a program's terms, checked; raises ValueError naming the rule that is unknown or wrong."""
    if not isinstance(record, Mapping):
        raise ValueError("eligibility: must be an object")  # noqa: TRY004 - bad data, not a bug in the caller
    for name, value in record.items():
        if name in _PARTS:
            if not isinstance(value, Mapping):
                raise ValueError(f"eligibility: `{name}` must be an object")
            for inner, wanted in value.items():
                _check(f"{name}.{inner}", wanted)
        else:
            _check(name, value)
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in record.items()}


def failures(rules: Json, facts: Facts) -> list[Failure]:
    """Return every rule that the facts do not meet, in the order in which owners can do ever more about them."""
    flat = {
        name if inner is None else f"{name}.{inner}": wanted
        for name, value in rules.items()
        for inner, wanted in (value.items() if name in _PARTS else [(None, value)])
    }
    judged = (_RULES[name].judge(flat[name], facts) for name in _RULES if name in flat)
    return [failure for failure in judged if failure is not None]


def _check(name: str, value: object) -> None:
    if name not in _RULES:
        raise ValueError(f"eligibility: there is no rule `{name}`; known are {', '.join(_RULES)}")
    complaint = _RULES[name].check(value)
    if complaint:
        raise ValueError(f"eligibility: `{name}` {complaint}")


def _is_names(value: object) -> str:
    is_right = isinstance(value, list) and value and all(isinstance(name, str) and name for name in value)
    return "" if is_right else "must be a list of names"


def _is_devices(value: object) -> str:
    is_right = isinstance(value, list) and value and all(name in DEVICES for name in value)
    return "" if is_right else f"must be a list of {', '.join(DEVICES)}"


def _is_models(value: object) -> str:
    is_right = isinstance(value, Mapping) and value and all(not _is_names(names) for names in value.values())
    return "" if is_right else "must give a list of models by make"


def _is_true(value: object) -> str:
    return "" if value is True else "must be true, or be left out"


def _is_amount(value: object) -> str:
    return "" if type(value) in {int, float} and value > 0 else "must be a number above 0"  # type: ignore[operator]


def _is_year(value: object) -> str:
    return "" if type(value) is int and 1990 <= value <= 2100 else "must be a year"


def _same(left: str, right: str) -> bool:
    return left.strip().casefold() == right.strip().casefold()


def _among(code: str, fact: str) -> Callable[[Sequence[str], Facts], Failure | None]:
    """Return a rule that wants a fact among names."""

    def judge(names: Sequence[str], facts: Facts) -> Failure | None:
        is_met = any(_same(name, getattr(facts, fact)) for name in names)
        return None if is_met else Failure(code, {"wanted": ", ".join(names)})

    return judge


def _at_least(code: str, fact: str) -> Callable[[float, Facts], Failure | None]:
    """Return a rule that wants at least so many kW or kWh of a fact in W or Wh."""

    def judge(wanted: float, facts: Facts) -> Failure | None:
        return None if getattr(facts, fact) >= wanted * WATTS_PER_KW else Failure(code, {"wanted": wanted})

    return judge


def _has(code: str, fact: str) -> Callable[[bool, Facts], Failure | None]:
    """Return a rule that wants a fact to be true."""
    return lambda _wanted, facts: None if getattr(facts, fact) else Failure(code)


def _area(prefixes: Sequence[str], facts: Facts) -> Failure | None:
    here = facts.postal_code_prefix.upper()
    # A home gives three characters or five; a rule may be as coarse as the first.
    is_met = bool(here) and any(here.startswith(prefix.upper()) for prefix in prefixes)
    return None if is_met else Failure("postal_code_not_eligible", {"wanted": ", ".join(prefixes)})


def _not_tariff(tariffs: Sequence[str], facts: Facts) -> Failure | None:
    return Failure("tariff_excluded", {"wanted": ", ".join(tariffs)}) if facts.tariff in tariffs else None


def _devices(wanted: Sequence[str], facts: Facts) -> Failure | None:
    return None if facts.devices & set(wanted) else Failure("device_not_eligible", {"devices": tuple(wanted)})


def _models(models: Mapping[str, Sequence[str]], facts: Facts) -> Failure | None:
    names = next((names for make, names in models.items() if _same(make, facts.make)), ())
    # "F-150 Lightning" stands for every trim that a maker puts behind it.
    if any(facts.model.strip().casefold().startswith(name.strip().casefold()) for name in names):
        return None
    wanted = ", ".join(f"{make} {name}" for make, names in models.items() for name in names)
    return Failure("model_not_eligible", {"wanted": wanted})


def _from_year(year: int, facts: Facts) -> Failure | None:
    if facts.model_year is None:
        return Failure("model_year_unknown", {"wanted": year})
    return None if facts.model_year >= year else Failure("model_year_too_old", {"wanted": year})


def _to_year(year: int, facts: Facts) -> Failure | None:
    if facts.model_year is None:
        return Failure("model_year_unknown", {"wanted": year})
    return None if facts.model_year <= year else Failure("model_year_too_new", {"wanted": year})


_PARTS = ("car", "charger", "agreement")
# In the order in which they are told: first what an owner cannot change, last what a form or an electrician can.
_RULES = {
    "countries": _Rule(_is_names, _among("country_not_eligible", "country")),
    "regions": _Rule(_is_names, _among("region_not_eligible", "region")),
    "utilities": _Rule(_is_names, _among("utility_not_eligible", "utility")),
    "postal_code_prefixes": _Rule(_is_names, _area),
    "devices": _Rule(_is_devices, _devices),
    "car.makes": _Rule(_is_names, _among("make_not_eligible", "make")),
    "car.models": _Rule(_is_models, _models),
    "car.from_model_year": _Rule(_is_year, _from_year),
    "car.to_model_year": _Rule(_is_year, _to_year),
    "car.ends_holds_itself": _Rule(_is_true, _has("car_must_end_holds", "ends_holds_itself")),
    "car.gives_energy_back": _Rule(_is_true, _has("car_must_give_back", "gives_energy_back")),
    "car.min_battery_kwh": _Rule(_is_amount, _at_least("battery_too_small", "capacity_wh")),
    "car.min_charge_kw": _Rule(_is_amount, _at_least("car_charges_too_slowly", "charge_w")),
    "charger.is_bidirectional": _Rule(_is_true, _has("charger_must_be_bidirectional", "is_charger_bidirectional")),
    "charger.min_power_kw": _Rule(_is_amount, _at_least("charger_too_weak", "charger_w")),
    "agreement.may_export": _Rule(_is_true, _has("export_agreement_missing", "is_export_agreed")),
    "agreement.min_export_kw": _Rule(_is_amount, _at_least("export_limit_too_low", "export_w")),
    "agreement.is_confirmed_by_utility": _Rule(_is_true, lambda _wanted, _facts: None),
    "tariffs": _Rule(_is_names, _among("tariff_not_eligible", "tariff")),
    "not_tariffs": _Rule(_is_names, _not_tariff),
}
