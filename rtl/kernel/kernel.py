"""A kernel: an access pattern for each stream and a mode, and the array it runs on.

An access pattern is an affine map from a loop nest to addresses, counted in codes, plus guards:
intervals that a linear combination of the loop indices must stay in for a lane to be active. The
hardware's address generators, the software model's gathers and the cycle count are all derived from
the same patterns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from systolab.formats.arithmetic.accumulator import Exact, parse_accumulator
from systolab.formats.errors import SystolabError
from systolab.formats.outside.choices import integer
from systolab.formats.outside.short import representation
from systolab.formats.registry.registry import get
from systolab.rtl.kernel.modes import Dimension, Mode

if TYPE_CHECKING:
    from systolab.formats.arithmetic.accumulator import Accumulator
    from systolab.formats.format import Format

__all__ = [
    "ADDRESS_LIMIT",
    "MAX_GUARDS",
    "MAX_LENGTH",
    "MAX_LOOPS",
    "MAX_SIDE",
    "AccessPattern",
    "Array",
    "Guard",
    "Kernel",
    "affine",
    "parse_array",
]

MAX_SIDE = 64  # rows or columns of an array
MAX_LOOPS = 12  # loops of one stream
MAX_GUARDS = 4  # guards of one stream
MAX_LENGTH = 1 << 16  # iterations of one loop
ADDRESS_LIMIT = 1 << 31  # addresses, strides and guard terms are signed 32-bit in hardware


@dataclass(frozen=True)
class Guard:
    """Lane active iff ``0 <= offset + sum(strides[i]*index[i]) + lane_stride*lane < bound``."""

    offset: int
    strides: tuple[int, ...]
    lane_stride: int
    bound: int


@dataclass(frozen=True)
class AccessPattern:
    """Affine map from a loop nest to addresses in codes.

    Attributes:
        base: address at all-zero indices.
        loops: ``(length, stride)`` of every loop, outermost first.
        lane: ``(length, stride)`` of the lane dimension.
        guards: every guard must hold for a lane to be active.
    """

    base: int
    loops: tuple[tuple[int, int], ...]
    lane: tuple[int, int]
    guards: tuple[Guard, ...] = ()

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths of the loops, outermost first."""
        return tuple(length for length, _ in self.loops)

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the loops in codes, outermost first."""
        return tuple(stride for _, stride in self.loops)

    @property
    def lanes(self) -> int:
        """How many lanes a vector has."""
        return self.lane[0]

    @property
    def vectors(self) -> int:
        """Number of vectors the stream delivers."""
        return math.prod(self.lengths)

    def addresses(self) -> NDArray[np.int64]:
        """Addresses of all lanes of all vectors, shape ``[vectors, lanes]``, active or not."""
        vector = affine(self.base, self.lengths, self.strides)
        return vector[:, None] + self.lane[1] * np.arange(self.lanes, dtype=np.int64)

    def active(self) -> NDArray[np.bool_]:
        """Which lanes are active, shape ``[vectors, lanes]``."""
        result = np.ones((self.vectors, self.lanes), dtype=np.bool_)
        lane = np.arange(self.lanes, dtype=np.int64)
        for guard in self.guards:
            value = (
                affine(guard.offset, self.lengths, guard.strides)[:, None]
                + guard.lane_stride * lane
            )
            result &= (value >= 0) & (value < guard.bound)
        return result


def affine(offset: int, lengths: Sequence[int], strides: Sequence[int]) -> NDArray[np.int64]:
    """``offset + sum(strides[i]*index[i])`` over a loop nest, flattened, outermost loop slowest."""
    result = np.full(1, offset, dtype=np.int64)
    for length, stride in zip(lengths, strides, strict=True):
        result = (result[:, None] + stride * np.arange(length, dtype=np.int64)).reshape(-1)
    return result


@dataclass(frozen=True)
class Kernel:
    """One run of the array: loop lengths, the access pattern of every stream and the dataflow.

    Which loops a pattern has is said by the mode (``systolab.rtl.kernel.modes``); ``rows`` is empty
    in a mode without. ``p`` gives, per output column, the index of its scale and bias.

    In a kernel of block-scaled operands each tile lies within one block: ``sa`` gives, per vector
    of ``a``, and ``sw``, per tile and column, the index of the block's scale.

    Raises:
        SystolabError: the loops of the patterns do not fit together, or a guard is malformed.
    """

    mode: Mode
    outer: tuple[int, ...]
    reduction: tuple[int, ...]
    rows: tuple[int, ...]
    a: AccessPattern
    w: AccessPattern
    o: AccessPattern
    p: AccessPattern
    sa: AccessPattern | None = None
    sw: AccessPattern | None = None

    def __post_init__(self) -> None:
        if self.mode not in tuple(Mode):
            choices = " or ".join(f"'{mode}'" for mode in Mode)
            raise SystolabError(f"Kernel mode must be {choices}, not '{self.mode}'")
        object.__setattr__(self, "mode", Mode(self.mode))
        description = self.mode.description
        if self.rows and not description.has_rows:
            raise SystolabError(f"Kernel rows must be empty in {self.mode} mode, not {self.rows}")
        if (self.sa is None) != (self.sw is None):
            raise SystolabError(
                "Kernel must have both streams of block scales, SA and SW, or none, not one"
            )
        if self.block_scaled and not description.block_scaled:
            able = " or ".join(mode for mode in Mode if mode.description.block_scaled)
            raise SystolabError(f"Kernel with block scales must be {able}, not {self.mode}")
        streams = self.streams()
        for name, pattern in streams.items():
            loops = description.walks[name].loops
            _check_stream(name, pattern, tuple(n for kind in loops for n in self.lengths(kind)))
        if self.sa is not None and self.sa.lanes != 1:
            raise SystolabError(f"Stream SA must have 1 lane, not {self.sa.lanes}")
        for name, pattern in streams.items():
            if description.walks[name].lanes is Dimension.W_LANES and (
                pattern.lanes != self.w.lanes
            ):
                raise SystolabError(
                    f"Stream {name} must have the {self.w.lanes} lanes of stream W, "
                    f"not {pattern.lanes}"
                )
        for name in ("P", "SA", "SW"):
            if name in streams and streams[name].guards:
                raise SystolabError(
                    f"Stream {name} must have no guards, not {len(streams[name].guards)}"
                )

    def streams(self) -> dict[str, AccessPattern]:
        """The access patterns by name: A, W, O, P, and SA, SW of a block-scaled kernel."""
        streams = {"A": self.a, "W": self.w, "O": self.o, "P": self.p}
        if self.sa is not None and self.sw is not None:
            streams |= {"SA": self.sa, "SW": self.sw}
        return streams

    def lengths(self, kind: Dimension) -> tuple[int, ...]:
        """Lengths of the loops of one kind, outermost first."""
        match kind:
            case Dimension.OUTER:
                return self.outer
            case Dimension.REDUCTION:
                return self.reduction
            case Dimension.ROWS:
                return self.rows
            case Dimension.A_LANES:
                return (self.a.lanes,)
            case Dimension.W_LANES:
                return (self.w.lanes,)

    def count(self, kinds: Iterable[Dimension]) -> int:
        """How many loops of some kinds there are."""
        return sum(len(self.lengths(kind)) for kind in kinds)

    def positions(self, stream: str, kind: Dimension) -> tuple[int, ...]:
        """Where a stream's pattern has the loops of one kind; lanes count as its last loop."""
        walk = self.mode.description.walks[stream]
        if kind is walk.lanes:
            return (self.count(walk.loops),)
        if kind not in walk.loops:
            return ()
        first = self.count(walk.loops[: walk.loops.index(kind)])
        return tuple(range(first, first + len(self.lengths(kind))))

    @property
    def block_scaled(self) -> bool:
        """Whether column sums are scaled before they are accumulated."""
        return self.sa is not None

    @property
    def group(self) -> int:
        """Consecutive reduction steps summed from zero before they enter the accumulator."""
        return self.a.lanes if self.mode.description.sums_lanes else 1

    @property
    def length(self) -> int:
        """Length of the reduction, inactive lanes included."""
        return math.prod(self.reduction) * self.group

    @property
    def bank_rows(self) -> int:
        """Accumulator rows that one outer iteration occupies."""
        return math.prod(n for kind in self.mode.description.rows for n in self.lengths(kind))

    def check(self, array: Array) -> None:
        """Raise SystolabError unless the kernel fits the array."""
        if self.block_scaled != array.block_scaled:
            kinds = ("without block scales", "with block scales")
            raise SystolabError(
                f"Kernel must be {kinds[array.block_scaled]} on such an array, "
                f"not {kinds[self.block_scaled]}"
            )
        if self.a.lanes > array.rows:
            raise SystolabError(
                f"Stream A must have at most the array's {array.rows} lanes, not {self.a.lanes}"
            )
        if self.w.lanes > array.cols:
            raise SystolabError(
                f"Stream W must have at most the array's {array.cols} lanes, not {self.w.lanes}"
            )
        if self.bank_rows > array.acc_rows:
            raise SystolabError(
                f"Output rows of an iteration must be at most the {array.acc_rows} rows "
                f"of an accumulator bank, not {self.bank_rows}"
            )
        if self.length > array.k_max:
            raise SystolabError(
                f"Reduction must be at most {array.k_max} steps long, not {self.length}"
            )


