"""From a loop nest to the kernels that can run it.

A kernel needs one loop for the lanes of A and one for the lanes of W and O; the rest become the
kernel's own loops. Which loop feeds the lanes, how it is cut to the array and which loops fuse into
longer lanes are free choices: every sensible one is returned, cost decides elsewhere.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from systolab.formats.errors import SystolabError
from systolab.glenside.affine.nest import A, Loop, Nest, O, P, Role, W
from systolab.glenside.lowering.estimate import estimated_cycles
from systolab.glenside.lowering.sliding import slides
from systolab.glenside.lowering.stream_layout import Selection, StreamLayout
from systolab.rtl.kernel.block_streams import with_scales
from systolab.rtl.kernel.kernel import (
    MAX_GUARDS,
    MAX_LENGTH,
    MAX_LOOPS,
    AccessPattern,
    Array,
    Guard,
    Kernel,
)
from systolab.rtl.kernel.modes import Dimension, Mode

__all__ = ["Blocks", "Candidate", "lower"]


@dataclass(frozen=True)
class Candidate:
    """One way to run a nest.

    Attributes:
        kernel: ready for the array.
        w_layout: how the constant W must be stored; None when W lies where the nest says.
        label: the choices made, for reports: dataflow and the loops in the lanes.
        estimate: rough cycles; candidates are worth timing in ascending order of it.
    """

    kernel: Kernel
    w_layout: StreamLayout | None
    label: str
    estimate: int


@dataclass(frozen=True)
class Blocks:
    """How operands are cut into blocks that share a scale.

    Attributes:
        loop: the reduction loop that runs along them; a nest without it has blocks of one element.
        length: elements of a block.
    """

    loop: str
    length: int

    def lanes(self, length: int, array: Array) -> list[int]:
        """Lanes of A with which every tile of a loop lies within one block."""
        if length <= self.length:
            return _sizes(length, array.rows)
        return [max(d for d in range(1, array.rows + 1) if self.length % d == 0)]


def lower(
    nest: Nest,
    array: Array,
    w_constant: bool,
    modes: Sequence[Mode] = tuple(Mode),
    prune: float = 2.0,
    blocks: Blocks | None = None,
) -> list[Candidate]:
    """Every sensible kernel for the nest on the array, the most promising first.

    Args:
        nest: what to compute.
        array: the machine.
        w_constant: W is known at compile time; its strides then say where its elements are in the
            row-major tensor, and every candidate brings a layout of its own.
        modes: dataflows to consider.
        prune: of each mode, candidates estimated at more than this many times the best are dropped.
        blocks: on a block-scaled array, how the operands are cut into blocks.

    Raises:
        SystolabError: no kernel within the machine's limits exists.
    """
    plain = nest.trimmed()
    for role in (Role.REDUCTION, Role.ROW, Role.COLUMN):
        if not [loop for loop in plain.of(role) if role is Role.COLUMN or not loop.strides[P]]:
            plain = _with_unit_loop(plain, role)
    if blocks is not None and not any(loop.name == blocks.loop for loop in plain.loops):
        # Blocks of one element, or a reduction of one step.
        blocks = Blocks(f"1 {Role.REDUCTION}", 1)
        if not any(loop.name == blocks.loop for loop in plain.loops):
            plain = _with_unit_loop(plain, Role.REDUCTION)
    found: dict[tuple[Kernel, StreamLayout | None], Candidate] = {}
    for choice in _choices(plain, array, w_constant, modes, blocks):
        candidate = choice.candidate(array, w_constant)
        if candidate is not None:
            found.setdefault((candidate.kernel, candidate.w_layout), candidate)
    if not found:
        raise SystolabError(
            f"Nest must fit {MAX_LOOPS} loops and {MAX_GUARDS} guards a stream, "
            f"not need more ({len(plain.loops)} loops, {len(plain.conditions)} conditions)"
        )
    best = {
        mode: min((c.estimate for c in found.values() if c.kernel.mode is mode), default=0)
        for mode in modes
    }
    kept = [c for c in found.values() if c.estimate <= prune * best[c.kernel.mode]]
    return sorted(kept, key=lambda c: c.estimate)


def _choices(
    nest: Nest, array: Array, w_constant: bool, modes: Sequence[Mode], blocks: Blocks | None
) -> Iterator[_Choice]:
    ignored = (W,) if w_constant else ()
    for mode in modes:
        a_role = Role.REDUCTION if mode.description.sums_lanes else Role.ROW
        if blocks is None:
            a_chains = _chains(nest, a_role, array.rows, ignored)
        else:
            a_chains = [(blocks.loop,)]
        for a_chain in a_chains:
            for w_chain in _chains(nest, Role.COLUMN, array.cols, ignored):
                length = _length(nest, a_chain)
                sizes = (
                    _sizes(length, array.rows) if blocks is None else blocks.lanes(length, array)
                )
                for a_size in sizes:
                    w_size = _sizes(_length(nest, w_chain), array.cols)[0]
                    yield _Choice(nest, mode, a_chain, w_chain, a_size, w_size)
    if w_constant and blocks is None:
        for mode in modes:
            if not mode.description.sums_lanes:
                continue
            for slid in slides(nest, array.rows, array.cols):
                lanes = (slid.lane,), (slid.column,)
                yield _Choice(slid.nest, mode, *lanes, array.rows, array.cols)


def _with_unit_loop(nest: Nest, role: Role) -> Nest:
    conditions = tuple(
        dataclasses.replace(c, coefficients=(*c.coefficients, 0)) for c in nest.conditions
    )
    unit = Loop(f"1 {role}", role, 1, (0, 0, 0, 0))
    return Nest((*nest.loops, unit), nest.bases, conditions)


def _length(nest: Nest, chain: Sequence[str]) -> int:
    return math.prod(nest.loop(name).length for name in chain)


def _sizes(length: int, limit: int) -> list[int]:
    """Lane counts worth trying: even tiles, and full ones."""
    tiles = -(-length // limit)
    return sorted({-(-length // tiles), min(length, limit)})


def _chains(nest: Nest, role: Role, limit: int, ignored: Sequence[int]) -> list[tuple[str, ...]]:
    """Loops of a role that can feed lanes: single ones, and longest runs that fuse into one.

    Rows that the parameters depend on cannot share a vector or a tile, so they feed no lanes.
    """
    loops = [x for x in nest.of(role) if role is Role.COLUMN or not x.strides[P]]
    result: list[tuple[str, ...]] = []
    for last in loops:
        result.append((last.name,))
        if last.length % limit == 0:
            continue  # it fills the lanes on its own
        chain: tuple[str, ...] = (last.name,)
        while True:
            longer = next(
                (
                    (first.name, *chain)
                    for first in loops
                    if first.name not in chain
                    and _fused(_bare(nest, ignored), (first.name, *chain), ignored) is not None
                ),
                None,
            )
            if longer is None:
                break
            chain = longer
        if len(chain) > 1:
            result.append(chain)
    return result


def _bare(nest: Nest, ignored: Sequence[int]) -> Nest:
    for operand in ignored:
        nest = nest.without(operand)
    return nest


def _fused(nest: Nest, chain: Sequence[str], ignored: Sequence[int] = ()) -> Nest | None:
    """The nest with a chain of loops, slowest first, fused into one named ``x*y*z``."""
    result: Nest | None = nest
    name = chain[-1]
    for slower in reversed(chain[:-1]):
        assert result is not None
        result = result.fuse(slower, name, ignored)
        if result is None:
            return None
        name = f"{slower}*{name}"
    return result


def _split(nest: Nest, name: str, size: int) -> tuple[Nest, str]:
    """The nest with a loop cut to at most ``size``, and the inner loop's name."""
    if nest.loop(name).length <= size:
        return nest, name
    return nest.split(name, size), f"{name}%{size}"


