"""`systolab formats`, `show` and `quantize`: what they print, write and refuse."""

import json
from pathlib import Path

import numpy as np
import pytest

from systolab.cosim.cli import main
from systolab.formats import get


def output(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main(list(arguments)) == status
    captured = capsys.readouterr()
    assert captured.err == "" or status
    return captured.err if status else captured.out


def test_formats_lists_every_family(capsys: pytest.CaptureFixture[str]) -> None:
    from systolab.formats import families

    text = output(capsys, "formats")
    for family in families():
        assert f"\n{family.name}" in text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_adaptivfloat_comparison(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    text = output(capsys, "formats", "--compare-adaptivfloat", "--json", str(path))
    figures = {line.split()[0]: line.split()[1:7] for line in text.splitlines()[2:5]}
    assert figures["adaptivfloat:8,3"] == ["0.000", "%", "0.000", "%", "0.01340", "0.00967"]
    assert figures["adaptivfloat2022:8,3"][4:] == ["0.02635", "0.03418"]
    assert figures["flexasr"][4:] == ["0.01364", "0.01043"]
    assert [row["name"] for row in json.loads(path.read_text())] == list(figures)


def test_show(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    text = output(capsys, "show", "adaptivfloat:8,3", "--encode", "1", "-2.7", "--json", str(path))
    assert "exact binary64  sums of up to 572,066,403 products\n" in text
    assert "dynamic range   47.4 dB\n" in text
    assert " -2.7  0x96  10010110   -2.75\n" in text
    facts = json.loads(path.read_text())
    assert facts["quantum"] == 1 / 16
    assert facts["exact_k"] == 572066403
    assert facts["encodings"][0] == {"value": "1.0", "code": 1}


def test_show_table(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "show", "e2m1", "--table")
    rows = [line.split() for line in text.split("\n\n")[2].splitlines()[2:]]
    assert [float(row[2]) for row in rows] == get("e2m1").values.tolist()


@pytest.mark.parametrize(
    ("suffix", "begins", "date"),
    [
        (".png", b"\x89PNG", b"tEXtCreation"),
        (".svg", b"<?xml", b"<dc:date>"),
        (".SVG", b"<?xml", b"<dc:date>"),
        (".PDF", b"%PDF", b"/CreationDate"),
    ],
)
def test_show_plot_is_reproducible(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str, begins: bytes, date: bytes
) -> None:
    pytest.importorskip("matplotlib")
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        output(capsys, "show", "int:4", "--plot", str(path), "--beside", "e2m1", "nf4")
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(begins)
    assert date not in first
    assert first == second


def test_quantize(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((40, 50)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    out, report = tmp_path / "q.npz", tmp_path / "r.json"
    text = output(
        capsys,
        *("quantize", str(tmp_path / "x.npy"), "--format", "int:8"),
        *("--axis", "0", "-o", str(out), "--json", str(report)),
    )
    expected = get("int:8").quantize(x, 0)
    written = np.load(out)
    np.testing.assert_array_equal(written["codes"], expected.codes)
    np.testing.assert_array_equal(written["scale"], expected.scale)
    assert str(written["format"]) == "int:8"
    error = expected.dequantize().astype(np.float64) - x
    sqnr = 10 * np.log10((x.astype(np.float64) ** 2).sum() / (error**2).sum())
    assert f"SQNR        {sqnr:.2f} dB\n" in text
    facts = json.loads(report.read_text())
    assert facts["sqnr_db"] == pytest.approx(sqnr)
    assert facts["max_error"] == np.abs(error).max()
    assert facts["clipped"] == 0
    bars = [line.split() for line in text.split("\n\n")[1].splitlines()[1:]]
    assert sum(int(bar[3]) for bar in bars) == x.size


def test_quantize_counts_what_is_lost(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([500.0, -500.0, 1e-9, 1.0, np.nan, np.inf, 0.0]))
    text = output(capsys, "quantize", str(tmp_path / "x.npy"), "--format", "e4m3fn:scale=none")
    assert "clipped     40.0000 %\n" in text
    assert "flushed     20.0000 %\n" in text
    assert "non-finite  2\n" in text


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["int:8", "int:8,symmetric=yes", "e3m4", "bfloat16", "posit:8,1"])
@pytest.mark.parametrize("largest", [float(np.finfo(np.float32).max), 1e300])
def test_quantize_of_the_largest_numbers(
    name: str, largest: float, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.array([largest, -largest, 1.0, 0.0]))
    path = tmp_path / "r.json"
    output(capsys, "quantize", str(tmp_path / "x.npy"), "--format", name, "--json", str(path))

    def refuse(token: str) -> None:
        raise AssertionError(token)

    facts = json.loads(path.read_text(), parse_constant=refuse)
    overflows = name == "bfloat16"
    assert facts["nonfinite"] == (2 if overflows else 0)
    assert facts["sqnr_db"] is None if overflows else isinstance(facts["sqnr_db"], float)


def test_quantize_calibrated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    arguments = ["quantize", str(tmp_path / "x.npy"), "--format", "int:4", "--calibrate"]
    errors = []
    for method in ("max", "mse"):
        text = output(capsys, *arguments, method)
        errors.append(float(text.split("SQNR")[1].split()[0]))
    assert errors[1] > errors[0] + 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "nope"], "systolab: error: Format family must be one of "),
        (
            ["show", "int:8", "--plot", "dir/a.eps"],
            "Plot must be a file ending in .svg, .pdf, .png, not dir/a.eps",
        ),
        (["show", "int:8", "--beside", "nf4"], "Option --beside must come with --plot"),
        (
            ["show", "int:8", "--plot", "/dev/null/dir.png"],
            "File /dev/null/dir.png must be writable: Not a directory",
        ),
        (
            ["show", "int:8", "--plot", "-"],
            "Option --plot must name a file, not - (standard output)",
        ),
        (["show", "int:8", "--json", "/dev/null/x"], "File /dev/null/x must be writable: Not a"),
        (["formats", "--json", "/dev/full"], "File /dev/full must be writable: No space left on"),
        (["quantize", "x.npy", "--format", "int:8", "-o", "-"], "Option --out must name a file"),
        (["rtl", "int:8", "-o", "-"], "Option --out must name a folder, not - (standard output)"),
        (["rtl", "int:8", "-o", "/dev/null"], "folder /dev/null must be writable: Not a directory"),
        (["rtl", "int:8", "-o", "."], "Output folder must be new or empty, not ."),
        (
            ["quantize", "/no/x.npy", "--format", "int:8"],
            "Array file /no/x.npy must be a readable file: No such",
        ),
    ],
)
def test_errors(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert message in output(capsys, *arguments, status=2)


def test_quantize_refuses_other_arrays(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.array([1j]))
    arguments = ["quantize", str(path), "--format", "int:8"]
    assert "must hold real numbers, not complex128" in output(capsys, *arguments, status=2)
    np.savez(tmp_path / "x.npz", a=np.zeros(2))
    arguments[1] = str(tmp_path / "x.npz")
    assert "must hold one array, not an archive" in output(capsys, *arguments, status=2)


@pytest.mark.parametrize("command", ["check", "map", "quantize", "rtl", "run", "show"])
def test_help_says_that_a_file_is_executed(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "my.py:MyFormat, a class of a Python file, which is executed" in said
