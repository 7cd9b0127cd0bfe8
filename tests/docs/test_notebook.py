"""The notebook shows what its cells give."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
NOTEBOOK = DOCS / "first_format.ipynb"


def load(name: str) -> ModuleType:
    """A program beside the pages, no part of the package."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def shown(book: Any) -> list[str]:
    """What the cells print and return, without marks and without times."""
    texts = []
    for cell in book["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            text = output.get("text") or data.get("text/html") or data.get("text/plain", "")
            whole = text if isinstance(text, str) else "".join(text)
            texts.append(load("output").comparable(re.sub(r"<[^>]+>", "\n", whole)))
    return texts


def test_no_cell_is_left_out() -> None:
    book = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    counts = [cell["execution_count"] for cell in book["cells"] if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))
    said = "\n".join(shown(book))
    assert "identical: every output code and every cycle count" in said
    assert "EQUAL: exhaustive in table" in said


@pytest.mark.slow
def test_outputs_come_from_running_it() -> None:
    pytest.importorskip("nbclient")
    assert shown(load("notebook").execute(NOTEBOOK)) == shown(json.loads(NOTEBOOK.read_text()))
