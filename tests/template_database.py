"""A migrated SQLite file kept between runs, so that a run of one test does not spend its time on every migration.

The file is named after all that migrations are made of; a change of any of it makes a new one. CI always migrates.
"""

import hashlib
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def template_path() -> Path | None:
    """Return where the file is, or will be; None where runs must not share one."""
    if os.environ.get("CI") or os.environ.get("TEST_DATABASE_URL"):
        return None
    made_of = [ROOT / "requirements.txt", ROOT / "rewards" / "triggers.py", *sorted(ROOT.glob("*/migrations/*.py"))]
    digest = hashlib.sha256()
    for path in made_of:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return Path(tempfile.gettempdir()) / f"chargescape-test-template-{os.getuid()}-{digest.hexdigest()[:16]}.sqlite3"


def copy_template(to: str) -> bool:
    """Put a copy of the template where the test database shall be; return whether there was one."""
    path = template_path()
    if path is None or not path.exists():
        return False
    shutil.copyfile(path, to)
    return True


def keep_as_template(database: str) -> None:
    """Keep a freshly migrated database as the template, unless somebody did."""
    path = template_path()
    if path is None or path.exists():
        return
    handle, draft = tempfile.mkstemp(dir=path.parent)
    os.close(handle)
    source, target = sqlite3.connect(database), sqlite3.connect(draft)
    try:
        source.backup(target)  # with what still lies in the write-ahead log
    finally:
        source.close()
        target.close()
    Path(draft).replace(path)
