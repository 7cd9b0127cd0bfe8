"""The outputs of the notebook are made, not typed: ``python docs/notebook.py`` runs it again.

Its cells run in order in a new kernel, in the folder of the pages. Only what they print and return
is kept: no times and no versions, so that the same code makes the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

__all__ = ["NOTEBOOK", "execute"]

NOTEBOOK = Path(__file__).parent / "first_format.ipynb"


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a new run.

    Raises:
        CellExecutionError: a cell raises.
    """
    book = nbformat.read(path, as_version=4)
    client = NotebookClient(book, timeout=900, record_timing=False, kernel_name="python3")
    client.execute(cwd=str(path.parent))
    book.metadata["language_info"] = {"name": "python"}  # without the interpreter's version
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            if "text/html" in output.get("data", {}):
                output["data"].pop("text/plain", None)  # the same again, for terminals
    return book


def main() -> int:
    """Run the notebook and write it."""
    nbformat.write(execute(NOTEBOOK), NOTEBOOK)
    return 0


if __name__ == "__main__":
    sys.exit(main())
