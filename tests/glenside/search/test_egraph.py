"""The e-graph's engine: when it is loaded."""

from __future__ import annotations

import subprocess
import sys


def test_only_an_e_graph_loads_egglog() -> None:
    command = """
import sys
from systolab.glenside.rules import rulebook
from systolab.glenside.compile import compile
from systolab.glenside.search.egraph import EGraph
print("egglog" in sys.modules)
EGraph(rulebook.ALL)
print("egglog" in sys.modules)
"""
    child = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=120
    )
    assert child.stdout.split() == ["False", "True"]