@dataclass(frozen=True)
class _Choice:
    """Which loops feed the lanes, and how many lanes."""

    nest: Nest
    mode: Mode
    a_chain: tuple[str, ...]
    w_chain: tuple[str, ...]
    a_size: int
    w_size: int

    def candidate(self, array: Array, w_constant: bool) -> Candidate | None:
        """The kernel of this choice; None when it exceeds a limit of the machine."""
        ordered, selection = self.nest.ordered(self._order()), None
        if w_constant:
            ordered, selection = _selected(ordered)
        fused = _fused(ordered, self.a_chain)
        if fused is not None:
            fused = _fused(fused, self.w_chain)
        if fused is None:
            return None
        tiled, w_lane = _split(fused, "*".join(self.w_chain), self.w_size)
        tiled, a_lane = _split(tiled, "*".join(self.a_chain), self.a_size)
        label = f"{self.mode.value}, lanes {a_lane} x {w_lane}"
        for exact in (False, True):
            rows: list[str] = []
            cut = tiled
            if self.mode.description.has_rows:
                cut, rows = _row_tiles(tiled, array.acc_rows, exact)
            built = _Builder(cut, self.mode, rows, a_lane, w_lane, selection).build()
            if built is not None:
                kernel, layout = built
                if array.block_scaled:
                    kernel = with_scales(kernel)
                return Candidate(kernel, layout, label, estimated_cycles(kernel, array.line))
        return None

    def _order(self) -> list[str]:
        """Loops as the kernel walks them; the closest elements of A last, to share its lines."""
        chained = {*self.a_chain, *self.w_chain}
        rest = [loop for loop in self.nest.loops if loop.name not in chained]
        order: list[str] = []
        for role in (Role.BATCH, Role.COLUMN, Role.ROW, Role.REDUCTION):
            loops = [loop for loop in rest if loop.role is role]
            if role in (Role.ROW, Role.REDUCTION):
                loops.sort(key=lambda loop: -abs(loop.strides[A]))
            order += [loop.name for loop in loops]
        return [*order, *self.a_chain, *self.w_chain]


