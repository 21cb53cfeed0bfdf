"""The corpus of hostile and honest candidates: no wrong verdict, nothing gets out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import gauntlet

pytestmark = [pytest.mark.shared, pytest.mark.slow]


@pytest.mark.parametrize("flags", ["", "--mode batch", "--isolation restricted", "--isolation restricted --mode batch"])
def test_gauntlet(shared, tmp_path, flags):
    """Every case with a gate gets the verdict it must get, and every containment holds."""
    cases = [json.loads(line) for line in (shared / "gauntlet/cases.jsonl").read_text().splitlines()]
    assert gauntlet.run(cases, tmp_path, flags.split()) == []
