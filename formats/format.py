"""The class that every number format derives from, and tensors of its codes.

The two know each other: a format quantises to a tensor, a tensor says what its codes mean.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from systolab.formats.codes import Codes, expand_blocks
from systolab.formats.decoding import decoded
from systolab.formats.errors import SystolabError
from systolab.formats.outside.choices import shown
from systolab.formats.outside.contained import contained_method
from systolab.formats.outside.short import representation
from systolab.formats.projection.codebook import Codebook, Neighbours
from systolab.formats.projection.encode import Projector
from systolab.formats.projection.projection import (
    EncoderTable,
    Projection,
    build_projection,
    checked_bounds,
    default_bounds,
    overflow_bound,
)
from systolab.formats.projection.rounding import Rounding, Saturation
from systolab.formats.projection.stochastic import random_words
from systolab.formats.read_only import read_only
from systolab.formats.scaling import quantization
from systolab.formats.scaling.scaling import ScaleKind, ScaleRule, Scaling, as_scales, magnitudes
from systolab.formats.sealed import Sealed, require_own
from systolab.formats.switches import Switches

__all__ = ["Format", "QuantizedTensor"]

_CHUNK = 1 << 16

# What an author may override: what it has to give, and what is made of that. ``decode`` is called
# for all codes at once, by ``decoded``.
_OVERRIDES: dict[str, tuple[str, Callable[[Any], Any] | None]] = {
    "encode": ("encode of {} must give a code for every real number", None),
    "rounding_bounds": ("rounding_bounds of {} must give a bound for every pair", None),
    "overflow_step": ("overflow_step of {} must give a distance", None),
    "scale_for": ("scale_for of {} must give a positive binary32 for every magnitude", as_scales),
    "fit_scale": ("fit_scale of {} must give positive binary32 scales for any data", as_scales),
}


class Format(Sealed):
    """A finite table of values, and everything that follows from it.

    A subclass sets ``bits`` and defines ``decode``; that is complete. It may also override
    ``rounding_bounds`` (where the decision between two neighbours lies) and ``overflow_step``.
    Instances are immutable once they are made: ``replace`` gives a changed copy, and what a
    subclass computes late belongs in a ``functools.cached_property``. Lists, dictionaries, sets
    and arrays that ``__init__`` sets become tuples, mapping proxies, frozen sets and read-only
    copies.

    Attributes:
        name: canonical spelling, accepted by ``systolab.format``; of a class that gives none, the
            name of the class.
        bits: width of a code, 1 to 16.
        rounding: how the projection chooses between two neighbours.
        saturation: what becomes of values beyond the largest finite one.
        scaling: how scales are fitted to data.
        seed: key of the stochastic rounding.
        redundant: codes that repeat another code's value and are never produced.
        hardware: Verilog files of a hand-written "decoder", "encoder" or processing element, "pe"
            or "pe_float32" (docs/plugin.md).
    """

    name: str = ""
    bits: int
    rounding: Rounding = Rounding.NEAREST_EVEN
    saturation: Saturation = Saturation.FINITE
    scaling: Scaling = Scaling()
    seed: int = 0
    redundant: tuple[int, ...] = ()
    hardware: Mapping[str, Path] = MappingProxyType({})

    _unchanged: Format | None = None

    def __init_subclass__(cls) -> None:
        """Name the class: reports and scales tell formats apart by their names.

        Raises:
            SystolabError: the class defines what follows from its table.
        """
        super().__init_subclass__()
        if "name" not in vars(cls):
            cls.name = cls.__name__
        for name, value in list(vars(cls).items()):
            require_own(cls, name)
            if name in _OVERRIDES and not cls.__module__.startswith("systolab."):
                setattr(cls, name, contained_method(value, *_OVERRIDES[name]))

    @abstractmethod
    def decode(self, code: int) -> float:
        """The unscaled value of a code.

        A code that stands for no number gives NaN, one that stands for overflow an infinity; a
        code of -0 may give -0. Everything else is a binary32 value, and one of them is zero.

        Args:
            code: 0 to 2^bits - 1.
        """

    # --- what follows from the table ---------------------------------------------------------

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """The values of all codes, shape [2^bits]."""
        return read_only(decoded(self, range(1 << self.bits)))

    @cached_property
    def codebook(self) -> Codebook:
        """The table in order, with its specials."""
        return Codebook.from_values(self.values, self.name, self.redundant)

    @cached_property
    def max(self) -> float:
        """The largest finite magnitude."""
        return float(np.abs(self.codebook.points).max())

    @cached_property
    def quantum(self) -> float:
        """The largest power of two of which every finite value is a multiple."""
        points = self.codebook.points
        significand, exponent = np.frexp(points[points != 0])
        integers = np.abs(significand * 2.0**24).astype(np.int64)
        if not len(integers):
            return 1.0
        lowest_set_bit = np.frexp((integers & -integers).astype(np.float64))[1] - 1
        return float(np.ldexp(1.0, int((exponent - 24 + lowest_set_bit).min())))

    @cached_property
    def ratio(self) -> int:
        """``max / quantum``, an integer: products stay within ``ratio_a * ratio_w`` quanta."""
        return int(Fraction(self.max) / Fraction(self.quantum))

    @property
    def zero_code(self) -> int:
        """The canonical code of zero."""
        return self.codebook.zero

    @property
    def nan_code(self) -> int:
        """What NaN becomes: the format's NaN, or zero where it has none."""
        nan = self.codebook.nan
        return self.zero_code if nan is None else nan

    # --- projection --------------------------------------------------------------------------

    def rounding_bounds(self, pairs: Neighbours) -> NDArray[np.float64]:
        """The smallest binary64 value that goes to the upper one of each pair, shape [k].

        Override it where the format does not round to the nearest value.
        """
        return default_bounds(pairs, self.rounding)

    def overflow_step(self, upward: bool) -> float:
        """Distance from the outermost finite value to the one an unbounded exponent would give."""
        points = self.codebook.points
        pair = points[-2:] if upward else points[:2]
        return float(pair[1] - pair[0]) if len(pair) == 2 else 1.0

    @cached_property
    def projection(self) -> Projection:
        """The projection of binary64 values (rounded down, where it is stochastic).

        Raises:
            SystolabError: overflow must not saturate, and there is no code for anything else.
        """
        book = self.codebook
        codes, bounds = [], []
        for upward in (False, True):
            last, code = self._outermost(upward)
            outer, bound = code, float(np.inf)
            infinity = book.plus_inf if upward else book.minus_inf
            special = infinity if infinity is not None else book.nan
            if self.saturation is not Saturation.FINITE and (upward or last < 0):
                if special is not None:
                    outer = special
                elif self.saturation is Saturation.NONE:
                    raise SystolabError(
                        f"Saturation of {self.name} must be finite or propagate, not none: "
                        "it has neither infinity nor NaN"
                    )
            if self.saturation is Saturation.NONE:
                step: object = self.overflow_step(upward)
                if not isinstance(step, int | float | np.floating) or not step > 0:
                    raise SystolabError(
                        f"overflow_step of {self.name} must be a positive number, not {shown(step)}"
                    )
                bound = overflow_bound(abs(last), float(step), code, self.rounding, upward)
            codes.append(outer)
            bounds.append(bound)
        pairs = book.neighbours
        return build_projection(
            book,
            checked_bounds(self.rounding_bounds(pairs), pairs, self.name),
            (-bounds[0], bounds[1]),
            (codes[0], codes[1]),
            self.nan_code,
        )

    def _outermost(self, upward: bool) -> tuple[float, int]:
        end = -1 if upward else 0
        return float(self.codebook.points[end]), int(self.codebook.codes[end])

    @cached_property
    def _encoder(self) -> EncoderTable:
        return self.projection.encoder()

    def encoder(self) -> EncoderTable:
        """The projection as binary32 thresholds, for hardware and native code.

        Raises:
            SystolabError: the format rounds stochastically.
        """
        if self.rounding is Rounding.STOCHASTIC:
            raise SystolabError(f"Format {self.name} rounds stochastically: it has no thresholds")
        return self._encoder

    @cached_property
    def projector(self) -> Projector:
        """The projection of whole arrays."""
        return Projector(self.projection, self.bits)

    @property
    def code_type(self) -> type[np.uint8] | type[np.uint16]:
        """The type of code arrays: uint8 up to 8 bits, else uint16."""
        return np.uint8 if self.bits <= 8 else np.uint16

    def encode(self, x: ArrayLike) -> Codes:
        """Project unscaled values, each rounded once.

        NaN becomes the format's NaN, or zero where it has none. An infinity saturates, that is
        becomes the outermost finite value of its sign; unless ``saturation`` is finite it becomes
        the format's infinity, else its NaN, and saturates only where there is neither. A finite
        value beyond the outermost one saturates, or does as an infinity where ``saturation`` is
        none. What is negative becomes zero in a format without negative values. -0, and what is
        rounded to zero from below, becomes -0 where the format has it.

        Args:
            x: real numbers of any type and shape, also longer than binary64.

        Returns:
            Codes of the same shape, uint8 up to 8 bits, else uint16.

        Raises:
            SystolabError: the data are not real, or are longer numbers where that cannot be done.
        """
        data = quantization.as_real(x)
        codes = self._encode(data.values)
        quantization.require_decided(self, data, codes, self._encode)
        return codes

    def _encode(self, array: NDArray[np.floating]) -> Codes:
        flat = np.ascontiguousarray(array).reshape(-1)
        out: Codes = np.empty(flat.shape, self.code_type)
        if self.rounding is Rounding.STOCHASTIC:
            self._encode_stochastic(flat, out)
        elif flat.dtype == np.float32:
            self.projector.project32(flat.astype(np.float32, copy=False), out)
        else:
            self.projector.project64(flat.astype(np.float64, copy=False), out)
        return out.reshape(array.shape)

    def _encode_stochastic(self, flat: NDArray[np.floating], out: Codes) -> None:
        """Go up where the random word is below the relative distance from the lower neighbour."""
        book = self.codebook
        for start in range(0, flat.size, _CHUNK):
            x = flat[start : start + _CHUNK].astype(np.float64)
            # Exact values, signed zeros, specials and overflow need no random choice.
            codes = self.projection.encode64(x)
            between = (x > book.points[0]) & (x < book.points[-1]) & (self.values[codes] != x)
            position = np.searchsorted(book.points, x[between])
            low, high = book.points[position - 1], book.points[position]
            word = random_words(self.seed, start, len(x))[between]
            goes_up = (x[between] - low) / (high - low) > word * 2.0**-32
            codes[between] = np.where(goes_up, book.codes[position], book.codes[position - 1])
            out[start : start + _CHUNK] = codes

    # --- scaling -----------------------------------------------------------------------------

    @property
    def _significand_bits(self) -> int:
        """Significand bits in the binade of the largest value."""
        positive = self.codebook.points[self.codebook.points > 0]
        if len(positive) < 2:
            return 1
        step = positive[-1] - positive[-2]
        return max(1, int(np.frexp(positive[-1])[1] - np.frexp(step)[1] + 1))

    def scale_for(self, amax: ArrayLike) -> NDArray[np.float32]:
        """The scales that the scaling rule gives for largest magnitudes ``amax``; 1 for zero."""
        magnitude = quantization.as_real(amax).values.astype(np.float64)
        return self.scaling.scale_of(magnitude, self._scale_top, self._significand_bits)

    @property
    def _scale_top(self) -> float:
        """The value that the largest magnitude is mapped to: both signs must reach it."""
        points = self.codebook.points
        return min(float(end) for end in (points[-1], -points[0]) if end > 0)

    def fit_scale(self, x: ArrayLike, axis: int | None = None) -> NDArray[np.float32]:
        """Fit scales to data by the scaling rule.

        NaN and infinities are ignored. A tensor (channel, block) without finite nonzero values gets
        1, as everything does where the format is unscaled.

        Args:
            x: data of any shape.
            axis: None: one scale, shape (). k: one scale for each index of axis k, in a shape
                that broadcasts to ``x``. With block scaling: the axis the blocks run along
                (default the last).

        Returns:
            Positive binary32 scales.
        """
        array = quantization.as_real(x).values
        if self.scaling.block is None:
            return self.scale_for(magnitudes(array, axis))
        block_axis = -1 if axis is None else axis
        blocks = quantization.block_magnitudes(array, self.scaling.block, block_axis)
        return self.scale_for(blocks)

    def quantize(
        self, x: ArrayLike, axis: int | None = None, scale: ArrayLike | None = None
    ) -> QuantizedTensor:
        """Quantise: codes of the quotients ``x / scale``.

        NaN and infinities do not enter a fitted scale; they and -0 become what ``encode`` makes of
        them. A quotient beyond the outermost finite value, which a given scale or a rule that clips
        may leave, becomes what ``encode`` makes of overflow.

        Args:
            x: data as for ``encode``. Quotients decide as the exact ones, except by thresholds
                that are no binary64: there they are rounded, unless the scale is a power of two.
            axis: as for ``fit_scale``.
            scale: scales to use instead of fitted ones.

        Raises:
            SystolabError: a scale is not a positive finite number or does not fit the shape.
        """
        made = quantization.quantize(self, x, axis, scale)
        return QuantizedTensor(made.codes, made.scale, self, made.block, made.axis)

    # --- switches ----------------------------------------------------------------------------

    def replace(
        self,
        *,
        rounding: Rounding | str | None = None,
        saturation: Saturation | str | None = None,
        seed: int | None = None,
        scale: ScaleKind | str | None = None,
        rule: ScaleRule | str | None = None,
        block: int | None = None,
    ) -> Self:
        """A copy with other switches; its name spells what differs from the family's default.

        Args:
            rounding: a ``Rounding`` or its value, as ``"toward-zero"``; None here and below: as
                it is.
            saturation: a ``Saturation`` or its value.
            seed: key of the stochastic rounding.
            scale: a ``ScaleKind`` or its value: which scales are allowed.
            rule: a ``ScaleRule`` or its value: how a power of two is chosen.
            block: elements that share a scale.

        Raises:
            SystolabError: a switch is nothing of its kind.
        """
        changed = self.switches.changed(rounding, saturation, seed, scale, rule, block)
        origin = self if self._unchanged is None else self._unchanged
        return self._made(
            rounding=changed.rounding,
            saturation=changed.saturation,
            seed=changed.seed,
            scaling=changed.scaling,
            name=changed.spelling(origin.name, origin.switches),
            _unchanged=origin,
        )

    @property
    def switches(self) -> Switches:
        """Everything that ``replace`` can change."""
        return Switches(self.rounding, self.saturation, self.seed, self.scaling)

    def named(self, name: str) -> Self:
        """The same format under another name, which spells none of its switches.

        Raises:
            SystolabError: the name is no text.
        """
        if not isinstance(name, str) or not name.strip():
            raise SystolabError(f"Name of {self.name} must be a text, not {name!r}")
        return self._made(name=name, _unchanged=None)

    def _is_same(self, other: Format) -> bool:
        """Same values, switches and projection, and the same hand-written hardware."""
        return (
            self.switches == other.switches
            and self.hardware == other.hardware
            and self._steps == other._steps
        )

    @cached_property
    def _steps(self) -> tuple[bytes, ...]:
        """The table and its projection, step by step."""
        projection = self.projection
        arrays = self.values, projection.bounds, projection.codes
        return (*(array.tobytes() for array in arrays), bytes([*divmod(self.nan_code, 256)]))

    def __repr__(self) -> str:
        """The expression that gives this format, or what it is called where none does."""
        if self.name == type(self).__name__:
            return f"<Format {self.name}>"
        return f"systolab.format({self.name!r})"


