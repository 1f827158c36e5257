"""Where the importers' inputs are."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def samples() -> Path:
    """Original files bundled with the project."""
    return ROOT / "data" / "samples"


@pytest.fixture
def demo() -> Path:
    """Message lines bundled with the project."""
    return ROOT / "data" / "demo"


@pytest.fixture
def shared() -> Path:
    """The whole data sets, where a working folder beside the project has them."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the whole data sets are not here ({folder}); the bundled samples are tested anyway")
    return folder
