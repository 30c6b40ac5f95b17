"""What a phone must load before Tonight shows, so that no page grows heavy unnoticed."""

import gzip
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from django.contrib.staticfiles import finders
from django.test import Client

from accounts.models import User
from tests.page_world import build_world, stop_clock

LIMIT_BYTES = 60_000


def test_first_paint_of_tonight_stays_light(
    alice: User, client: Client, now: datetime, settings: Any, tmp_path: Path
) -> None:
    stop_clock(settings, tmp_path, now)
    build_world(alice, now=now)
    client.force_login(alice)
    page = client.get("/tonight/").content
    wanted = re.findall(r'(?:href|src)="/static/([^"]+)"', page.decode())
    assert sum(name.endswith(".css") for name in wanted) >= 5
    assert sum(name.endswith(".js") for name in wanted) >= 3
    files = {name: _compressed(_found(name).read_bytes()) for name in wanted}
    total = _compressed(page) + sum(files.values())
    assert total < LIMIT_BYTES, (total, _compressed(page), files)


def _found(name: str) -> Path:
    path = finders.find(name)
    assert isinstance(path, str), name
    return Path(path)


def _compressed(content: bytes) -> int:
    return len(gzip.compress(content, 6))
