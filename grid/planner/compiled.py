"""The one way the planner compiles: numba, serial, without the GIL, kept on disk.

numba's own cache does not notice when a function or constant of another file has changed, so each state of the sources
gets its own cache directory: below NUMBA_CACHE_DIR where that is set (fill it when an image is built), else below this
package's __pycache__, else, in a read-only checkout, below a private directory for temporary files.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

# Beyond this package: modules whose constants compiled code of other files holds.
CONSTANTS = ("packing.py", "problems.py", "slots.py")  # of grid.arrays


def _cache_dir() -> Path | None:
    here = Path(__file__).parent
    version = hashlib.sha256()
    for source in [*sorted(here.glob("*.py")), *(here.parent / "arrays" / name for name in CONSTANTS)]:
        version.update(source.read_bytes())
    places = [here / "__pycache__", Path(tempfile.gettempdir()) / f"chargescape-{os.getuid()}"]
    if os.environ.get("NUMBA_CACHE_DIR"):
        places.insert(0, Path(os.environ["NUMBA_CACHE_DIR"]))
    for place in places:
        folder = place / f"numba-{version.hexdigest()[:16]}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        # What lies there is run: a directory somebody else made in /tmp is not ours to trust.
        if os.access(folder, os.W_OK) and folder.stat().st_uid == os.getuid():
            return folder
    return None


CACHE_DIR = _cache_dir()
if CACHE_DIR is not None:
    numba.config.CACHE_DIR = str(CACHE_DIR)  # type: ignore[attr-defined]

_OPTIONS: dict[str, Any] = {"cache": CACHE_DIR is not None, "nogil": True, "error_model": "numpy"}
compiled: Callable[..., Any] = numba.njit(**_OPTIONS)
inlined: Callable[..., Any] = numba.njit(inline="always", **_OPTIONS)
# Sums may be reordered, so that they vectorise: for accounts, never for what decides a plan.
summing: Callable[..., Any] = numba.njit(fastmath={"reassoc", "nsz", "contract"}, **_OPTIONS)
