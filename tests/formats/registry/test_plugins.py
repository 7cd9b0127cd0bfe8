"""Formats from files and packages, and what is refused at registration."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from systolab.formats import SystolabError, get
from systolab.formats.registry import plugins, registry

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
TAKUM = EXAMPLES / "plugin_takum"

PLUGIN = """
import numpy as np
from systolab.formats import Format

class Mine(Format):
    bits = 3
    TABLE = {table}
    def decode(self, code):
        return self.TABLE[code]
{extra}
"""


def plugin(path: Path, table: str, extra: str = "") -> str:
    file = path / "mine.py"
    file.write_text(PLUGIN.format(table=table, extra=extra), encoding="utf-8")
    return f"{file}:Mine"


def test_bits_and_decode_are_complete(tmp_path: Path) -> None:
    spec = plugin(tmp_path, "[0.0, 1.0, 2.0, 4.0, -1.0, -2.0, -4.0, -8.0]")
    fmt = get(spec)
    assert fmt.name == spec
    assert get(fmt.name) == fmt
    assert (fmt.max, fmt.quantum, fmt.ratio) == (8.0, 1.0, 8)
    x = np.array([0.4, 1.4, 1.6, 3.1, 100, -5, -7, np.nan], np.float32)
    assert fmt.encode(x).tolist() == [0, 1, 2, 3, 3, 6, 7, 0]
    assert get(f"{spec},rounding=up").encode(x[:2]).tolist() == [1, 2]
    assert get(f"{spec},scale=pow2").quantize(x[4:5]).scale == 16.0


@pytest.mark.parametrize(
    ("table", "extra", "message"),
    [
        ("[1.0] * 8", "", "Codebook of .* must contain zero"),
        (
            "[0.0, 0.1] * 4",
            "",
            r"Value of code 0x1 of .* must be a binary32 value, not 0\.1: "
            r"float\(numpy\.float32\(0\.1\)\) is the nearest$",
        ),
        ("[0.0, 1.0]", "", r"decode\(0x2\) of .* must return a number, not raise IndexError"),
        ("[0.0, 'x'] * 4", "", r"decode\(0x1\) of .* must return a number, not raise ValueError"),
        (
            "[0.0, 1.0, float('inf'), -1.0, 2.0, -2.0, 3.0, -3.0]",
            "",
            r"Infinities of .* must come in pairs: \+inf without -inf",
        ),
        (
            "[0.0, 1.0, 2.0, 3.0, -1.0, -2.0, -3.0, -4.0]",
            "    def encode(self, x):\n        return np.full(np.shape(x), 1, np.uint8)",
            r"encode\(decode\(0x0\)\) of .* must be 0x0, not 0x1: 0\.0 became 1\.0",
        ),
        (
            "[0.0, 1.0, 2.0, 3.0, -1.0, -2.0, -3.0, -4.0]",
            "    def rounding_bounds(self, pairs):\n        return -np.sort(pairs.upper)",
            r"Rounding bounds of .* must ascend, not go from 3\.0 to 2\.0",
        ),
        (
            "[0.0, 1.0, 2.0, 3.0, -1.0, -2.0, -3.0, -4.0]",
            "    def rounding_bounds(self, pairs):\n        return pairs.upper + 0.25",
            r"encode\(decode\(0x0\)\) of .* must be 0x0, not 0x4: 0\.0 became -1\.0",
        ),
        (
            "[0.0, 1.0, 2.0, 3.0, -1.0, -2.0, -3.0, -4.0]",
            "    def encode(self, x):\n"
            "        codes = super().encode(x)\n"
            "        return np.where(np.asarray(x) == 2.5, np.uint8(0), codes)",
            r"encode of .* must be monotone: .* becomes code 0x2 = 2\.0, but 2\.5 becomes code 0x0",
        ),
        (
            "[0.0, 1.0, 2.0, 3.0, -1.0, -2.0, -3.0, -4.0]",
            "    def rounding_bounds(self, pairs):\n        return pairs.upper[1:]",
            r"Rounding bounds of .* must have the shape of the pairs \(7,\), not \(6,\)",
        ),
        (
            "[0.0, 1.0, 2.0, 3.0, -1.0, -2.0, -3.0, -4.0]",
            "    def encode(self, x):\n"
            "        x = np.asarray(x, np.float64)\n"
            "        return super().encode(np.trunc(np.nan_to_num(x)))",
            r"encode of .* must follow its rounding bounds: -?\d\.\d+ becomes code 0x\d = ",
        ),
        (
            "[0.0, 1.0, 2.0, 3.0, -1.0, -2.0, -3.0, -4.0]",
            "    bits = 17",
            "Width of .* must be 1 to 16 bits, not 17",
        ),
        (
            "[0.0] * 8",
            "    bits = None",
            "Format .* must set bits to an integer from 1 to 16",
        ),
        ("[0.0] * 8", "Mine = 3", "Format .* must be a class or a function, not 3"),
        ("[0.0] * 8", "Mine = dict", "Format .* must derive from systolab.Format, not be {}"),
        ("[0.0] * 8", "raise KeyError(1)", "cannot be executed: KeyError: 1"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, table: str, extra: str, message: str) -> None:
    with pytest.raises(SystolabError, match=message):
        get(plugin(tmp_path, table, extra))


def test_missing_files_and_classes(tmp_path: Path) -> None:
    with pytest.raises(SystolabError, match=r"Format file must exist: no.py does not"):
        get("no.py:Mine")
    spec = plugin(tmp_path, "[0.0] * 8")
    with pytest.raises(SystolabError, match=r"must define Other, it does not"):
        get(spec.replace(":Mine", ":Other"))
    with pytest.raises(SystolabError, match=r"must be spelt .*:ClassName"):
        get(spec.replace(":Mine", ""))


def test_takum_as_a_file() -> None:
    fmt = get(f"{TAKUM}/systolab_takum.py:Takum")
    by_hand = {0x40: 1.0, 0x41: 1.125, 0x48: 2.0, 0x50: 8.0, 0x30: 0.125, 0xC0: -1.0, 0xBF: -1.125}
    assert {code: fmt.decode(code) for code in by_hand} == by_hand
    assert np.isnan(fmt.decode(0x80))
    ordered = fmt.values[(np.arange(256) + 129) % 256][:-1]
    assert (np.diff(ordered) >= 0).all()


def test_a_file_takes_parameters() -> None:
    spec = f"{TAKUM}/systolab_takum.py:Takum"
    fmt = get(f"{spec}:10")
    assert (fmt.bits, fmt.name) == (10, f"{spec}:10")
    assert get(fmt.name) == fmt
    assert fmt != get(spec)
    rounded = get(f"{spec}:10,rounding=up")
    assert (rounded.bits, rounded.rounding) == (10, "up")
    assert get(rounded.name) == rounded
    with pytest.raises(SystolabError, match=r"Takum's width must be 5 to 16 bits, not 4"):
        get(f"{spec}:4")
    with pytest.raises(SystolabError, match=r"Parameter 1 of .* must be an integer"):
        get(f"{spec}:wide")
    with pytest.raises(SystolabError, match=r"Takum:8,2 cannot be made: .* positional arguments"):
        get(f"{spec}:8,2")
    with pytest.raises(SystolabError, match=r"must follow a colon: .*systolab_takum.py:Takum:10"):
        get(f"{spec},10")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every example, built and installed by pip as a package of its own."""
    folder = tmp_path_factory.mktemp("plugins")
    sources = [shutil.copytree(x, folder / x.name) for x in sorted(EXAMPLES.glob("plugin_*"))]
    install = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [sys.executable, *install, "--target", str(folder / "site"), *map(str, sources)],
        check=True,
        cwd=folder,
    )
    return folder / "site"