def _check_stream(name: str, pattern: AccessPattern, expected: tuple[int, ...]) -> None:
    if pattern.lengths != expected:
        raise SystolabError(
            f"Stream {name} must have loops of lengths {expected}, not {pattern.lengths}"
        )
    if len(expected) > MAX_LOOPS:
        raise SystolabError(
            f"Stream {name} must have at most {MAX_LOOPS} loops, not {len(expected)}"
        )
    for length in (*expected, pattern.lanes):
        if not 1 <= length <= MAX_LENGTH:
            raise SystolabError(
                f"Loop lengths of stream {name} must be from 1 to {MAX_LENGTH}, not {length}"
            )
    if len(pattern.guards) > MAX_GUARDS:
        raise SystolabError(
            f"Stream {name} must have at most {MAX_GUARDS} guards, not {len(pattern.guards)}"
        )
    _check_range(
        f"Addresses of stream {name}", pattern.base, pattern.strides, pattern.lane[1], pattern
    )
    for guard in pattern.guards:
        if len(guard.strides) != len(expected):
            raise SystolabError(
                f"Guards of stream {name} must have one stride for each of the {len(expected)} "
                f"loops, not {len(guard.strides)}"
            )
        if not 0 <= guard.bound < ADDRESS_LIMIT:
            raise SystolabError(
                f"Guard bounds of stream {name} must be from 0 to 2^31-1, not {guard.bound}"
            )
        _check_range(
            f"Guard values of stream {name}",
            guard.offset,
            guard.strides,
            guard.lane_stride,
            pattern,
        )


