"""Runs a compiled program in binary64 or binary32, kernel by kernel, through the memories.

The sums are those of the kernels' access patterns, layouts included, so a program that computes
what its network computes has the right addresses. Order of summation is numpy's.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray

from systolab.glenside.operators import host
from systolab.glenside.program import CopyStep, HostStep, KernelStep, Program
from systolab.rtl.kernel.kernel import AccessPattern, Kernel

__all__ = ["execute"]

_Floats = NDArray[np.floating]


def execute(program: Program, feeds: Mapping[str, _Floats]) -> dict[str, _Floats]:
    """Every tensor that the program computes, by name, for the given network inputs."""
    values: dict[str, _Floats] = {**program.network.constants, **feeds}
    layers = {layer.name: layer for layer in program.network.layers}
    for step in program.steps:
        if isinstance(step, KernelStep):
            values[step.o.tensor] = _run_kernel_step(step, values)
        elif isinstance(step, HostStep):
            for name in step.layers:
                layer = layers[name]
                results = host.evaluate(layer, [values[t] if t else None for t in layer.inputs])
                values.update(zip(layer.outputs, results, strict=False))
        else:
            assert isinstance(step, CopyStep)
            memory = step.target.pack(values[step.tensor])
            values[step.tensor] = step.target.unpack(memory, values[step.tensor].shape)
    return values


def _run_kernel_step(step: KernelStep, values: Mapping[str, _Floats]) -> _Floats:
    """The tensor that a step computes, in the arithmetic of its operands."""
    a, w = (operand.layout.pack(values[operand.tensor]) for operand in (step.a, step.w))
    bias = None
    if step.bias is not None:
        assert step.bias_index is not None
        bias = values[step.bias].reshape(-1)[step.bias_index]
    memory = np.zeros(step.o.size, a.dtype)
    _run_kernel(step.kernel, a, w, memory, bias, step.lo, step.hi)
    return step.o.layout.unpack(memory, step.o.shape)


def _run_kernel(
    kernel: Kernel, a: _Floats, w: _Floats, o: _Floats, bias: _Floats | None, lo: float, hi: float
) -> None:
    """Executes a kernel on flat memories; ``o`` is written in place."""
    outer, reduction = prod(kernel.outer), prod(kernel.reduction)
    left, right, lanes = _gather(kernel.a, a), _gather(kernel.w, w), kernel.a.lanes
    sums: _Floats
    if kernel.mode.description.sums_lanes:
        rows = left.reshape(outer, reduction, -1, lanes)
        tiles = right.reshape(outer, reduction, lanes, kernel.w.lanes)
        sums = np.matmul(rows, tiles).sum(axis=1)
    else:
        columns = left.reshape(outer, reduction, lanes).swapaxes(1, 2)
        sums = np.matmul(columns, right.reshape(outer, reduction, kernel.w.lanes))
    if bias is not None:
        channels = np.clip(kernel.p.addresses(), 0, len(bias) - 1)
        sums = sums + bias[channels].reshape(outer, 1, kernel.w.lanes)
    result = np.clip(sums, lo, hi).reshape(kernel.o.vectors, kernel.o.lanes)
    active = kernel.o.active()
    o[kernel.o.addresses()[active]] = result[active]


def _gather(pattern: AccessPattern, memory: _Floats) -> _Floats:
    active = pattern.active()
    return np.where(active, memory[np.where(active, pattern.addresses(), 0)], memory.dtype.type(0))
