"""What fitting a scale and quantising with it need of a format."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from systolab.formats.codes import Codes
from systolab.formats.projection.encode import Projector
from systolab.formats.projection.projection import Projection
from systolab.formats.projection.rounding import Rounding
from systolab.formats.scaling.scaling import Scaling

__all__ = ["Quantizer"]


class Quantizer(Protocol):
    """The side of a ``Format`` that scaling sees; every format has it."""

    @property
    def name(self) -> str:
        """Canonical spelling."""

    @property
    def rounding(self) -> Rounding:
        """How the projection chooses between two neighbours."""

    @property
    def scaling(self) -> Scaling:
        """How scales are fitted to data."""

    @property
    def code_type(self) -> type[np.uint8] | type[np.uint16]:
        """The type of code arrays."""

    @property
    def values(self) -> NDArray[np.float64]:
        """The values of all codes, shape [2^bits]."""

    @property
    def max(self) -> float:
        """The largest finite magnitude."""

    @property
    def projection(self) -> Projection:
        """The projection of binary64 values."""

    @property
    def projector(self) -> Projector:
        """The projection of whole arrays."""

    def encode(self, x: ArrayLike) -> Codes:
        """Project unscaled values, each rounded once; special cases as of ``Format.encode``."""

    def scale_for(self, amax: ArrayLike) -> NDArray[np.float32]:
        """The scales for largest magnitudes ``amax``; 1 for zero."""

    def fit_scale(self, x: ArrayLike, axis: int | None = None) -> NDArray[np.float32]:
        """Scales fitted to data, NaN and infinities ignored."""