def _selected(nest: Nest) -> tuple[Nest, Selection]:
    """The nest with W stored densely in the order of its loops, and where that W comes from."""
    conditions = [c for c in nest.conditions if c.operand == W]
    moving = [
        i
        for i, loop in enumerate(nest.loops)
        if loop.strides[W] or any(c.coefficients[i] for c in conditions)
    ]
    selection = Selection(
        nest.bases[W],
        tuple((nest.loops[i].length, nest.loops[i].strides[W]) for i in moving),
        tuple((c.offset, tuple(c.coefficients[i] for i in moving), c.bound) for c in conditions),
    )
    loops, stride = list(nest.loops), 1
    for i in reversed(moving):
        a, _, o, p = loops[i].strides
        loops[i] = dataclasses.replace(loops[i], strides=(a, stride, o, p))
        stride *= loops[i].length
    a, _, o, p = nest.bases
    return dataclasses.replace(nest.without(W), loops=tuple(loops), bases=(a, 0, o, p)), selection


def _row_tiles(nest: Nest, limit: int, exact: bool) -> tuple[Nest, list[str]]:
    """Rows of one tile, innermost loops first, until the accumulator is full.

    Neighbouring row loops fuse where they can, so that tiles come out even. ``exact`` cuts loops
    only into equal parts, which needs no guards.
    """
    names = [loop.name for loop in nest.of(Role.ROW) if not loop.strides[P]]
    while True:  # fuse any neighbours
        for slower, faster in itertools.pairwise(names):
            joined = nest.fuse(slower, faster)
            if joined is not None and joined.loop(f"{slower}*{faster}").length <= MAX_LENGTH:
                nest = joined
                at = names.index(slower)
                names[at : at + 2] = [f"{slower}*{faster}"]
                break
        else:
            break
    rows: list[str] = []
    for name in reversed(names):
        length = nest.loop(name).length
        size = _tile(length, limit, exact)
        if size > 1:
            nest, inner = _split(nest, name, size)
            rows.insert(0, inner)
            limit //= size
        if size < length:
            break
    return nest, rows


