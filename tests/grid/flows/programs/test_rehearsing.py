"""Rehearsals: a draft is checked key by key, played by the real planner and metering, and can be played again."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from grid.flows.programs.rehearsing import UnableToRehearse, play_again, rehearse
from grid.models import Rehearsal
from grid.rules.rehearsal_drafts import DraftError, read_draft
from tests.factories import grid

DRAFT: dict[str, Any] = {
    "name": "Evenings", "kind": "hold", "from": "18:00", "to": "20:00", "weekdays": [0, 1, 2, 3, 4],
    "reward_micros_per_kwh": 500_000, "max_events": 2,
}  # fmt: skip


def test_draft_is_played_kept_and_played_again_alike(db: None, now: datetime) -> None:
    kept = rehearse(raw=DRAFT, utility=grid.utility(), made_by=None, now=now)
    summary = kept.result["summary"]
    assert kept.inputs["source"] == "sample"
    assert summary["events"] == 2
    first, second = kept.result["events"]
    assert first["took_part"] + first["opted_out"] == first["asked"]
    assert 0 < first["delivered_wh"] <= first["baseline_wh"]
    assert first["amount_minor"] == round(first["delivered_wh"] * 0.05)
    assert summary["cost_minor"] == first["amount_minor"] + second["amount_minor"]
    assert summary["power_w_error"] is not None
    assert play_again(Rehearsal.objects.get(pk=kept.pk)) == kept.result


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": ""}, "name: must be a text"),
        ({"kind": "stop"}, "kind: must be one of hold"),
        ({"to": "17:00"}, "to: must be later"),
        ({"from": "6 pm"}, "from: must be a time"),
        ({"weekdays": [7]}, "weekdays: must be a list"),
        ({"weekdays": []}, "weekdays: must be a list"),
        ({"reward_micros_per_kwh": -1}, "reward_micros_per_kwh: must be a whole number"),
        ({"reward_micros_per_kwh": True}, "reward_micros_per_kwh: must be a whole number"),
        ({"opt_out_percent": 101}, "opt_out_percent: must be a whole number from 0 to 100"),
        ({"time_zone": "Mars/Olympus"}, "time_zone: there is no zone"),
        ({"currency": "EUR"}, "currency: must be one of USD, CAD"),
        ({"group_method": "ten-of-ten"}, "group_method: must be one of"),
        ({"group_method": "randomised-control-group"}, "control_share_percent: a control group needs"),
        ({"name": "\ud800"}, "name: must be a text"),
        ({"seed": "\x00"}, "seed: must be a text"),
        ({"seed": [1]}, "seed: must be a text"),
        ({"surprise": 1}, "surprise: no such key"),
    ],
)
def test_wrong_draft_is_told_what_is_wrong(change: dict[str, Any], says: str) -> None:
    with pytest.raises(DraftError, match=says):
        read_draft(DRAFT | change)


@pytest.mark.parametrize("raw", [None, [], "x", 3])
def test_what_is_no_object_is_no_draft(raw: object) -> None:
    with pytest.raises(DraftError, match="JSON object"):
        read_draft(raw)


def test_days_that_never_fit_are_refused(db: None, now: datetime) -> None:
    with pytest.raises(UnableToRehearse, match="No recorded day fits"):
        rehearse(raw=DRAFT | {"season_months": [1]}, utility=None, made_by=None, now=now)


def test_command_prints_the_result(db: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "draft.json"
    path.write_text(json.dumps(DRAFT | {"max_events": 1}))
    call_command("rehearse", str(path), "--events")
    told = json.loads(capsys.readouterr().out)
    assert (told["source"], len(told["days"]), told["events"]) == ("sample", 1, 1)
    path.write_text("{")
    with pytest.raises(CommandError, match="cannot be read as JSON"):
        call_command("rehearse", str(path))
