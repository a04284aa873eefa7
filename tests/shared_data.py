"""Where the shared evidence lies: third parties' documents that tests read and the project never contains."""

import os
from pathlib import Path

import pytest

SHARED = Path(
    os.environ.get("OPENWATT_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
).resolve()

needs_shared_data = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"the shared evidence is not at {SHARED} (set OPENWATT_SHARED_DATA)"
)
