"""Keys of an embedded installation: made once, kept, completed where a newer version needs more."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chargescape.embedded import load_or_make_keys


def test_keys_are_made_once_for_their_user_alone(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(load_or_make_keys, [tmp_path / "var"] * 4))
    assert all(keys == found[0] for keys in found)
    assert stat.S_IMODE((tmp_path / "var" / "keys.json").stat().st_mode) == 0o600


def test_folder_of_an_earlier_version_gets_what_is_new(tmp_path: Path) -> None:
    old = {"SECRET_KEY": "old", "FIELD_ENCRYPTION_KEYS": "f", "FIELD_HASH_KEY": "h", "HEADLESS_JWT_PRIVATE_KEY": "j"}
    (tmp_path / "keys.json").write_text(json.dumps(old))
    keys = load_or_make_keys(tmp_path)
    assert {name: keys[name] for name in old} == old
    assert len(keys["VAPID_PRIVATE_KEY"]) == 43
    assert load_or_make_keys(tmp_path) == keys