@dataclass(frozen=True, eq=False, repr=False)
class QuantizedTensor:
    """Codes with their scales.

    Attributes:
        codes: uint8 or uint16, any shape.
        scale: float32; broadcastable to ``codes``, unless ``block`` is set: then its dimension
            ``axis`` counts blocks of ``block`` elements (the last one may be short).
        format: what the codes mean.
        block: elements per block, or None.
        axis: the axis the blocks run along.
    """

    codes: Codes
    scale: NDArray[np.float32]
    format: Format
    block: int | None = None
    axis: int = -1

    def __repr__(self) -> str:
        """Shape, format and scale: the codes themselves are in ``codes``."""
        shape = list(self.codes.shape)
        many = self.scale.size != 1
        scale = f"{self.scale.size} scales" if many else f"scale {self.scale.item():.9g}"
        return representation(self, f"{shape} of {self.format.name}, {scale}")

    def full_scale(self) -> NDArray[np.float32]:
        """The scales in a shape that broadcasts to ``codes``."""
        if self.block is None:
            return self.scale
        return expand_blocks(self.scale, self.codes.shape[self.axis], self.block, self.axis)

    def dequantize(self) -> NDArray[np.float32]:
        """The real values, each rounded once to binary32.

        NaN and infinities stay what they are, -0 too; a finite product beyond binary32's largest
        number becomes that number.
        """
        return quantization.dequantize(self.format, self.codes, self.full_scale())
