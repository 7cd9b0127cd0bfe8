"""Beside files called `rtl`, `formats`, `cosim` and `glenside` everything still works.

A hardware project has a folder `rtl/`, and a Python file in the working folder comes before what is
installed. The README's snippets and the command run in such a folder: from the tree as it is
installed for development, and (slow) from a wheel and from an sdist.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SNIPPETS = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
TYPED = """\
import numpy as np

import systolab as sl

fmt = sl.format("e4m3fn")
reveal_type(fmt)
reveal_type(sl.quantize(np.ones(3), fmt))
reveal_type(sl.fake_quantize(np.ones(3), "e4m3fn"))
reveal_type(sl.array("4x4", fmt, accumulator="wrap:32"))
reveal_type(sl.run("net.onnx", fmt, array=(4, 4)))
reveal_type(sl.run("net.onnx", fmt).errors)
reveal_type(sl.check(fmt, level="quick"))
reveal_type(sl.mutate(fmt, 3))
reveal_type(sl.map("net.onnx", fmt))
reveal_type(sl.compile(sl.load("net.onnx"), sl.array("4x4", fmt)))
reveal_type(sl.hardware(fmt).files)
reveal_type(sl.__version__)
"""
REVEALED = [
    "systolab.formats.format.Format",
    "systolab.formats.format.QuantizedTensor",
    "numpy.ndarray[tuple[Any, ...], numpy.dtype[numpy.floating[numpy._typing._nbit_base._32Bit]]]",
    "systolab.rtl.kernel.kernel.Array",
    "systolab.cosim.api.run.RunReport",
    "systolab.cosim.accuracy.report.ErrorReport | None",
    "systolab.cosim.check.report.Report",
    "systolab.cosim.mutation.campaign.Campaign",
    "systolab.cosim.api.mapping.MapReport",
    "systolab.glenside.program.Program",
    "typing.Mapping[str, str]",
    "str",
]
WRONG = """\
import systolab as sl

sl.quantise([1.0], "e4m3fn")
sl.quantize([1.0], 3)
sl.check("e4m3fn", speed="quick")
"""


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder whose Python files take the names of the repository's folders."""
    folder = tmp_path / "hostile"
    (folder / "rtl").mkdir(parents=True)
    for name in ("rtl/__init__.py", "formats.py", "cosim.py", "glenside.py"):
        (folder / name).write_text(f"raise RuntimeError('{name} of the folder was imported')\n")
    (folder / "examples").symlink_to(ROOT / "examples")
    return folder


def _run(
    command: Sequence[str | Path], folder: Path, environment: dict[str, str] | None = None
) -> str:
    """Standard output of a command that must succeed."""
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def _everything_works(
    python: str | Path, folder: Path, environment: dict[str, str] | None = None
) -> None:
    assert len(SNIPPETS) >= 2
    for i, snippet in enumerate(SNIPPETS):
        (folder / f"snippet{i}.py").write_text(snippet)
        _run([python, f"snippet{i}.py"], folder, environment)
    shown = _run([python, "-m", "systolab", "show", "e4m3fn"], folder, environment)
    assert shown.startswith("format          e4m3fn")


def test_the_hostile_folder_is_hostile(hostile: Path) -> None:
    for name in ("rtl", "formats", "cosim", "glenside"):
        ran = subprocess.run(
            [sys.executable, "-c", f"import {name}"], cwd=hostile, capture_output=True, text=True
        )
        assert "of the folder was imported" in ran.stderr


def test_from_the_tree(hostile: Path) -> None:
    _everything_works(sys.executable, hostile)


