"""Knowledge on disk: the same program without a rule, refused where it does not belong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.formats.errors import SystolabError
from systolab.formats.registry import registry
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.onnx.importer import load
from systolab.glenside.search.knowledge import Knowledge
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


def test_malformed_regions_are_refused(saved: Path) -> None:
    plain = json.loads(saved.read_text())
    plain["regions"] = {"x": [{"target": "y"}]}
    saved.write_text(json.dumps(plain))
    with pytest.raises(SystolabError, match="must list the options of regions"):
        Knowledge.load(saved, array())


def test_wrong_cycles_are_noticed(saved: Path) -> None:
    plain = json.loads(saved.read_text())
    for options in plain["regions"].values():
        for option in options:
            option["cycles"] += 1
    saved.write_text(json.dumps(plain))
    with pytest.raises(SystolabError, match="must take .* cycles, not another number"):
        compile_network(load(MODEL), array(), Knowledge.load(saved, array()))


def test_missing_and_unwritable_files(tmp_path: Path) -> None:
    with pytest.raises(SystolabError, match="cannot be read: No such file"):
        Knowledge.load(tmp_path / "none.json", array())
    with pytest.raises(SystolabError, match="must be writable: No such file"):
        Knowledge(array()).save(tmp_path / "none" / "x.json")
