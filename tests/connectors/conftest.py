from __future__ import annotations

from pathlib import Path

import pytest

from tests.connectors.small_case import SmallCase


@pytest.fixture
def case(tmp_path: Path) -> SmallCase:
    """A case that holds nothing but its manifest."""
    folder = tmp_path / "case"
    folder.mkdir()
    return SmallCase(folder).manifest()
