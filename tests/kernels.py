"""Kernels for tests: random access patterns, and convolutions in any layout."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from systolab.rtl import AccessPattern, Guard, Kernel, Mode
from systolab.rtl.kernel.modes import Dimension

STRIDES = st.one_of(
    st.sampled_from([0, 1, -1, 2, 3, 4, 5, 8, -8, 16, 17, 32]), st.integers(-40, 40)
)
LENGTHS = st.sampled_from([1, 2, 3, 4, 5])


@st.composite
def guards(draw: st.DrawFn, loops: int, most: int = 2) -> tuple[Guard, ...]:
    """Guards over a number of loops, many of which cut some lanes only."""
    small = st.sampled_from([0, 0, 0, 1, 1, -1, 2, -2, 3])
    guard = st.builds(
        Guard,
        st.integers(-4, 4),
        st.tuples(*[small] * loops),
        small,
        st.integers(0, 12),
    )
    return tuple(draw(st.lists(guard, max_size=most)))


@st.composite
def reads(
    draw: st.DrawFn, lengths: tuple[int, ...], lanes: int, slack: int = 8, most_guards: int = 2
) -> AccessPattern:
    """A read pattern with arbitrary strides; the least active address is 0 to ``slack``."""
    loops = tuple((length, draw(STRIDES)) for length in lengths)
    lane_guards = draw(guards(len(loops), most_guards))
    pattern = AccessPattern(0, loops, (lanes, draw(STRIDES)), lane_guards)
    addresses = pattern.addresses()[pattern.active()]
    least = int(addresses.min()) if addresses.size else 0
    return replace(pattern, base=draw(st.integers(0, slack)) - least)


@st.composite
def writes(draw: st.DrawFn, lengths: tuple[int, ...], lanes: int, slack: int = 8) -> AccessPattern:
    """A write pattern: an array with the loops and lanes as dimensions in any order, with gaps."""
    sizes = (*lengths, lanes)
    strides = [0] * len(sizes)
    step = draw(st.sampled_from([1, 1, 1, 2, 5]))
    for dimension in draw(st.permutations(range(len(sizes)))):
        strides[dimension] = step * draw(st.sampled_from([1, 1, -1]))
        step = step * sizes[dimension] + draw(st.sampled_from([0, 0, 1, 3]))
    lowest = sum(min(0, (n - 1) * s) for n, s in zip(sizes, strides, strict=True))
    return AccessPattern(
        draw(st.integers(0, slack)) - lowest,
        tuple(zip(lengths, strides[:-1], strict=True)),
        (lanes, strides[-1]),
        draw(guards(len(lengths))),
    )


@st.composite
def random_kernels(
    draw: st.DrawFn,
    rows: int,
    cols: int,
    acc_rows: int = 64,
    vectors: int = 1500,
    modes: tuple[Mode, ...] = tuple(Mode),
) -> Kernel:
    """Any kernel that fits an array, with no meaning beyond its access patterns.

    ``vectors`` bounds those of stream A.
    """
    mode = draw(st.sampled_from(modes))
    outer = _within(vectors, draw(st.lists(LENGTHS, max_size=3)))
    reduction = _within(vectors // math.prod(outer), draw(st.lists(LENGTHS, max_size=3)))
    a_lanes, w_lanes = draw(st.integers(1, rows)), draw(st.integers(1, cols))
    inner: tuple[int, ...] = ()
    if mode.description.has_rows:
        most = min(acc_rows, vectors // math.prod(outer + reduction))
        inner = _within(most, draw(st.lists(LENGTHS, max_size=3)))
    loops = {
        Dimension.OUTER: outer,
        Dimension.REDUCTION: reduction,
        Dimension.ROWS: inner,
        Dimension.A_LANES: (a_lanes,),
    }
    a_loops, w_loops, o_loops = (
        tuple(n for kind in mode.description.walks[stream].loops for n in loops[kind])
        for stream in ("A", "W", "O")
    )
    p_loops = tuple((length, draw(st.sampled_from([0, 1, 7, w_lanes]))) for length in outer)
    return Kernel(
        mode,
        outer,
        reduction,
        inner,
        draw(reads(a_loops, a_lanes)),
        draw(reads(w_loops, w_lanes)),
        draw(writes(o_loops, w_lanes)),
        AccessPattern(0, p_loops, (w_lanes, draw(st.sampled_from([0, 1, 1, 2])))),
    )


@st.composite
def block_scaled_kernels(
    draw: st.DrawFn, rows: int, cols: int, acc_rows: int = 64, vectors: int = 1500
) -> Kernel:
    """As ``random_kernels``, with block scales."""
    modes = tuple(mode for mode in Mode if mode.description.block_scaled)
    kernel = draw(random_kernels(rows, cols, acc_rows, vectors, modes))
    sa = draw(reads(kernel.a.lengths, 1, most_guards=0))
    sw = draw(reads(kernel.outer + kernel.reduction, kernel.w.lanes, most_guards=0))
    return replace(kernel, sa=replace(sa, lane=(1, 0)), sw=sw)


def _within(most: int, lengths: list[int]) -> tuple[int, ...]:
    """The first loops of a nest that has at most so many iterations."""
    while math.prod(lengths) > most:
        lengths = lengths[:-1]
    return tuple(lengths)


@dataclass(frozen=True)
class Convolution:
    """A grouped two-dimensional convolution of one image.

    Strides of the image are those of (channel, row, column), of the weights those of
    (output channel, channel of its group, kernel row, kernel column).
    """

    channels: int
    height: int
    width: int
    outputs: int
    kernel: tuple[int, int]
    stride: int = 1
    dilation: int = 1
    padding: int = 0
    groups: int = 1
    channels_last: bool = False

    @property
    def out_size(self) -> tuple[int, int]:
        sizes = []
        for size, k in zip((self.height, self.width), self.kernel, strict=True):
            sizes.append((size + 2 * self.padding - self.dilation * (k - 1) - 1) // self.stride + 1)
        return sizes[0], sizes[1]

    def image_strides(self, channels: int, height: int, width: int) -> tuple[int, int, int]:
        if self.channels_last:
            return 1, width * channels, channels
        return height * width, width, 1

    def lower(self, mode: Mode, rows: int, cols: int, acc_rows: int) -> Kernel:
        """The convolution as a kernel; weights are [OC, C/G, KH, KW], or [OC, KH, KW, C/G]."""
        kh, kw = self.kernel
        oh, ow = self.out_size
        c, oc = self.channels // self.groups, self.outputs // self.groups
        sc, sh, sw = self.image_strides(self.channels, self.height, self.width)
        oc_step, o_row, o_col = self.image_strides(self.outputs, oh, ow)
        w_c, w_h, w_w = self.image_strides(c, kh, kw)
        w_oc = c * kh * kw
        lanes_w = min(cols, oc)
        tiles = -(-oc // lanes_w)
        base = -self.padding * (sh + sw)
        p = ((self.groups, oc), (tiles, lanes_w))
        if mode is Mode.WEIGHT_STATIONARY:
            lanes = min(rows, c)
            c_tiles = -(-c // lanes)
            high = min(oh, acc_rows // ow)
            blocks = -(-oh // high)
            down = high * self.stride
            # Loops: group, output tile, row block | kernel row, column, channel tile | row, column.
            a = AccessPattern(
                base,
                (
                    (self.groups, c * sc),
                    (tiles, 0),
                    (blocks, down * sh),
                    (kh, self.dilation * sh),
                    (kw, self.dilation * sw),
                    (c_tiles, lanes * sc),
                    (high, self.stride * sh),
                    (ow, self.stride * sw),
                ),
                (lanes, sc),
                (
                    Guard(
                        -self.padding,
                        (0, 0, down, self.dilation, 0, 0, self.stride, 0),
                        0,
                        self.height,
                    ),
                    Guard(
                        -self.padding, (0, 0, 0, 0, self.dilation, 0, 0, self.stride), 0, self.width
                    ),
                    Guard(0, (0, 0, 0, 0, 0, lanes, 0, 0), 1, c),
                ),
            )
            w = AccessPattern(
                0,
                (
                    (self.groups, oc * w_oc),
                    (tiles, lanes_w * w_oc),
                    (blocks, 0),
                    (kh, w_h),
                    (kw, w_w),
                    (c_tiles, lanes * w_c),
                    (lanes, w_c),
                ),
                (lanes_w, w_oc),
                (
                    Guard(0, (0, 0, 0, 0, 0, lanes, 1), 0, c),
                    Guard(0, (0, lanes_w, 0, 0, 0, 0, 0), 1, oc),
                ),
            )
            o = AccessPattern(
                0,
                (
                    (self.groups, oc * oc_step),
                    (tiles, lanes_w * oc_step),
                    (blocks, high * o_row),
                    (high, o_row),
                    (ow, o_col),
                ),
                (lanes_w, oc_step),
                (Guard(0, (0, 0, high, 1, 0), 0, oh), Guard(0, (0, lanes_w, 0, 0, 0), 1, oc)),
            )
            return Kernel(
                mode,
                (self.groups, tiles, blocks),
                (kh, kw, c_tiles),
                (high, ow),
                a,
                w,
                o,
                AccessPattern(0, (*p, (blocks, 0)), (lanes_w, 1)),
            )
        lanes = min(rows, ow)
        spans = -(-ow // lanes)
        along = lanes * self.stride
        # Loops: group, output tile, row, span of columns | kernel row, kernel column, channel.
        a = AccessPattern(
            base,
            (
                (self.groups, c * sc),
                (tiles, 0),
                (oh, self.stride * sh),
                (spans, along * sw),
                (kh, self.dilation * sh),
                (kw, self.dilation * sw),
                (c, sc),
            ),
            (lanes, self.stride * sw),
            (
                Guard(-self.padding, (0, 0, self.stride, 0, self.dilation, 0, 0), 0, self.height),
                Guard(
                    -self.padding, (0, 0, 0, along, 0, self.dilation, 0), self.stride, self.width
                ),
            ),
        )
        w = AccessPattern(
            0,
            (
                (self.groups, oc * w_oc),
                (tiles, lanes_w * w_oc),
                (oh, 0),
                (spans, 0),
                (kh, w_h),
                (kw, w_w),
                (c, w_c),
            ),
            (lanes_w, w_oc),
            (Guard(0, (0, lanes_w, 0, 0, 0, 0, 0), 1, oc),),
        )
        o = AccessPattern(
            0,
            (
                (self.groups, oc * oc_step),
                (tiles, lanes_w * oc_step),
                (oh, o_row),
                (spans, lanes * o_col),
                (lanes, o_col),
            ),
            (lanes_w, oc_step),
            (Guard(0, (0, 0, 0, lanes, 1), 0, ow), Guard(0, (0, lanes_w, 0, 0, 0), 1, oc)),
        )
        return Kernel(
            mode,
            (self.groups, tiles, oh, spans),
            (kh, kw, c),
            (),
            a,
            w,
            o,
            AccessPattern(0, (*p, (oh, 0), (spans, 0)), (lanes_w, 1)),
        )


@st.composite
def convolutions(draw: st.DrawFn, largest: int = 9) -> Convolution:
    """Small convolutions with any stride, dilation, padding, grouping and either layout."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.integers(1, 2))
    padding = draw(st.integers(0, 2))
    least = [max(1, dilation * (k - 1) + 1 - 2 * padding) for k in kernel]
    return Convolution(
        channels=groups * draw(st.integers(1, 7)),
        height=draw(st.integers(least[0], max(least[0], largest))),
        width=draw(st.integers(least[1], max(least[1], largest))),
        outputs=groups * draw(st.integers(1, 7)),
        kernel=kernel,
        stride=draw(st.integers(1, 3)),
        dilation=dilation,
        padding=padding,
        groups=groups,
        channels_last=draw(st.booleans()),
    )