def _check_range(
    what: str, offset: int, strides: Sequence[int], lane_stride: int, pattern: AccessPattern
) -> None:
    spans = [(n - 1) * s for n, s in zip(pattern.lengths, strides, strict=True)]
    spans.append((pattern.lanes - 1) * lane_stride)
    low = offset + sum(min(span, 0) for span in spans)
    high = offset + sum(max(span, 0) for span in spans)
    if low < -ADDRESS_LIMIT or high >= ADDRESS_LIMIT:
        raise SystolabError(f"{what} must fit 32 signed bits, not span {low} to {high}")


@dataclass(frozen=True, repr=False)
class Array:
    """A machine configuration.

    Attributes:
        rows: processing elements along A's lanes, 1 to 64.
        cols: processing elements along W's lanes, 1 to 64.
        act: format of A's codes.
        weight: format of W's codes.
        out: format of O's codes.
        accumulator: how products are summed.
        line: codes in a memory line, a power of two of at least max(rows, cols, 4); 0 takes the
            smallest.
        acc_rows: accumulator rows of each of the two banks.
        k_max: longest reduction, for which an Exact accumulator is sized.
        block_scaled: column sums are exact, scaled by the scales of their blocks, and accumulated
            in binary32.

    Raises:
        SystolabError: a size is out of range, or there is no such format or accumulator.
    """

    rows: int
    cols: int
    act: Format
    weight: Format
    out: Format
    accumulator: Accumulator
    line: int = 0
    acc_rows: int = 256
    k_max: int = 65536
    block_scaled: bool = False

    def __post_init__(self) -> None:
        for operand in ("act", "weight", "out"):
            object.__setattr__(self, operand, get(getattr(self, operand)))
        for size in ("rows", "cols", "line", "acc_rows", "k_max"):
            given = integer(f"Size {size} of an array", getattr(self, size))
            object.__setattr__(self, size, given)
        object.__setattr__(self, "accumulator", parse_accumulator(self.accumulator))
        for name, side in (("rows", self.rows), ("columns", self.cols)):
            if not 1 <= side <= MAX_SIDE:
                raise SystolabError(f"Array {name} must be from 1 to {MAX_SIDE}, not {side}")
        smallest = 1 << (max(self.rows, self.cols, 4) - 1).bit_length()
        if self.line == 0:
            object.__setattr__(self, "line", smallest)
        if self.line not in (4, 8, 16, 32, 64) or self.line < smallest:
            raise SystolabError(
                f"Line length must be a power of two from {smallest} to {MAX_SIDE}, not {self.line}"
            )
        if not self.rows <= self.acc_rows <= MAX_LENGTH:
            raise SystolabError(
                f"Accumulator rows must be from {self.rows} to {MAX_LENGTH}, not {self.acc_rows}"
            )
        if not 1 <= self.k_max < ADDRESS_LIMIT:
            raise SystolabError(f"Longest reduction must be from 1 to 2^31-1, not {self.k_max}")
        if self.block_scaled and not isinstance(self.accumulator, Exact):
            raise SystolabError(
                f"Accumulator of a block-scaled array must be exact, not {self.accumulator}"
            )

    def __repr__(self) -> str:
        """Everything there is to say, in a line."""
        formats = f"{self.act.name} x {self.weight.name} to {self.out.name}"
        sums = f"accumulator {self.accumulator}{', block-scaled' if self.block_scaled else ''}"
        sizes = f"line {self.line}, acc_rows {self.acc_rows}, k_max {self.k_max}"
        return representation(self, f"{self.name}: {formats}, {sums}, {sizes}")

    @property
    def modes(self) -> tuple[Mode, ...]:
        """Dataflows that the array runs."""
        able = (mode for mode in Mode if mode.description.block_scaled or not self.block_scaled)
        return tuple(able)

    @property
    def sums(self) -> str:
        """How products are summed, in words."""
        exact = "exact within a tile, float32 between tiles"
        return exact if self.block_scaled else str(self.accumulator)

    @property
    def name(self) -> str:
        """Shape as it is written on the command line, for example ``16x16``."""
        return f"{self.rows}x{self.cols}"


def parse_array(shape: str | tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of an array written as ROWSxCOLS, for example ``"16x16"``, or as a pair.

    Raises:
        SystolabError: the shape is not of that form, or a side is outside 1 to 64.
    """
    text = "x".join(map(str, shape)) if isinstance(shape, tuple) else shape
    match = re.fullmatch(r"([0-9]{1,4})x([0-9]{1,4})", text) if isinstance(text, str) else None
    if match is None or not all(1 <= int(side) <= MAX_SIDE for side in match.groups()):
        raise SystolabError(
            f"Array must be ROWSxCOLS with both from 1 to {MAX_SIDE}, not {shape!r}"
        )
    return int(match[1]), int(match[2])