def with_plugins(site: Path, *arguments: str, cwd: Path) -> str:
    """What Python prints where the examples are installed."""
    result = subprocess.run(
        [sys.executable, *arguments],
        check=True,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT / "src")])},
    )
    return result.stdout


def test_the_examples_as_installed_packages(site: Path, tmp_path: Path) -> None:
    """Found by their entry points, with the files they come with."""
    script = (
        "import numpy as np; from systolab.formats import families, get; f = get('takum:10');"
        "print(f.name, f.bits, get('takum').bits, f.encode(np.float32([2.0])).tolist(),"
        "[x.summary for x in families() if x.name == 'takum']);"
        "print(*(p.relative_to(SITE) for n in ('log2', 'minifloat')"
        " for p in get(n).hardware.values() if p.is_file()));"
        "print(get('mine').values[:16].astype(int).tolist())"
    ).replace("SITE", repr(str(site)))
    assert with_plugins(site, "-c", script, cwd=tmp_path).splitlines() == [
        "takum:10 10 8 [288] ['plug-in systolab_takum:Takum']",
        "systolab_log2/log2_pe.v systolab_log2/log2_pe_float32.v "
        "systolab_minifloat/minifloat_decoder.v systolab_minifloat/minifloat_encoder.v",
        "[0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 80, 96, 128]",
    ]


