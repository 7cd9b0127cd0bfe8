"""Formats from files and packages, and what is refused at registration."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from systolab.cosim.cli import main
from systolab.formats import Rounding, Saturation, ScaleKind, Scaling, SystolabError, get
from systolab.formats.registry import plugins, registry
from systolab.rtl.kernel.configuration import array

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
        ("[0.0, 'x'] * 4", "", r"decode\(0x1\) of .* must return a number, not 'x'$"),
        ("[0.0, '1.0'] * 4", "", r"decode\(0x1\) of .* must return a number, not '1\.0'$"),
        ("[0.0, np.ones(1)] * 4", "", r"decode\(0x1\) of .* must return a number, not array"),
        (
            "[0, 2**60 + 1] * 4",
            "",
            r"Value of code 0x1 of .* must be a binary32 value, not 1152921504606846977: ",
        ),
        ("[0, -0.0] * 4", "", "Codebook of .* must contain a finite value that is not zero$"),
        (
            "[0.0, float('nan')] * 4",
            "",
            "Codebook of .* must contain a finite value that is not zero$",
        ),
        (
            "[0.0, 1.0] * 4",
            "    def decode(self, code):\n"
            "        Mine.calls = getattr(Mine, 'calls', 0) + 1\n"
            "        return float(code + (Mine.calls > 8))",
            r"decode\(0x0\) of .* must return the same every time, not 0\.0 and then 1\.0$",
        ),
        (
            "[0.0, 1.0] * 4",
            "    redundant = (99,)",
            "Redundant codes of Mine must be from 0 to 7, not 99$",
        ),
        (
            "[0.0, 1.0] * 4",
            "    redundant = 7",
            "Redundant codes of Mine must be a tuple of codes, not 7$",
        ),
        (
            "[0.0, 1.0, 2.0, 3.0, -1.0, -2.0, -3.0, -4.0]",
            "    redundant = (3,)",
            "Redundant codes of .* must repeat the value of another code, not be the only ones of "
            r"3\.0, as 0x3 is$",
        ),
        (
            "[0.0, 1.0] * 4",
            "    hardware = 7",
            "Hardware of Mine must map blocks to Verilog files, as .*, not be 7$",
        ),
        (
            "[0.0, 1.0] * 4",
            "    def __init__(self):\n        open('/no/such')",
            r"Mine cannot be made: FileNotFoundError: .*'/no/such' \(line 11 of mine\.py\)$",
        ),
        (
            "[0.0, 1.0] * 4",
            "import sys\nsys.exit(0)",
            r"Format file .* cannot be executed: SystemExit: 0 \(line 11 of mine\.py\)$",
        ),
        (
            "[0.0, 1.0] * 4",
            "def x(:\n",
            r"file .* cannot be executed: SyntaxError: invalid syntax \(mine\.py, line 10\)$",
        ),
        (
            "[0.0, 1.0] * 4",
            "    rounding = 'banana'",
            "^Rounding must be one of nearest-even, .*, stochastic, not 'banana'$",
        ),
        (
            "[0.0, 1.0] * 4",
            "    scaling = 'pow3'",
            r"^Scaling must be one of none, pow2, binary32, not 'pow3'; did you mean 'pow2'\?$",
        ),
        (
            "[0.0, 1.0] * 4",
            "    scaling = 2.0",
            r"^Scaling must be a systolab\.Scaling or one of none, pow2, binary32, not 2\.0$",
        ),
        ("[0.0, 1.0] * 4", "    seed = 'x'", "^Seed of a format must be an integer, not 'x'$"),
        (
            "[0.0, 1.0] * 4",
            "    def rounding_bounds(self, pairs):\n        return None",
            "Rounding bounds of .* must be numbers, not None$",
        ),
        (
            "[0.0, 1.0] * 4",
            "    def rounding_bounds(self, pairs):\n        return pairs.middle",
            "rounding_bounds of .* must give a bound for every pair, not raise AttributeError: .* "
            r"\(line 11 of mine\.py\)$",
        ),
        (
            "[0.0, 1.0, float('nan'), -1.0] * 2",
            "    saturation = 'none'\n    def overflow_step(self, upward):\n        return None",
            "overflow_step of .* must be a positive number, not None$",
        ),
        (
            "[0.0, 1.0] * 4",
            "    def encode(self, x):\n        return 1 / 0",
            "encode of .* must give a code for every real number, not raise ZeroDivisionError: "
            r"division by zero \(line 11 of mine\.py\)$",
        ),
        (
            "[0.0, 1.0] * 4",
            "    def encode(self, x):\n        return [0] * 8",
            r"encode of .* must give an array of codes of the shape \(8,\), not \[0, 0, ",
        ),
        (
            "[0.0, 1.0] * 4",
            "    def encode(self, x):\n        return np.full(np.shape(x), 8)",
            "encode of .* must give codes from 0 to 7, not 8$",
        ),
        (
            "[0.0, 1.0] * 4",
            "    max = 1.0",
            "^Attribute max of Mine must not be set: formats have one of that name that follows",
        ),
        (
            "[0.0, 1.0] * 4",
            "    def __init__(self):\n        self.ratio = 2",
            "^Attribute ratio of Mine must not be set: ",
        ),
        ("[0.0, 1.0] * 4", "    name = ''", "^Name of Mine must be a text, not ''$"),
        (
            "[0.0, 1.0] * 4",
            "    @property\n    def scaling(self):\n        return 1",
            "^Attribute scaling of Mine must be a class attribute, be set in __init__ or be a "
            "functools.cached_property, not a property$",
        ),
        (
            "[0.0, 1.0] * 4",
            "class Mine(Format):\n    bits = 3",
            "^Format Mine must define the method decode, it does not$",
        ),
        (
            "[0.0, 1.0] * 4",
            "class Mine(Format):\n    decode = lambda self, code: 0.0",
            "^Format Mine must set bits, it does not$",
        ),
        (
            "[0.0, 1.0] * 4",
            "    bits = '4'",
            "^Format Mine must set bits to an integer from 1 to 16, not '4'$",
        ),
        (
            "[0.0, 1.0] * 4",
            "    bits = True",
            "^Format Mine must set bits to an integer from 1 to 16, not True$",
        ),
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
        (
            "[0.0] * 8",
            "Mine = 3",
            "Format .*:Mine must be a class or a function that gives a systolab.Format, not 3$",
        ),
        (
            "[0.0] * 8",
            "Mine = dict",
            "must be a class or a function that gives a systolab.Format, not the class dict$",
        ),
        (
            "[0.0] * 8",
            "def Mine():\n    return object()",
            "must be made by what returns a systolab.Format, not an object of the class object$",
        ),
        (
            "[0.0] * 8",
            "raise KeyError(1)",
            r"cannot be executed: KeyError: 1 \(line 10 of mine\.py\)$",
        ),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, table: str, extra: str, message: str) -> None:
    with pytest.raises(SystolabError, match=message):
        get(plugin(tmp_path, table, extra))


def test_an_instance_in_a_file_is_a_format(tmp_path: Path) -> None:
    spec = plugin(tmp_path, "[0.0, 1.0, 2.0, 3.0] * 2", "Made = Mine()").replace(":Mine", ":Made")
    assert get(spec).name == spec
    with pytest.raises(
        SystolabError, match=r"must be spelt without parameters, .* already, not with 3$"
    ):
        get(f"{spec}:3")


@pytest.mark.parametrize("extra", ["    scaling = 'pow2'", "    scaling = ScaleKind.POW2"])
def test_enumerations_may_be_spelt_as_on_the_command_line(tmp_path: Path, extra: str) -> None:
    switches = "    rounding = 'down'\n    saturation = 'propagate'\n"
    spec = plugin(tmp_path, "[0.0, 1.0, 2.0, 3.0] * 2", switches + extra)
    file = Path(spec.removesuffix(":Mine"))
    file.write_text("from systolab import ScaleKind\n" + file.read_text("utf-8"), "utf-8")
    fmt = get(spec)
    assert fmt.rounding is Rounding.DOWN
    assert fmt.saturation is Saturation.PROPAGATE
    assert fmt.scaling == Scaling(ScaleKind.POW2)
    assert array("4x4", fmt).block_scaled is False


def test_what_a_plugin_prints_goes_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = (
        "    def __init__(self):\n        print('made')\n"
        "    def encode(self, x):\n        print('encodes')\n        return super().encode(x)\n"
        "    def rounding_bounds(self, pairs):\n"
        "        print('bounds')\n        return super().rounding_bounds(pairs)\n"
        "    def decode(self, code):\n        print('decodes')\n        return float(code)\n"
        "print('runs')"
    )
    fmt = get(plugin(tmp_path, "[]", body) + ",rounding=up")
    capsys.readouterr()
    assert main(["show", fmt.name, "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["name"] == fmt.name
    assert {*err.split()} == {"runs", "made", "decodes", "bounds", "encodes"}


def test_a_plugin_that_exits_is_wrong_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = plugin(tmp_path, "[0.0, 1.0] * 4", "import sys\nsys.exit(0)")
    assert main(["show", spec]) == 2
    assert "SystemExit: 0 (line 11 of mine.py)" in capsys.readouterr().err


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
    with pytest.raises(SystolabError, match=r"Format plug-in 'broken' .* loaded: ModuleNotF"):
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
    with pytest.raises(SystolabError, match=r"must hold numbers, not 'x'$"):
        get(f"codebook:{csv}")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(SystolabError, match=r"holds objects or records, not numbers$"):
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
        ("float8_e4m3", "write e4m3"),
        ("float8_e5m2", "write e5m2"),
        ("FP16", "write binary16"),
        ("int16", "write int:16"),
        ("E4M3FN", "write e4m3fn"),
        ("mine:Balanced", "a class of a file is spelt mine.py:Balanced"),
        ("my/mine:Powers:5,2", "a class of a file is spelt my/mine.py:Powers:5,2"),
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
    said = str(error.value)
    assert said.startswith("Format family must be one of the known ones, not '")
    assert re.search(rf"; {re.escape(hint)};? 'systolab formats' lists them$", said)
    written = hint.removeprefix("write ")
    if hint.startswith("write "):
        assert get(written).name.startswith(written.partition(",")[0])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('raise BaseException("x")', "cannot be executed: BaseException: x (line 1 of mine.py)"),
        ("import asyncio\nraise asyncio.CancelledError", "CancelledError (line 2 of mine.py)"),
        (
            "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
            "cannot be executed: E (line 3 of mine.py)",
        ),
    ],
)
def test_whatever_a_plugin_raises_is_contained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, said: str
) -> None:
    (tmp_path / "mine.py").write_text(body)
    assert main(["show", f"{tmp_path / 'mine.py'}:Mine"]) == 2
    assert said in capsys.readouterr().err


def test_an_interrupt_goes_through_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        get(f"{tmp_path / 'mine.py'}:Mine")
