"""The outputs of the notebook are made, not typed: ``python -m docs.notebook`` runs it again.

Its cells run in order in a new kernel, in the folder of the pages. Only what they print and return
is kept: no metadata of the run, no versions. Times differ from run to run: a cell whose outputs
differ in nothing else keeps those that it has, so that a second run leaves the file as it is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.output import comparable

if TYPE_CHECKING:
    import nbformat

__all__ = ["NOTEBOOK", "execute", "refresh", "said"]

NOTEBOOK = Path(__file__).parent / "first_format.ipynb"


def said(outputs: Iterable[Mapping[str, Any]]) -> list[str]:
    """What a cell prints and returns, without marks and without times."""
    texts = []
    for output in outputs:
        data = output.get("data", {})
        text = output.get("text") or data.get("text/html") or data.get("text/plain", "")
        whole = text if isinstance(text, str) else "".join(text)
        texts.append(comparable(re.sub(r"<[^>]+>", "\n", whole)))
    return texts


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a new run.

    Raises:
        CellExecutionError: a cell raises.
    """
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(path, as_version=4)
    client = NotebookClient(book, timeout=900, record_timing=False, kernel_name="python3")
    client.execute(cwd=str(path.parent))
    book.metadata["language_info"] = {"name": "python"}  # without the interpreter's version
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            if "text/html" in output.get("data", {}):
                output["data"].pop("text/plain", None)  # the same again, for terminals
    return book


def refresh(path: Path) -> None:
    """Run a notebook and write what it says otherwise than before."""
    import nbformat

    before = nbformat.read(path, as_version=4)
    book = execute(path)
    for old, new in zip(before.cells, book.cells, strict=True):
        if said(old.get("outputs", ())) == said(new.get("outputs", ())) and "outputs" in old:
            new["outputs"] = old["outputs"]
    nbformat.write(book, path)


def main() -> int:
    """Refresh the notebook."""
    refresh(NOTEBOOK)
    return 0


if __name__ == "__main__":
    sys.exit(main())
