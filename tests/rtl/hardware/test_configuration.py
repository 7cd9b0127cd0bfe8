"""The configuration map: what a kernel writes is in it, and nothing in it overlaps."""

from __future__ import annotations

import re

import numpy as np
import pytest

from systolab.formats import Exact, get
from systolab.rtl import Array, Mode
from systolab.rtl.hardware.configuration import ADDRESSES, FIELDS, Unit, mapped, table
from systolab.rtl.hardware.descriptor import descriptor, surrounded
from systolab.rtl.hardware.ports import ports
from systolab.rtl.hardware.top import TOP
from systolab.rtl.kernel.block_gemm import block_gemm_kernel
from systolab.rtl.kernel.gemm import gemm_kernel

INT8 = get("int:8")
ARRAY = Array(4, 4, INT8, INT8, INT8, Exact())


def test_no_word_has_two_meanings() -> None:
    words = [u.address(w) for field in FIELDS for u in field.units for w in field.words]
    assert len(words) == len(set(words)) == len(mapped(True))
    assert max(words) < ADDRESSES
    assert {u.address(0) >> 7 for u in Unit} == set(range(7))
    assert mapped(True) - mapped(False) == {w for w in words if w >> 7 in (Unit.SA, Unit.SW)}


@pytest.mark.parametrize("mode", list(Mode))
def test_a_kernel_writes_words_with_a_meaning(mode: Mode) -> None:
    words = descriptor(gemm_kernel(ARRAY, 5, 9, 6, mode), -np.inf, np.inf)
    addresses = words[:, 0].tolist()
    assert set(addresses) <= mapped(False)
    assert len(set(addresses)) == len(addresses)


def test_a_block_scaled_kernel_too() -> None:
    element = get("mxfp8")
    array = Array(4, 4, element, element, get("bfloat16"), Exact(), block_scaled=True)
    words = descriptor(block_gemm_kernel(array, 5, 32, 6, 4), -np.inf, np.inf)
    assert set(words[:, 0].tolist()) <= mapped(True)
    assert any(address >> 7 == Unit.SA for address in words[:, 0].tolist())


def test_words_around_a_kernel_cannot_matter() -> None:
    words = descriptor(gemm_kernel(ARRAY, 5, 9, 6), -np.inf, np.inf)
    found = surrounded(words, False, seed=0)
    before, after = found[:ADDRESSES], found[ADDRESSES + len(words) :]
    assert sorted(before[:, 0].tolist()) == list(range(ADDRESSES))
    assert not set(after[:, 0].tolist()) & mapped(False)
    assert len(after) == ADDRESSES - len(mapped(False))


def test_the_map_says_every_unit() -> None:
    assert all(f"{unit.name}={unit.value}" in table() for unit in Unit)


def test_the_top_module_has_the_ports_of_the_list() -> None:
    from systolab.rtl.hardware.hardware import hardware

    text = hardware(ARRAY).files[f"{TOP}.v"]
    found = re.findall(r"^  (input|output) +wire +(?:\[(\d+):0\])? *(\w+)", text, re.MULTILINE)
    wanted = [(p.direction, "" if p.width == 1 else str(p.width - 1), p.name) for p in ports(ARRAY)]
    assert found == wanted
