"""OpenADR 2.0b's messages as they stand on the wire, turned into plain records that can be kept and read again.

The elements come judged by the Alliance's schema. Ids stay texts: what looks like a number is no number, and goes back
to the server letter by letter. Source: OpenADR 2.0 Profile Specification, B Profile, and its schema.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lxml import etree

from grid.operators.base import OperatorUnreadable

MOST_EVENTS = 1000  # of one server at once; more is a server gone wild
MOST_TARGETS = 1000
LONGEST = timedelta(days=365 * 9999)

_DURATION = re.compile(r"([+-])?P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?|(\d+)W")
_SIGNAL_VALUE = "{*}signalPayload/{*}*/{*}value"
_NOT_ITEMS = {"intervals", "eiTarget", "signalName", "signalType", "signalID", "currentValue"}


def kind_of(message: etree._Element | None) -> str:
    """Return the message's name, such as `oadrDistributeEvent`; "" for an empty answer."""
    return "" if message is None else str(etree.QName(message).localname)


def text_at(element: etree._Element, path: str) -> str:
    """Return the text at a path of local names, "" where there is none."""
    found = element.find("/".join(f"{{*}}{name}" for name in path.split("/")))
    return "" if found is None else str(found.text or "").strip()


@dataclass(frozen=True)
class Said:
    """How the server judges our last message: its code, and its own words for it."""

    code: str
    words: str
    request_id: str

    @property
    def is_ok(self) -> bool:
        """Whether it is content."""
        return self.code.startswith("2")


def said(message: etree._Element) -> Said:
    """Return the server's `eiResponse`; without one it is content."""
    return Said(
        text_at(message, "eiResponse/responseCode") or "200",
        text_at(message, "eiResponse/responseDescription")[:200],
        text_at(message, "eiResponse/requestID"),
    )


@dataclass(frozen=True)
class Distribution:
    """The events in one `oadrDistributeEvent`, as records; answers name its request id."""

    request_id: str
    vtn_id: str
    records: tuple[Mapping[str, Any], ...]


def read_distribution(message: etree._Element) -> Distribution:
    """Return the events of the message; raises OperatorUnreadable for far too many, or one told twice."""
    events = message.findall("{*}oadrEvent")
    if len(events) > MOST_EVENTS:
        raise OperatorUnreadable(f"more than {MOST_EVENTS} events at once")
    records = tuple(_event_record(event) for event in events)
    newest: dict[str, Mapping[str, Any]] = {}
    for record in records:
        if record != newest.setdefault(record["id"], record):
            raise OperatorUnreadable("an event is told twice, and differently")
    return Distribution(text_at(message, "requestID"), text_at(message, "vtnID"), tuple(newest.values()))


def _event_record(element: etree._Element) -> dict[str, Any]:
    event = element.find("{*}eiEvent")
    period = "eiActivePeriod/properties"
    return {
        "id": text_at(event, "eventDescriptor/eventID"),
        "modificationNumber": text_at(event, "eventDescriptor/modificationNumber"),
        "modificationDateTime": text_at(event, "eventDescriptor/modificationDateTime"),
        "createdDateTime": text_at(event, "eventDescriptor/createdDateTime"),
        "priority": text_at(event, "eventDescriptor/priority"),
        "marketContext": text_at(event, "eventDescriptor/eiMarketContext/marketContext"),
        "status": text_at(event, "eventDescriptor/eventStatus"),
        "testEvent": text_at(event, "eventDescriptor/testEvent"),
        "comment": text_at(event, "eventDescriptor/vtnComment")[:500],
        "start": text_at(event, f"{period}/dtstart/date-time"),
        "duration": text_at(event, f"{period}/duration/duration"),
        "startAfter": text_at(event, f"{period}/tolerance/tolerate/startafter"),
        "signals": [_signal_record(signal) for signal in event.findall("{*}eiEventSignals/{*}eiEventSignal")],
        "targets": _targets(event.find("{*}eiTarget")),
        "responseRequired": text_at(element, "oadrResponseRequired"),
    }


def _signal_record(signal: etree._Element) -> dict[str, Any]:
    item = next((child for child in signal if etree.QName(child).localname not in _NOT_ITEMS), None)
    return {
        "name": text_at(signal, "signalName"),
        "type": text_at(signal, "signalType"),
        "item": {}
        if item is None
        else {
            "kind": str(etree.QName(item).localname),
            "units": text_at(item, "itemUnits"),
            "scale": text_at(item, "siScaleCode"),
        },
        "intervals": [_interval_record(interval) for interval in signal.findall("{*}intervals/{*}interval")],
    }


def _interval_record(interval: etree._Element) -> dict[str, Any]:
    return {
        "uid": text_at(interval, "uid/text"),
        "start": text_at(interval, "dtstart/date-time"),
        "duration": text_at(interval, "duration/duration"),
        "values": [str(value.text or "").strip() for value in interval.findall(_SIGNAL_VALUE)][:10],
    }


def _targets(element: etree._Element | None) -> dict[str, list[str]]:
    """Return whom the event is for, by kind of target."""
    found: dict[str, list[str]] = {}
    for child in [] if element is None else element[:MOST_TARGETS]:
        names = [child, *child.iterdescendants()]
        values = [str(name.text).strip() for name in names if name.text and name.text.strip()]
        found.setdefault(str(etree.QName(child).localname), []).extend(values[:1])
    return found


def read_length(text: str) -> timedelta:
    """Return a duration as iCalendar writes it; zero may be `PT0S` or a bare `P`. Raises OperatorUnreadable."""
    found = _DURATION.fullmatch(text) if len(text) <= 60 else None
    if found is None:
        raise OperatorUnreadable("a duration is not readable")
    years, months, days, hours, minutes, seconds, weeks = (int(number or 0) for number in found.groups()[1:])
    if max(years, months, days, weeks) > LONGEST.days or max(hours, minutes, seconds) > 10**9:
        raise OperatorUnreadable("a duration is beyond all reason")
    days += 365 * years + 30 * months + 7 * weeks
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if found[1] == "-" or length > LONGEST:
        raise OperatorUnreadable("a duration is beyond all reason")
    return length


def children(message: etree._Element, name: str) -> Iterator[etree._Element]:
    """Yield the message's own parts of that name."""
    yield from message.findall(f"{{*}}{name}")