@pytest.mark.slow
def test_the_template_passes_its_own_test(site: Path, tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "plugin_template" / "test_my_format.py", tmp_path)
    shown = with_plugins(site, "-m", "pytest", "-q", "test_my_format.py", cwd=tmp_path)
    assert "2 passed" in shown


def test_the_plugin_stays_small() -> None:
    lines = (TAKUM / "systolab_takum.py").read_text("utf-8").splitlines()
    assert sum(bool(line.strip()) for line in lines) < 40


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Pretend that a package with this entry point is installed."""

    def install(name: str, value: str) -> None:
        point = EntryPoint(name=name, value=value, group=plugins.GROUP)
        monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
        registry._known.cache_clear()

    yield install
    registry._known.cache_clear()


def test_a_plugin_must_not_take_a_name(installed: Callable[[str, str], None]) -> None:
    installed("int", "mine:Format")
    with pytest.raises(SystolabError, match=r"plug-in must be new, not 'int' \(plug-in mine:For"):
        get("e2m1")


def test_a_broken_plugin_fails_alone(installed: Callable[[str, str], None]) -> None:
    installed("broken", "no_such_module:Format")
    assert get("e2m1").bits == 4
    with pytest.raises(SystolabError, match=r"Format plug-in 'broken' .* cannot be loaded: No mod"):
        get("broken")


def test_plugin_parameters_are_integers(installed: Callable[[str, str], None]) -> None:
    installed("posits", "systolab.formats.families.posit:Posit")
    fmt = get("posits:8,1,rounding=up")
    assert fmt.name == "posits:8,1,rounding=up"
    assert get(fmt.name) == fmt
    with pytest.raises(SystolabError, match=r"Parameter 2 of 'posits:8,x' must be an int"):
        get("posits:8,x")
    with pytest.raises(SystolabError, match=r"Format posits:8 cannot be made: .*'es'"):
        get("posits:8")


def test_codebook_files(tmp_path: Path) -> None:
    csv = tmp_path / "levels.csv"
    csv.write_text("# four levels\n-1, 0\n0.1 # rounded to binary32\n1,\n", encoding="utf-8")
    fmt = get(f"codebook:{csv}")
    assert fmt.values.tolist() == [-1, 0, float(np.float32(0.1)), 1]
    assert get(fmt.name) == fmt
    np.save(tmp_path / "levels.npy", np.array([-1, 0, 0.1, 1]))
    other = get(f"codebook:{tmp_path}/levels.npy")
    np.testing.assert_array_equal(other.values, fmt.values)
    csv.write_text("1, 2, 3", encoding="utf-8")
    with pytest.raises(SystolabError, match=r"must be a list of 2, 4, 8, .* not of shape \(3,\)"):
        get(f"codebook:{csv}")
    csv.write_text("1, x", encoding="utf-8")
    with pytest.raises(SystolabError, match=r"cannot be read: could not convert string to float"):
        get(f"codebook:{csv}")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(SystolabError, match=r"cannot be read: .*allow_pickle=False"):
        get(f"codebook:{tmp_path}/objects.npy")


def test_a_misspelt_class_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN.format(table="[0.0, 1.0, 2.0, 3.0] * 2", extra=""))
    with pytest.raises(
        SystolabError, match=r"must define Mien, it does not; did you mean 'Mine'\?"
    ):
        get(f"{file}:Mien")


@pytest.mark.parametrize(
    ("spelling", "hint"),
    [
        ("bf16", "write bfloat16"),
        ("fp16", "write binary16"),
        ("float8_e4m3fn", "write e4m3fn"),
        ("fp8_e4m3", "write e4m3fn"),
        ("E4M3FN", "write e4m3fn"),
        ("int8", "write int:8"),
        ("uint4", "write uint:4"),
        ("float4_e2m1fn", "write e2m1"),
        ("e4m3fn,scale=pow2", "write e4m3fn:scale=pow2"),
        ("int8,scale=pow2", "write int:8,scale=pow2"),
        ("adaptivflot:8,3", "did you mean 'adaptivfloat'?"),
    ],
)
def test_what_others_write_is_told_in_our_words(spelling: str, hint: str) -> None:
    with pytest.raises(SystolabError) as error:
        get(spelling)
    assert str(error.value).endswith(f"; {hint}")
    written = hint.removeprefix("write ")
    if written != hint:
        assert get(written).name.startswith(written.partition(",")[0])
