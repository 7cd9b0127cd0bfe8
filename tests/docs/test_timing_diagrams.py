"""The timing diagrams are what a simulation of today's hardware draws."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_timing_diagram_is_stale() -> None:
    """Otherwise ``python docs/timing_diagrams.py`` draws them again."""
    command = [sys.executable, str(ROOT / "docs" / "timing_diagrams.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stdout + result.stderr
