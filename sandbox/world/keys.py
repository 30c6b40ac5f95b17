"""The sandbox's own random keys, made once and kept in its own folder."""

import json
import os
import secrets
from pathlib import Path


def load_or_make_keys(folder: Path) -> dict[str, str]:
    """Return the keys from `folder/keys.json`, making them on the first call."""
    path = folder / "keys.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"keys.{os.getpid()}.tmp"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({"SECRET_KEY": secrets.token_urlsafe(50)}))
        draft.replace(path)
    keys: dict[str, str] = json.loads(path.read_text())
    return keys
