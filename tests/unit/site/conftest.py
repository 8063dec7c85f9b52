"""An inventory beside which secrets may lie."""

from pathlib import Path

import pytest


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """An inventory that says nothing."""
    path = tmp_path / "single.py"
    path.write_text("site = {}\n")
    return path
