"""docs/fault-matrix.md, written from the outcomes of a whole run (tests/data/fault_matrix.json)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from tests.vehicles.fault_matrix import COLUMNS, FAULTS, Outcome
from vehicles.wording import MESSAGES

HOME = Path(__file__).resolve().parents[2]
RECORD, PAGE = HOME / "tests" / "data" / "fault_matrix.json", HOME / "docs" / "fault-matrix.md"
Outcomes = Mapping[str, Mapping[str, Outcome]]  # by column, by fault

INTRODUCTION = """# What every fault comes to

Every fault that the sandbox can play, at every maker, through the same flows as in production: the car is read, held, freed by its owner's "charge now", and its grant is renewed. The tables are written from such a run (`FAULT_MATRIX=write CHARGESCAPE_FULL=1 pytest tests/vehicles/test_fault_matrix.py`); the suite fails where a run and this page differ.

"Ford, timed" has our partner extension (timed setpoints), as Honda and the wall box do. A Tesla keeps a schedule that ends a hold. The others start and stop: the watchdog frees them. BMW shares readings alone. The wall box serves a car that is itself linked through Smartcar; a car's own fault is that car's.
"""  # noqa: E501 - a page's lines are paragraphs
SECTIONS: tuple[tuple[str, str, Callable[[Outcome], str]], ...] = (
    (
        "What the owner sees of the car, and what is asked of them",
        "The reading five minutes into the fault, and in brackets the next step that the page of links shows.",
        lambda outcome: f"{outcome.reading} ({outcome.link})",
    ),
    (
        "A hold of a quarter of an hour, asked for under the fault",
        "What becomes of the command within 13 minutes, and what the car really does then.",
        lambda outcome: outcome.hold or "–",
    ),
    (
        'A held car whose owner presses "charge now" under the fault',
        "When the car is free of us again. Every wait at a maker counts as over, so that times are the car's.",
        lambda outcome: outcome.release or "–",
    ),
)
WORDS = {
    "fresh": "the values of this minute",
    "older_value": "the last values, with their age",
    "none": "nothing to do: the link works",
    "wait": "nothing to do: it mends by itself, and the page says why it waits",
    "relink": "link again; the reason stands beside the button",
    "held": "the car is held, and a reading confirmed it",
    "accepted": "the maker took the command; no reading has confirmed it",
    "command_unknown": MESSAGES["command_unknown"],
    "refused: not_plugged_in": "no command is sent: the car is not at its plug",
    "refused: vehicle_not_active": "no command is sent: the car no longer takes part",
    "refused: link_not_active": "no command is sent: the account is to be linked again first",
    "timed_out": "nothing confirmed it in time; it is released as if it were held",
    "noop": "the maker says that there was nothing to do",
    "failed_at_car": "the maker said that the car did not do it",
    "within 25 minutes": "the hold ended by itself, or the release came through",
    "given up, owner told": "the maker lets us in no more: the owner is told to look at the car",
    "at once": "within four minutes",
    "once it is over": "within half an hour after the fault; meanwhile the release is sent again and again",
}


def save(outcomes: Outcomes) -> None:
    """Write the record and the page."""
    plain = {column: {fault: asdict(outcome) for fault, outcome in rows.items()} for column, rows in outcomes.items()}
    RECORD.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(render(outcomes))


def load() -> dict[str, dict[str, Outcome]]:
    """Return the recorded outcomes."""
    plain = json.loads(RECORD.read_text())
    return {column: {fault: Outcome(**row) for fault, row in rows.items()} for column, rows in plain.items()}


def render(outcomes: Outcomes) -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for title, text, show in SECTIONS:
        parts.append(f"## {title}\n\n{text}\n\n{_table(outcomes, show)}")
    return "\n".join([*parts, f"## The words\n\n{_legend(outcomes)}"])


def _table(outcomes: Outcomes, show: Callable[[Outcome], str]) -> str:
    titles = [column.title for column in COLUMNS if column.title in outcomes]
    lines = [f"| fault | {' | '.join(titles)} |", "| --- " * (len(titles) + 1) + "|"]
    for fault in FAULTS:
        cells = [show(outcomes[title][fault.title]) for title in titles]
        lines.append(f"| {fault.title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _legend(outcomes: Outcomes) -> str:
    used: set[str] = set()
    for rows in outcomes.values():
        for outcome in rows.values():
            used |= {outcome.reading, outcome.link, outcome.release, outcome.hold.split(",")[0]}
    known = {word: WORDS.get(word) or MESSAGES.get(word) for word in sorted(used)}
    return "\n".join(f"- *{word}*: {sentence}" for word, sentence in known.items() if sentence) + "\n"
