"""The printed output in the documents is made, not typed: ``make docs-output``.

A fenced ``console`` block begins with ``$ command`` lines and goes on with what they print. This
program runs the commands and writes their output back; ``--check`` says instead which blocks are
stale. A page's blocks run in order in one scratch folder, in which ``examples`` is the
repository's, and into which every block with a ``title`` is written as a file of that name:

    ```python title="balanced.py"       a file for the commands after it
    ```console                          run, and compared by the tests
    ```console keep="1-3 -2-"           the same, but only these lines of output are shown
    ```console slow                     run by `make docs-output` and `make slow` alone
    ```console exit=1                   the command must end with this status
    ```console terminal                 as on a terminal of 80 columns, without colours

Times and speeds differ from run to run: they are left out of the comparison. Commands are the
repository's own documents, so they are given to a shell as they stand.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "Workplace", "blocks", "comparable", "main", "pages"]

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VOLATILE = (
    (re.compile(r"\b\d[\d,]*(\.\d+)? (s|ms|min|k cycles a CPU second|cycles/s)\b"), r"# \2"),
    (re.compile(r"\b\d+\.\d\d(?=  |$)", re.MULTILINE), "#"),  # a table's column of seconds
    (re.compile(r"\b(compile|build|run) \d+\.\d\b"), r"\1 #"),
    (re.compile(r"[ \t]+"), " "),  # and its width
    (re.compile(r"-{2,}"), "--"),
)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page.

    Attributes:
        page: the file it stands in.
        line: of its opening fence, counted from 1.
        language: first word behind the fence.
        options: the others; those without a value are "".
        text: what is inside.
    """

    page: Path
    line: int
    language: str
    options: dict[str, str]
    text: str

    @property
    def place(self) -> str:
        """Page and line, for people."""
        inside = self.page.is_relative_to(ROOT)
        return f"{self.page.relative_to(ROOT) if inside else self.page}:{self.line}"

    @property
    def commands(self) -> str:
        """The lines to run, without their prompts."""
        words = self.text.partition("$ ")[2]
        found = []
        for line in f"$ {words}".splitlines():
            if line.startswith("$ "):
                found.append(line[2:])
            elif found and found[-1].endswith("\\"):
                found.append(line)
            else:
                break
        return "\n".join(found)

    @property
    def prompt(self) -> str:
        """The lines to run as they stand in the block."""
        return self.text[: len(self.text) - len(self.output)]

    @property
    def output(self) -> str:
        """What the block says that the commands print."""
        lines = self.text.splitlines(keepends=True)
        return "".join(lines[len(self.commands.splitlines()) :])

    @property
    def slow(self) -> bool:
        """Whether it takes too long for every run of the tests."""
        return "slow" in self.options


def pages() -> list[Path]:
    """README, all documents, and the README of every example and of the benchmarks."""
    documents = sorted((ROOT / "docs").glob("*.md"))
    examples = sorted((ROOT / "examples").glob("*/README.md"))
    return [ROOT / "README.md", *documents, *examples, ROOT / "benchmarks" / "README.md"]


def blocks(page: Path) -> Iterator[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        words = (word.partition("=") for word in shlex.split(match[2]))
        options = {name: value for name, _, value in words}
        line = text.count("\n", 0, match.start()) + 1
        yield Block(page, line, match[1], options, match[3])


class Workplace:
    """The scratch folder of one page, and the environment of its commands."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "examples").symlink_to(ROOT / "examples")
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "TERM")}
        source = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
        self._environment = {**kept, "PATH": path, "PYTHONPATH": source, "TERM": "dumb"}

    def write(self, block: Block) -> None:
        """Write a block with a title as the file of that name."""
        path = self._folder / block.options["title"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")

    def run(self, block: Block) -> str:
        """Run a block's commands and return what they print, as far as it is shown.

        Raises:
            RuntimeError: a command ends with another status than the block says.
        """
        run = self._terminal if "terminal" in block.options else self._pipe
        status, output = run(block.commands)
        wanted = int(block.options.get("exit", "0"))
        if status != wanted:
            raise RuntimeError(
                f"{block.place}: {block.commands!r} must end with status "
                f"{wanted}, not {status}: {output}"
            )
        printed = "\n".join(line.rstrip() for line in output.splitlines())
        text = printed.replace(f"{self._folder}/", "").replace(f"{ROOT}/", "")
        return _kept(text, block.options.get("keep"))

    def _pipe(self, commands: str) -> tuple[int, str]:
        """Status and output of commands whose output is a pipe."""
        done = subprocess.run(
            ["bash", "-c", commands],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def _terminal(self, commands: str) -> tuple[int, str]:
        """Status and output of commands on a dumb terminal, which has 80 columns and no colours."""
        ours, theirs = pty.openpty()
        done = subprocess.Popen(
            ["bash", "-c", commands],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        output = b""
        with suppress(OSError):  # how a terminal tells that its other end is closed
            while part := os.read(ours, 1 << 16):
                output += part
        os.close(ours)
        return done.wait(), output.decode("utf-8").replace("\r\n", "\n")


def _kept(text: str, ranges: str | None) -> str:
    """The lines of ``ranges`` ("1-3 -2-": the first three and the last two), gaps as "..."."""
    lines = text.splitlines()
    if ranges is None:
        return "".join(f"{line}\n" for line in lines)
    shown: list[str] = []
    for part in ranges.split():
        match = re.fullmatch(r"(-?\d+)-(\d*)", part)
        if match is None:
            raise ValueError(f"Kept lines must be written as 1-3 or -2-, not {part!r}")
        first = int(match[1])
        begin = first - 1 if first > 0 else max(len(lines) + first, 0)
        end = int(match[2]) if match[2] else len(lines)
        if begin > 0:
            shown.append("...")
        shown += lines[begin:end]
    return "".join(f"{line}\n" for line in shown)


@contextmanager
def workplace() -> Iterator[Workplace]:
    """A workplace for one page, gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        yield Workplace(Path(name))


def comparable(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return text.strip()


def _refresh(page: Path, check: bool) -> list[Block]:
    """Run a page's blocks; write what is stale, or only return it."""
    stale = []
    text = page.read_text(encoding="utf-8")
    with workplace() as place:
        for block in blocks(page):
            if "title" in block.options:
                place.write(block)
            if block.language != "console":
                continue
            printed = place.run(block)
            if comparable(printed) != comparable(block.output):
                stale.append(block)
                text = text.replace(block.text, block.prompt + printed, 1)
    if stale and not check:
        page.write_text(text, encoding="utf-8")
    return stale


def main(arguments: Sequence[str] | None = None) -> int:
    """Refresh the pages; with ``--check`` return 1 where a block is stale."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", nargs="*", type=Path, help="all without")
    parser.add_argument("--check", action="store_true", help="write nothing")
    args = parser.parse_args(arguments)
    stale: list[Block] = []
    for page in args.pages or pages():
        found = _refresh(page.resolve(), args.check)
        for block in found:
            what = "is stale" if args.check else "refreshed"
            print(f"{block.place}: {what}: {block.commands}", flush=True)
        stale += found
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
