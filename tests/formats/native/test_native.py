"""The native library: what is loaded, what is refused, and that it never changes a result."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from systolab.formats import native

SOURCES = Path(native.__file__).parent
ROOT = SOURCES.parents[2]
SCRIPT = Path(__file__).with_name("engine_digest.py")
STRICT = ("-O1", "-std=gnu11", "-ffp-contract=off")

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")


def build(target: Path, *flags: str, only: str = "*") -> Path:
    sources = [str(path) for path in sorted(SOURCES.glob(f"{only}.c"))]
    command = ["gcc", "-shared", "-fPIC", *flags, *sources, "-o", str(target)]
    subprocess.run(command, check=True, capture_output=True)
    return target


def digest(library: str | None) -> tuple[str, str]:
    """(status of the library, digest of the results) in a process of its own."""
    environment = {key: value for key, value in os.environ.items() if key != "SYSTOLAB_NATIVE"}
    environment["PYTHONPATH"] = str(ROOT)
    if library is not None:
        environment["SYSTOLAB_NATIVE"] = library
    command = [sys.executable, "-W", "error", str(SCRIPT)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    status, result = done.stdout.splitlines()
    return status, result


@pytest.fixture(scope="module")
def without() -> str:
    status, result = digest("0")
    assert status == "no native library: SYSTOLAB_NATIVE=0 is set"
    return result


def test_results_do_not_depend_on_the_library(without: str) -> None:
    assert digest(None)[1] == without


@needs_gcc
@pytest.mark.parametrize("flag", ["-DSYSTOLAB_TARGETS=0", "-DSYSTOLAB_NO_AVX512"])
def test_results_do_not_depend_on_the_instruction_set(
    flag: str, tmp_path: Path, without: str
) -> None:
    library = build(tmp_path / "variant.so", *STRICT, flag)
    assert digest(str(library)) == ("native", without)


@needs_gcc
def test_a_contracting_library_is_refused(tmp_path: Path, without: str) -> None:
    if "fma" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has nothing to contract to")
    library = build(tmp_path / "fused.so", "-O2", "-std=gnu11", "-ffp-contract=fast")
    status, result = digest(str(library))
    assert status.startswith("no native library: ")
    assert status.endswith("fused.so was compiled with contraction or unsafe optimisation")
    assert result == without


@needs_gcc
def test_an_old_library_is_refused(tmp_path: Path, without: str) -> None:
    (tmp_path / "old.c").write_text("int systolab_abi(void) { return 0; }\n")
    library = tmp_path / "old.so"
    command = ["gcc", "-shared", "-fPIC", str(tmp_path / "old.c"), "-o", str(library)]
    subprocess.run(command, check=True)
    status, result = digest(str(library))
    assert status.endswith("old.so has interface 0, this source needs 3: build it again")
    assert result == without


def test_a_missing_library_is_reported(without: str) -> None:
    status, result = digest("/nonexistent/library.so")
    assert status.startswith("no native library: /nonexistent/library.so")
    assert result == without


@needs_gcc
def test_a_library_that_is_cut_short_is_refused(tmp_path: Path, without: str) -> None:
    whole = build(tmp_path / "whole.so", *STRICT)
    content = whole.read_bytes()
    for length in (len(content) // 2, len(content) - 1, 100, 0):
        library = tmp_path / f"cut{length}.so"
        library.write_bytes(content[:length])
        status, result = digest(str(library))
        assert status.startswith("no native library: ")
        assert f"cut{length}.so" in status
        assert result == without


def test_a_library_that_is_a_fifo_is_refused(tmp_path: Path, without: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    status, result = digest(str(tmp_path / "fifo"))
    assert status == f"no native library: {tmp_path}/fifo is no regular file"
    assert result == without


@needs_gcc
def test_flushing_subnormals_is_refused(tmp_path: Path) -> None:
    """Loading anything linked with -Ofast switches the thread to flush-to-zero."""
    (tmp_path / "fast.c").write_text("int nothing(void) { return 0; }\n")
    library = tmp_path / "fast.so"
    command = ["gcc", "-Ofast", "-shared", "-fPIC", str(tmp_path / "fast.c"), "-o", str(library)]
    subprocess.run(command, check=True)
    script = (
        "import ctypes, sys; ctypes.CDLL(sys.argv[1])\n"
        "import numpy as np\n"
        "from systolab.formats import get\n"
        "from systolab.formats.arithmetic.accumulator import Float32\n"
        "from systolab.formats.dot.product import dot\n"
        "fmt, x = get('e4m3fn'), np.zeros((1, 1), np.uint8)\n"
        "try:\n    dot(x, x, fmt, fmt, Float32(), 1)\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
        "else:\n    print('computed', float(np.float32(1e-40) * np.float32(1)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(library)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    if done.stdout.startswith("computed 9.99"):
        pytest.skip("this compiler's -Ofast leaves the mode alone")
    assert done.stdout.startswith(
        "SystolabError Floating-point arithmetic must keep subnormals, not flush them to zero: "
    )


@needs_gcc
@pytest.mark.parametrize("language", ["c", "c++"])
def test_the_header_stands_alone(language: str, tmp_path: Path) -> None:
    source = tmp_path / "use.txt"
    source.write_text('#include "systolab.h"\nint32_t use(void) { return systolab_abi(); }\n')
    flags = ["-x", language, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]
    command = ["gcc", *flags, f"-I{SOURCES}", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if language == "c++" and "cc1plus" in done.stderr:
        pytest.skip("no C++ compiler")
    assert done.returncode == 0, done.stderr


@needs_gcc
def test_sources_compile_without_warnings() -> None:
    warnings = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wno-sign-conversion"]
    sources = [str(path) for path in sorted(SOURCES.glob("*.c"))]
    command = ["gcc", "-std=gnu11", "-fsyntax-only", *warnings, "-Werror", *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@needs_gcc
def test_other_programs_can_link_the_library(tmp_path: Path) -> None:
    (tmp_path / "use.c").write_text(
        '#include <stdio.h>\n#include "systolab.h"\n'
        "int main(void) {\n"
        "    const uint8_t a[2] = {1, 2}, w[2] = {2, 3};\n"
        "    float table[256] = {0.0f, 0.5f, 3.0f, -1.25f}, out[1];\n"
        "    const systolab_matrix left = {a, 2, 1}, right = {w, 1, 1};\n"
        "    int failed = systolab_dot_float32(left, table, right, table, 1, 2, 1, 1, out);\n"
        '    printf("%d %d %g", failed, systolab_abi() == SYSTOLAB_ABI, out[0]);\n'
        "    return 0;\n}\n"
    )
    library = build(tmp_path / "libsystolab.so", *STRICT, only="*float*")
    program = tmp_path / "use"
    flags = [f"-I{SOURCES}", str(library), f"-Wl,-rpath,{tmp_path}"]
    subprocess.run(["gcc", str(tmp_path / "use.c"), *flags, "-o", str(program)], check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    assert done.stdout == f"0 1 {0.5 * 3.0 + 3.0 * -1.25:g}"
