"""Knowledge on disk: the same program without a rule, refused where it does not belong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.formats.errors import SystolabError
from systolab.formats.registry import registry
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.onnx.importer import load
from systolab.glenside.search import knowledge as module
from systolab.glenside.search.knowledge import Knowledge
from systolab.rtl.kernel.configuration import array as make_array
from systolab.rtl.kernel.kernel import Array

FORMAT = registry.get("adaptivfloat:8,3")
MODEL = "examples/digits_cnn.onnx"


def array(rows: int = 8, cols: int = 8) -> Array:
    return Array(rows, cols, FORMAT, FORMAT, FORMAT, parse_accumulator("exact"))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    knowledge = Knowledge(array())
    compile_network(load(MODEL), array(), knowledge)
    knowledge.save(tmp_path / "knowledge.json")
    return tmp_path / "knowledge.json"


def test_what_was_learnt_is_kept(saved: Path) -> None:
    fresh = compile_network(load(MODEL), array())
    knowledge = Knowledge.load(saved, array())
    again = compile_network(load(MODEL), array(), knowledge)
    assert repr(again.steps) == repr(fresh.steps)
    assert again.policies == fresh.policies
    assert again.statistics.applications == 0
    assert again.statistics.known == fresh.statistics.distinct == len(knowledge)


_SAVE = f"""
import sys
from pathlib import Path
sys.path.insert(0, ".")
from tests.glenside.search.test_knowledge import Knowledge, array, compile_network, load
knowledge = Knowledge(array())
compile_network(load("{MODEL}"), array(), knowledge)
knowledge.save(Path(sys.argv[1]))
"""


def test_same_bytes_in_every_process(saved: Path, tmp_path: Path) -> None:
    for seed in ("1", "2"):
        path = tmp_path / f"{seed}.json"
        found = os.environ.get(
            "PYTHONPATH", ""
        )  # the sources under test, where they are not installed
        environment = {"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": found}
        subprocess.run([sys.executable, "-c", _SAVE, str(path)], check=True, env=environment)
        assert path.read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("key", ["version", "rules", "compiler"])
def test_knowledge_of_others_is_refused(saved: Path, key: str) -> None:
    plain = json.loads(saved.read_text())
    plain[key] = "other"
    saved.write_text(json.dumps(plain))
    with pytest.raises(SystolabError, match=rf"must be of {key} '.*', not 'other'"):
        Knowledge.load(saved, array())


def test_knowledge_of_another_array_is_refused(saved: Path) -> None:
    with pytest.raises(SystolabError, match="must be of array '4x4 .*', not '8x8 .*'"):
        Knowledge.load(saved, array(4, 4))


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(SystolabError, match="must be knowledge of the compiler|must be of version"):
        Knowledge.load(path, array())


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes a file of knowledge, with the digest of what it says then."""
    plain = json.loads(path.read_text())
    change(plain)
    plain["digest"] = module._digest(plain["regions"])
    path.write_text(json.dumps(plain))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("8x8", "adaptivfloat:8,3"), ("8x8", "mxfp8")),
        (("8x8", "mxfp8"), ("8x8", "adaptivfloat:8,3")),
        (("32x32", "mxfp8"), ("32x32", "nvfp4")),
        (("32x32", "nvfp4"), ("32x32", "mxfp8")),
    ],
)
def test_formats_that_need_other_kernels_do_not_share(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str]
) -> None:
    one, other = make_array(*first), make_array(*second)
    Knowledge(one).save(tmp_path / "known.json")
    with pytest.raises(SystolabError, match="must be of array '.*', not '.*'"):
        Knowledge.load(tmp_path / "known.json", other)


def test_formats_of_the_same_kernels_share(saved: Path) -> None:
    other = make_array("8x8", "e4m3fn", accumulator="float32")
    network = load(MODEL)
    known = compile_network(network, other, Knowledge.load(saved, other))
    assert known.statistics.applications == 0
    assert repr(known.steps) == repr(compile_network(network, other).steps)


def test_emptied_options_are_damage(saved: Path) -> None:
    plain = json.loads(saved.read_text())
    plain["regions"] = {key: [] for key in plain["regions"]}
    saved.write_text(json.dumps(plain))
    with pytest.raises(SystolabError, match="must be as it was written, not damaged: delete it"):
        Knowledge.load(saved, array())


def test_damage_is_always_told(saved: Path) -> None:
    """Flipped bytes, cuts and repeats give a sentence or change nothing that is known."""
    content = saved.read_bytes()
    network = load(MODEL)
    expected = repr(compile_network(network, array()).steps)
    rng = np.random.default_rng(1)
    refused = 0
    for number in range(200):
        at, end = sorted(rng.integers(0, len(content), 2).tolist())
        damaged = (
            content[:at] + bytes([int(rng.integers(0, 256))]) + content[at + 1 :],
            content[:at],
            content[:at] + content[end:],
            content[:end] + content[at:],
        )[number % 4]
        saved.write_bytes(damaged)
        try:
            known = Knowledge.load(saved, array())
        except SystolabError:
            refused += 1
        else:
            assert repr(compile_network(network, array(), known).steps) == expected
    assert refused > 190


@pytest.mark.parametrize("depth", [3000, 1_000_000])
def test_deep_files_are_refused(saved: Path, depth: int) -> None:
    saved.write_text("[" * depth)
    with pytest.raises(SystolabError, match="must be knowledge of the compiler, in JSON"):
        Knowledge.load(saved, array())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("target", "(" * 3000, "at most 100 constructs deep"),
        ("target", "(tensor x0 (2))", "must be of this compiler and array"),
        ("layouts", {}, "must be computable, not out of reach"),
        ("output", "nchw", "must be computable, not out of reach"),
        ("candidate", -1, "cycles, not another number"),
    ],
)
def test_options_of_others_are_noticed(
    saved: Path, field: str, value: object, message: str
) -> None:
    def change(plain: dict[str, Any]) -> None:
        for options in plain["regions"].values():
            for option in options:
                option[field] = value

    rewrite(saved, change)
    with pytest.raises(SystolabError, match=re.escape(message)):
        compile_network(load(MODEL), array(), Knowledge.load(saved, array()))


def test_malformed_regions_are_refused(saved: Path) -> None:
    rewrite(saved, lambda plain: plain.update(regions={"x": [{"target": "y"}]}))
    with pytest.raises(SystolabError, match="must list the options of regions"):
        Knowledge.load(saved, array())


def test_wrong_cycles_are_noticed(saved: Path) -> None:
    def change(plain: dict[str, Any]) -> None:
        for options in plain["regions"].values():
            for option in options:
                option["cycles"] += 1

    rewrite(saved, change)
    with pytest.raises(SystolabError, match="must take .* cycles, not another number"):
        compile_network(load(MODEL), array(), Knowledge.load(saved, array()))


def test_missing_and_unwritable_files(tmp_path: Path) -> None:
    with pytest.raises(SystolabError, match="must be a readable file: No such file"):
        Knowledge.load(tmp_path / "none.json", array())
    with pytest.raises(SystolabError, match="must be writable: Not a directory"):
        Knowledge(array()).save(Path("/dev/null/x.json"))