def _tile(length: int, limit: int, exact: bool) -> int:
    """Size of equal tiles of at most ``limit``; a divisor when one is nearly as good."""
    divisor = max(d for d in range(1, min(length, limit) + 1) if length % d == 0)
    even = -(-length // -(-length // limit))
    return divisor if exact or 4 * divisor >= 3 * even else even


@dataclass(frozen=True)
class _Builder:
    """Turns a tiled nest into a kernel."""

    nest: Nest
    mode: Mode
    rows: list[str]
    a_lane: str
    w_lane: str
    selection: Selection | None

    def build(self) -> tuple[Kernel, StreamLayout | None] | None:
        """The kernel and the layout of a constant W; None when a stream exceeds a limit."""
        lanes = {self.a_lane, self.w_lane, *self.rows}
        rest = [x for x in self.nest.loops if x.name not in lanes and x.length > 1]
        reduction = [loop.name for loop in rest if loop.role is Role.REDUCTION]
        outer = [loop.name for loop in rest if loop.role is not Role.REDUCTION]
        loops = {
            Dimension.OUTER: outer,
            Dimension.REDUCTION: reduction,
            Dimension.ROWS: self.rows,
            Dimension.A_LANES: [self.a_lane],
            Dimension.W_LANES: [self.w_lane],
        }
        patterns = {}
        for operand, stream in ((A, "A"), (W, "W"), (O, "O"), (P, "P")):
            walk = self.mode.description.walks[stream]
            assert walk.lanes is not None
            names = [name for kind in walk.loops for name in loops[kind]]
            patterns[operand] = self._pattern(operand, names, loops[walk.lanes][0])
        layout = None
        if self.selection is not None:
            patterns[W], layout = _streamed(self.selection, patterns[W], f"{self.w_lane} stream")
        for pattern in patterns.values():
            if len(pattern.loops) > MAX_LOOPS or len(pattern.guards) > MAX_GUARDS:
                return None
            if max((*pattern.lengths, pattern.lanes)) > MAX_LENGTH:
                return None
        kernel = Kernel(
            mode=self.mode,
            outer=self._lengths(outer),
            reduction=self._lengths(reduction),
            rows=self._lengths(self.rows),
            a=patterns[A],
            w=patterns[W],
            o=patterns[O],
            p=patterns[P],
        )
        return kernel, layout

    def _lengths(self, names: Sequence[str]) -> tuple[int, ...]:
        return tuple(self.nest.loop(name).length for name in names)

    def _pattern(self, operand: int, names: Sequence[str], lane: str) -> AccessPattern:
        nest = self.nest
        order = [nest.index(name) for name in names]
        lane_index = nest.index(lane)
        guards = tuple(
            Guard(
                c.offset,
                tuple(c.coefficients[i] for i in order),
                c.coefficients[lane_index],
                c.bound,
            )
            for c in nest.conditions
            if c.operand == operand and not c.always(nest.lengths)
        )
        return AccessPattern(
            nest.bases[operand],
            tuple((nest.loops[i].length, nest.loops[i].strides[operand]) for i in order),
            (nest.loops[lane_index].length, nest.loops[lane_index].strides[operand]),
            guards,
        )


def _streamed(
    selection: Selection, pattern: AccessPattern, name: str
) -> tuple[AccessPattern, StreamLayout]:
    """A stream over a constant as a walk through memory, and the layout that makes it one."""
    moves = [
        stride != 0 or any(guard.strides[i] for guard in pattern.guards)
        for i, (_, stride) in enumerate(pattern.loops)
    ]
    pitch = 1 << (pattern.lanes - 1).bit_length()
    loops, stride = [], pitch
    for (length, _), moving in zip(reversed(pattern.loops), reversed(moves), strict=True):
        loops.append((length, stride if moving else 0))
        stride *= length if moving else 1
    walk = AccessPattern(0, tuple(reversed(loops)), (pattern.lanes, 1))
    reads = AccessPattern(
        pattern.base,
        tuple(loop for loop, moving in zip(pattern.loops, moves, strict=True) if moving),
        pattern.lane,
        tuple(
            dataclasses.replace(
                guard,
                strides=tuple(s for s, moving in zip(guard.strides, moves, strict=True) if moving),
            )
            for guard in pattern.guards
        ),
    )
    return walk, StreamLayout(name, selection, reads, pitch)
