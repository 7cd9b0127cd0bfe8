"""The notebook shows what its cells give, and a second run leaves it as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docs.notebook import NOTEBOOK, execute, refresh, said


def shown(book: Any) -> list[str]:
    """What all cells say."""
    return [text for cell in book["cells"] for text in said(cell.get("outputs", ()))]


def test_no_cell_is_left_out() -> None:
    book = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    counts = [cell["execution_count"] for cell in book["cells"] if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))
    text = "\n".join(shown(book))
    assert "identical: every output code and every cycle count" in text
    assert "EQUAL: exhaustive in table" in text


def test_times_alone_do_not_change_a_notebook(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    path = tmp_path / "times.ipynb"
    cells = ["import time\nprint(f'wall time  {time.monotonic():.1f} s')", "print(1 + 1)"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    nbformat.write(book, path)
    refresh(path)
    first = path.read_bytes()
    refresh(path)
    assert path.read_bytes() == first
    assert b"wall time" in first
    path.write_bytes(first.replace(b"1 + 1", b"1 + 2"))
    refresh(path)
    assert shown(json.loads(path.read_text()))[-1] == "3"


@pytest.mark.slow
def test_outputs_come_from_running_it() -> None:
    pytest.importorskip("nbclient")
    assert shown(execute(NOTEBOOK)) == shown(json.loads(NOTEBOOK.read_text()))