def _mypy(folder: Path, text: str, *options: str | Path) -> subprocess.CompletedProcess[str]:
    """Strict mypy on a user's file in a folder, with none of this project's settings."""
    (folder / "user.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file="]
    # The cache makes the second run fast; a cache of its own keeps it from the project's.
    command += ["--cache-dir", str(ROOT / ".mypy_cache" / "user"), *map(str, options)]
    return subprocess.run(
        [*command, "user.py"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_a_strict_type_checker_knows_the_front_door(tmp_path: Path) -> None:
    ran = _mypy(tmp_path, TYPED)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.findall(r'Revealed type is "(.*)"', ran.stdout) == REVEALED


def test_a_strict_type_checker_finds_mistakes(tmp_path: Path) -> None:
    ran = _mypy(tmp_path, WRONG)
    lines = [line.split(":")[1] for line in ran.stdout.splitlines() if ": error: " in line]
    assert lines == ["3", "4", "5"], ran.stdout


BACK_END = """\
import sys
from setuptools import build_meta
getattr(build_meta, sys.argv[1])(sys.argv[2])
"""


def _build(kind: str, source: Path, folder: Path) -> Path:
    """Build an `sdist` or a `wheel` in a folder of its own, without a network."""
    folder.mkdir()
    _run([sys.executable, "-c", BACK_END, f"build_{kind}", folder], source, _without_path())
    (built,) = folder.iterdir()
    return built


def _without_path() -> dict[str, str]:
    """The environment without a path to the tree."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def _copy(folder: Path) -> Path:
    """The tree without what building and testing leave behind."""
    made = shutil.ignore_patterns(
        ".venv*",
        "__pycache__",
        ".*_cache",
        ".git",
        "build",
        "dist",
        "*.egg-info",
        "*.so",
    )
    shutil.copytree(ROOT, folder, symlinks=True, ignore=made)
    return folder


def _installed(wheel: Path, folder: Path) -> Path:
    """Python of a new environment with the wheel, and what it needs from this one."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    _run([*pip, "--no-deps", "--no-index", "--quiet", wheel], folder, _without_path())
    # A path in a .pth file adds the modules of this environment, not its own .pth files: an
    # editable installation stays out of sight.
    needed = {sysconfig.get_paths()[key] for key in ("purelib", "platlib")}
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "needed.pth").write_text("".join(f"{path}\n" for path in sorted(needed)))
    return python


def test_a_source_distribution_is_what_builds_the_package(tmp_path: Path) -> None:
    with tarfile.open(_build("sdist", _copy(tmp_path / "tree"), tmp_path / "sdist")) as tar:
        names = [Path(*Path(member.name).parts[1:]) for member in tar if member.isfile()]
    package = Path("src", "systolab")
    shipped = {name.relative_to(package) for name in names if name.is_relative_to(package)}
    kinds = {".py", ".sv", ".v", ".c", ".h", ".cpp", ".typed"}
    sources = {
        path.relative_to(ROOT)
        for folder in ("formats", "rtl", "glenside", "cosim")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in kinds
    } | {Path("__init__.py"), Path("__main__.py"), Path("py.typed")}
    assert shipped == sources
    assert {str(name) for name in names if not name.is_relative_to("src")} == {
        "CHANGELOG.md",
        "CITATION.cff",
        "LICENSE",
        "MANIFEST.in",
        "PKG-INFO",
        "README.md",
        "pyproject.toml",
        "setup.cfg",
        "setup.py",
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_from_a_distribution(kind: str, hostile: Path, tmp_path: Path) -> None:
    source = _copy(tmp_path / "tree")
    if kind == "sdist":
        archive = _build("sdist", source, tmp_path / "sdist")
        with tarfile.open(archive) as tar:
            tar.extractall(tmp_path / "unpacked", filter="data")
        (source,) = (tmp_path / "unpacked").iterdir()
    wheel = _build("wheel", source, tmp_path / "wheel")
    shutil.rmtree(source)
    python = _installed(wheel, tmp_path / "venv")
    where = "import systolab.formats.native as n; print(n.__file__, n.available())"
    found, native = _run([python, "-c", where], hostile, _without_path()).split()
    assert found.startswith(str(tmp_path / "venv"))
    assert native == "True"
    _everything_works(python, hostile, _without_path())
    command = tmp_path / "venv" / "bin" / "systolab"
    assert "adaptivfloat:8,3" in _run([command, "formats"], hostile, _without_path())
