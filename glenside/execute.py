"""Runs a compiled program in binary64 or binary32, kernel by kernel, through the memories.

The sums are those of the kernels' access patterns, layouts included, so a program that computes
what its network computes has the right addresses. Order of summation is numpy's.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from glenside import host
from glenside.program import CopyStep, HostStep, KernelStep, Program
from rtl.kernel import AccessPattern, Kernel, Mode

Floats = NDArray[np.floating]


def execute(program: Program, feeds: Mapping[str, Floats]) -> dict[str, Floats]:
    """Every tensor that the program computes, by name, for the given network inputs."""
    values: dict[str, Floats] = {**program.network.constants, **feeds}
    layers = {layer.name: layer for layer in program.network.layers}
    for step in program.steps:
        if isinstance(step, KernelStep):
            values[step.o.tensor] = run_kernel_step(step, values)
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


def run_kernel_step(step: KernelStep, values: Mapping[str, Floats]) -> Floats:
    """The tensor that a step computes, in the arithmetic of its operands."""
    a, w = (operand.layout.pack(values[operand.tensor]) for operand in (step.a, step.w))
    bias = None
    if step.bias is not None:
        assert step.bias_index is not None
        bias = values[step.bias].reshape(-1)[step.bias_index]
    memory = np.zeros(step.o.size, a.dtype)
    run_kernel(step.kernel, a, w, memory, bias, step.lo, step.hi)
    return step.o.layout.unpack(memory, step.o.shape)


def run_kernel(
    kernel: Kernel, a: Floats, w: Floats, o: Floats, bias: Floats | None, lo: float, hi: float
) -> None:
    """Executes a kernel on flat memories; `o` is written in place."""
    outer, reduction, rows = (
        int(np.prod(x)) for x in (kernel.outer, kernel.reduction, kernel.rows)
    )
    a_values = _gather(kernel.a, a)
    w_values = _gather(kernel.w, w)
    if kernel.mode is Mode.WEIGHT_STATIONARY:
        left = a_values.reshape(outer, reduction, rows, kernel.a.lanes)
        right = w_values.reshape(outer, reduction, kernel.a.lanes, kernel.w.lanes)
        sums = np.matmul(left, right).sum(axis=1)
    else:
        left = a_values.reshape(outer, reduction, kernel.a.lanes)
        right = w_values.reshape(outer, reduction, kernel.w.lanes)
        sums = np.matmul(left.transpose(0, 2, 1), right)
    if bias is not None:
        channels = np.clip(kernel.p.addresses(), 0, len(bias) - 1)
        sums = sums + bias[channels].reshape(outer, 1, kernel.w.lanes)
    result = np.clip(sums, lo, hi).reshape(kernel.o.vectors, kernel.o.lanes)
    active = kernel.o.active()
    o[kernel.o.addresses()[active]] = result[active]


def _gather(pattern: AccessPattern, memory: Floats) -> Floats:
    active = pattern.active()
    return np.where(active, memory[np.where(active, pattern.addresses(), 0)], memory.dtype.type(0))
