"""One way out: status and standard error of the command, whatever happens to it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from systolab.cosim import exit_status
from systolab.cosim.exit_status import guarded
from systolab.formats.errors import SystolabError

SYSTOLAB = f"{shlex.quote(sys.executable)} -m systolab"
FULL = "systolab: error: Standard output must be writable: No space left on device\n"


def shell(
    command: str, folder: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=120,
        cwd=folder,
        env={**os.environ, **variables},
    )


def fails(error: BaseException) -> int:
    def work() -> int:
        raise error

    return guarded(work)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (SystolabError("Thing must be small, not 7"), 2, "error: Thing must be small, not 7"),
        (SystolabError("a\r\nverdict identical"), 2, r"error: a\r\nverdict identical"),
        (MemoryError("1 TiB"), 2, "error: Memory must suffice, it does not: 1 TiB"),
        (
            OSError(24, "Too many open files", "x\n.py"),
            2,
            r"error: Operating system must not refuse what is needed: Too many open files (x\n.py)",
        ),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda case: type(case).__name__,
)
def test_a_sentence_and_a_status(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fails(error) == status
    assert capsys.readouterr() == ("", f"systolab: {said}\n")


def test_nobody_is_told_where_nobody_reads(capsys: pytest.CaptureFixture[str]) -> None:
    assert fails(BrokenPipeError(32, "Broken pipe")) == 2
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("error", [ZeroDivisionError("a\x1b[31m\nb"), RecursionError("too deep")])
def test_a_defect_is_told_in_a_report(
    error: Exception,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SYSTOLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["systolab", "run", "a\x1b"])
    assert fails(error) == 70
    out, err = capsys.readouterr()
    assert out == ""
    found = re.fullmatch(
        r"systolab: defect: (.*): .*; all that is needed to mend it is in (.*)\n", err
    )
    assert found is not None
    assert found[1] == type(error).__name__
    report = Path(found[2]).read_text()
    assert Path(found[2]).parent == tmp_path / "reports"
    assert r"arguments: ['systolab', 'run', 'a\x1b']" in report
    assert "raise error" in report
    assert "\x1b" not in report + err
    assert report.startswith("systolab ")


def test_a_report_finds_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYSTOLAB_CACHE", "/dev/null")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert fails(KeyError("x")) == 70
    (report,) = tmp_path.iterdir()
    assert str(report) in capsys.readouterr().err
    monkeypatch.setattr("tempfile.tempdir", "/dev/null")
    assert fails(KeyError("x")) == 70
    assert "no report of it could be written: File /dev/null/" in capsys.readouterr().err


def test_imports_that_the_system_refuses_are_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    error = ImportError("numpy")
    error.__cause__ = OSError(24, "Too many open files")
    assert fails(error) == 2
    assert "Too many open files" in capsys.readouterr().err


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "command",
    ["formats", "formats --json -", "show int:4 --table", "--help", "show -h", "--version"],
)
def test_a_full_disk_behind_standard_output(command: str, unbuffered: str) -> None:
    done = shell(f"{SYSTOLAB} {command} > /dev/full", PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (2, FULL)


@pytest.mark.parametrize("command", ["formats", "formats --json -", "--help"])
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-", "2>&-"])
def test_closed_streams(command: str, closed: str) -> None:
    done = shell(f"{SYSTOLAB} {command} {closed}")
    assert (done.returncode, done.stderr) == (0, "")


def test_errors_where_standard_error_is_closed_or_full() -> None:
    for stream in ("2>&-", "2>/dev/full", ">&- 2>&-"):
        done = shell(f"{SYSTOLAB} show nonsense {stream}")
        assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_a_file_is_not_opened_in_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    done = shell(f"{SYSTOLAB} formats --json {tmp_path / 'a'} >&- 2>&-")
    assert done.returncode == 0
    assert (tmp_path / "a").read_text().startswith("[")
    assert (tmp_path / "a").read_text().endswith("]\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_results_are_written_before_a_pipe_breaks(tmp_path: Path, unbuffered: str) -> None:
    command = f"{SYSTOLAB} show int:8 --table --json {tmp_path / 'a'} | head -1"
    done = shell(f"{command}; exit ${{PIPESTATUS[0]}}", PYTHONUNBUFFERED=unbuffered)
    assert done.stderr == ""
    assert done.returncode in (0, 2)
    assert (tmp_path / "a").read_text().endswith("}\n")
    broken = shell(f"({SYSTOLAB} show int:8 --table; echo $? >&2) | true", PYTHONUNBUFFERED="1")
    assert broken.stderr in ("0\n", "2\n")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_names_that_the_terminal_cannot_show(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "sn\u2603w.py").write_text(
        "from systolab import Format\n"
        "class Sn\u00f6w(Format):\n    name, bits = 'sn\u2603w', 2\n"
        "    def decode(self, code): return float(code)\n",
        encoding="utf-8",
    )
    done = shell(f"{SYSTOLAB} show sn\u2603w.py:Sn\u00f6w", tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert done.stderr == ""
    assert r"sn\u2603w.py" in done.stdout
    done = shell(f"{SYSTOLAB} show '\u2603' 2>&1", PYTHONIOENCODING=encoding)
    assert done.returncode == 2
    assert r"\u2603" in done.stdout
    assert done.stdout.count("\n") == 1


def test_a_folder_that_was_removed(tmp_path: Path) -> None:
    command = f"mkdir gone; cd gone; rmdir ../gone; {SYSTOLAB} formats"
    done = shell(command, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "systolab: error: Working directory must exist, it was removed\n"


@pytest.mark.parametrize("files", [6, 8, 10])
@pytest.mark.parametrize("command", ["formats", "check int:4 --array 2x2 --stage decoder"])
def test_few_open_files(files: int, command: str, tmp_path: Path) -> None:
    done = shell(f"ulimit -n {files}; {SYSTOLAB} {command}", SYSTOLAB_CACHE=str(tmp_path))
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2)
    assert done.stderr.count("\n") == (done.returncode == 2)


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (signal.SIGTERM, 143, "systolab: terminated\n"),
        (signal.SIGHUP, 129, "systolab: the terminal is gone\n"),
        (signal.SIGINT, 130, "systolab: interrupted\n"),
    ],
)
def test_signals(
    number: signal.Signals, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)

    def work() -> int:
        os.kill(os.getpid(), number)
        return 0

    assert guarded(work) == status
    assert capsys.readouterr().err == said
    assert signal.getsignal(number) is before


def test_a_status_that_was_decided_stays() -> None:
    with pytest.raises(SystemExit, match="^2$"):
        fails(SystemExit(2))
    assert exit_status.guarded(lambda: 1) == 1
