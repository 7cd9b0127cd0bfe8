"""One run of a kernel: the kernel and all that a machine is given beside it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.formats.codes import Codes
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.rtl.kernel.kernel import AccessPattern, Array, Kernel

__all__ = ["F32", "Job"]

F32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Job:
    """A kernel, its memories and its post-processing.

    Attributes:
        kernel: what to run.
        a: codes that stream A reads, flat.
        w: codes that stream W reads, flat.
        scale: binary32 factors that stream P indexes, flat.
        bias: binary32 terms added after scaling, as many as ``scale``.
        lo: lower clamp of the scaled sum, -inf for none.
        hi: upper clamp, +inf for none.
        o: codes of the output memory before the kernel, flat; no run modifies them.
        a_scale: scales of A's blocks that stream SA indexes, flat; None without block scales.
        w_scale: scales of W's blocks that stream SW indexes, flat; None without block scales.

    Raises:
        SystolabError: a memory is no flat array of its type, ``bias`` is not as long as ``scale``,
            the clamp is empty or no number, or block scales are missing, too many or not finite.
    """

    kernel: Kernel
    a: Codes
    w: Codes
    scale: F32
    bias: F32
    lo: float | np.float32
    hi: float | np.float32
    o: Codes
    a_scale: F32 | None = None
    w_scale: F32 | None = None

    def __post_init__(self) -> None:
        for name, codes in (("A", self.a), ("W", self.w), ("O", self.o)):
            _check_flat(f"Memory {name}", codes, (np.uint8, np.uint16))
        for name, factors in (("Scale", self.scale), ("Bias", self.bias)):
            _check_flat(name, factors, (np.float32,))
        _check_clamp(self.lo, self.hi)
        if len(self.scale) != len(self.bias):
            raise SystolabError(
                f"Bias must have the {len(self.scale)} elements of scale, not {len(self.bias)}"
            )
        if not self.kernel.block_scaled:
            if self.a_scale is not None or self.w_scale is not None:
                raise SystolabError(
                    "Block scales must be given to a block-scaled kernel, not another"
                )
            return
        if self.a_scale is None or self.w_scale is None:
            raise SystolabError("Block scales of A and W must be given to a block-scaled kernel")
        for name, scale in (("A", self.a_scale), ("W", self.w_scale)):
            _check_flat(f"Block scales of {name}", scale, (np.float32,))
            wrong = scale[~np.isfinite(scale)]
            if len(wrong):
                raise SystolabError(f"Block scales of {name} must be finite, not {wrong[0]}")

    @property
    def block_scales(self) -> tuple[F32, F32] | None:
        """The scales of A's and of W's blocks; None for a kernel without."""
        if self.a_scale is None or self.w_scale is None:
            return None
        return self.a_scale, self.w_scale

    def check(self, array: Array) -> None:
        """Raise SystolabError unless the kernel, its parameters and its codes fit the array."""
        self.kernel.check(array)
        self._check_parameters()
        _check_codes("A", self.a, array.act)
        _check_codes("W", self.w, array.weight)
        _check_codes("O", self.o, array.out)

    def _check_parameters(self) -> None:
        """What an output depends on is in its memory: scale and bias, and scales of blocks."""
        kernel = self.kernel
        outer, rows, lanes = math.prod(kernel.outer), kernel.bank_rows, kernel.w.lanes
        written = functools.cache(lambda: kernel.o.active().reshape(outer, rows, lanes))
        _check_inside("P", kernel.p, self.scale, lambda: np.any(written(), axis=1))
        if self.a_scale is None or self.w_scale is None or kernel.sa is None or kernel.sw is None:
            return
        tiles, depth = math.prod(kernel.reduction), kernel.a.lanes

        def rows_needed() -> NDArray[np.bool_]:
            active = np.any(kernel.a.active(), axis=1).reshape(outer, tiles, rows)
            return np.asarray(active & np.any(written(), axis=2)[:, None], dtype=np.bool_)

        def columns_needed() -> NDArray[np.bool_]:
            active = np.any(kernel.w.active().reshape(outer, tiles, depth, lanes), axis=2)
            return np.asarray(active & np.any(written(), axis=1)[:, None], dtype=np.bool_)

        _check_inside("SA", kernel.sa, self.a_scale, rows_needed)
        _check_inside("SW", kernel.sw, self.w_scale, columns_needed)


def _check_inside(
    name: str, stream: AccessPattern, memory: F32, needed: Callable[[], NDArray[np.bool_]]
) -> None:
    addresses = stream.addresses()
    outside = (addresses < 0) | (addresses >= len(memory))
    if not outside.any():
        return
    wrong = addresses.reshape(-1)[outside.reshape(-1) & needed().reshape(-1)]
    if len(wrong):
        raise SystolabError(
            f"Active lanes of stream {name} must stay within addresses 0 to {len(memory) - 1}, "
            f"not reach {wrong.min() if wrong.min() < 0 else wrong.max()}"
        )


def _check_flat(name: str, memory: object, types: Sequence[type[np.generic]]) -> None:
    known = " or ".join(each.__name__ for each in types)
    if not isinstance(memory, np.ndarray):
        raise SystolabError(f"{name} must be flat {known}, not {type(memory).__name__}")
    if memory.ndim != 1 or memory.dtype.type not in types:
        raise SystolabError(
            f"{name} must be flat {known}, not {memory.ndim}-dimensional {memory.dtype}"
        )


def _check_clamp(lo: float | np.float32, hi: float | np.float32) -> None:
    """Both ends are numbers, and as binary32 they leave something between them."""
    try:
        with np.errstate(over="ignore"):
            ordered = bool(np.float32(lo) <= np.float32(hi))
    except (TypeError, ValueError):
        ordered = False
    if not ordered:
        raise SystolabError(f"Clamp must have lo <= hi, not {lo} and {hi}")


def _check_codes(name: str, memory: Codes, fmt: Format) -> None:
    if len(memory) and int(memory.max()) >= 1 << fmt.bits:
        raise SystolabError(
            f"Codes of stream {name} must be below {1 << fmt.bits} in format {fmt.name}, "
            f"not {int(memory.max())}"
        )
