"""An encoder layer needs fewer moves when kernels read through them, and fewer cycles."""

from __future__ import annotations

import pytest

from benchmarks import attention


def test_attention(capsys: pytest.CaptureFixture[str]) -> None:
    options = {"--array": "8x8", "--length": "20", "--width": "48", "--heads": "2"}
    assert attention.main([word for pair in options.items() for word in pair]) == 0
    lines = capsys.readouterr().out.splitlines()
    through, first = (line.split() for line in lines if line.startswith(("read", "moved")))
    # Q, K (twice), V and the mixed heads are transposed by the graph.
    assert (through[2], first[2]) == ("1", "5")
    assert through[4] == first[4]  # the kernels take the same cycles: moves are the difference
