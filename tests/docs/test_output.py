"""What the documents print is what the commands print, and their Python runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from docs import output
from docs.output import ROOT

PAGES = [page for page in output.pages() if any(b.text for b in output.blocks(page))]


def printed(page: Path, slow: bool) -> Iterator[tuple[str, str, str]]:
    """Place, text in the page, and what is printed, of every block that is run."""
    with output.workplace() as place:
        for block in output.blocks(page):
            if "title" in block.options:
                place.write(block)
            if block.language == "console" and (slow or not block.slow):
                yield block.place, block.output, place.run(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_output_is_not_stale(page: Path) -> None:
    for where, said, found in printed(page, slow=False):
        assert output.comparable(said) == output.comparable(found), f"{where}: make docs-output"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_slow_output_is_not_stale(page: Path) -> None:
    for where, said, found in printed(page, slow=True):
        assert output.comparable(said) == output.comparable(found), f"{where}: make docs-output"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks of a page, one after the other as in a notebook, and all of it again."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        names: dict[str, object] = {"__name__": "page", "__file__": str(tmp_path / "page.py")}
        for block in output.blocks(page):
            if block.language == "python":
                exec(compile(block.text, block.place, "exec"), names)


def test_times_are_no_difference() -> None:
    one = "table   480  0  exhaustive  0.02  all 32 codes\nwall time  1.8 s (build 0.0)\n"
    two = "table  480   0  exhaustive  12.41  all 32 codes\nwall time  22.1 s (build 3.3)\n"
    assert output.comparable(one) == output.comparable(two)
    assert output.comparable(one) != output.comparable(one.replace("480", "481"))


def test_lines_that_are_left_out() -> None:
    text = "\n".join("abcdefg")
    assert output._kept(text, "1-2 -1-") == "a\nb\n...\ng\n"
    assert output._kept(text, None) == "".join(f"{x}\n" for x in "abcdefg")
    with pytest.raises(ValueError, match="^Kept lines must be written as"):
        output._kept(text, "two")


def test_a_wrong_status_is_told(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ exit 3\n```\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="must end with status 0, not 3"):
        list(printed(page, slow=False))


def test_stale_output_is_found_and_mended(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text('```text title="a.txt"\nnew\n```\n\n```console\n$ cat a.txt\nold\n```\n')
    assert output.main([str(page), "--check"]) == 1
    assert output.main([str(page)]) == 0
    assert "$ cat a.txt\nnew\n```" in page.read_text()
    assert output.main([str(page), "--check"]) == 0
