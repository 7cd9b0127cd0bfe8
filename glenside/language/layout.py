"""Layouts: where the elements of a tensor stand in memory.

A layout is an order of dimensions, some of them cut into blocks. Its name spells that order,
slowest first: a capital is a dimension (or the blocks of it), a number with a small letter is the
inside of the blocks. ``NCHW16c`` stores ``[N][ceil(C/16)][H][W][16]``; positions past the end of a
blocked dimension hold zeros. What a capital means is fixed by the alphabet it comes from: the
tensor's dimensions are the name's capitals in the order of ``NCDHW``, ``OIDHW`` or ``ABCDEFGH``.
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.glenside.network.network import Shape, Tensor

__all__ = ["Layout", "Piece", "Strides"]

_ALPHABETS = ("NCDHW", "OIDHW", "ABCDEFGH")
_ROW_MAJOR = {1: "A", 2: "NC", 3: "ABC", 4: "NCHW"}


@dataclass(frozen=True)
class Piece:
    """One level of the order: dimension ``dim``, inside its blocks when ``block`` is not 0."""

    dim: int
    block: int = 0


@dataclass(frozen=True)
class Strides:
    """Address of index i of one dimension: ``i // block * outer + i % block * inner``.

    ``block`` is 1 and ``inner`` 0 where the dimension is not cut.
    """

    outer: int
    block: int = 1
    inner: int = 0


@dataclass(frozen=True)
class Layout:
    """An order of dimensions with blocking.

    Attributes:
        letters: the tensor's dimensions, as capitals.
        pieces: slowest first; every dimension once, a blocked one also with its block.
    """

    letters: str
    pieces: tuple[Piece, ...]

    @staticmethod
    @functools.cache
    def parse(name: str) -> Layout:
        """The layout of that name.

        Raises:
            SystolabError: the name is not a layout.
        """
        if re.fullmatch(r"([A-Z]|[1-9][0-9]{0,3}[a-z])+", name) is None:
            raise SystolabError(
                f"Layout must be capitals and blocks such as 'NCHW16c', not '{name}'"
            )
        tokens = re.findall(r"([0-9]*)([A-Za-z])", name)
        capitals = [letter for _, letter in tokens if letter.isupper()]
        blocked = [letter.upper() for _, letter in tokens if letter.islower()]
        alphabet = next((a for a in _ALPHABETS if set(capitals) <= set(a)), None)
        if alphabet is None:
            known = ", ".join(_ALPHABETS)
            raise SystolabError(f"Layout must take its capitals from one of {known}, not '{name}'")
        if len(set(capitals)) < len(capitals) or len(set(blocked)) < len(blocked):
            raise SystolabError(f"Layout must name a dimension or block once, not as in '{name}'")
        if not set(blocked) <= set(capitals):
            raise SystolabError(f"Layout must name the dimension of every block, not as '{name}'")
        letters = "".join(sorted(capitals, key=alphabet.index))
        pieces = tuple(
            Piece(letters.index(letter.upper()), int(size or 0)) for size, letter in tokens
        )
        return Layout(letters, pieces)

    @staticmethod
    def row_major(rank: int) -> Layout:
        """The layout of a plain array of that many dimensions.

        Raises:
            SystolabError: there is no layout of so many dimensions.
        """
        if not 1 <= rank <= len(_ALPHABETS[2]):
            raise SystolabError(
                f"Layout must have 1 to {len(_ALPHABETS[2])} dimensions, not {rank}"
            )
        return Layout.parse(_ROW_MAJOR.get(rank, _ALPHABETS[2][:rank]))

    @property
    def name(self) -> str:
        """The spelling that ``parse`` reads."""
        return "".join(
            f"{piece.block}{self.letters[piece.dim].lower()}"
            if piece.block
            else self.letters[piece.dim]
            for piece in self.pieces
        )

    def __str__(self) -> str:
        return self.name

    @property
    def rank(self) -> int:
        """Number of dimensions of the tensors it lays out."""
        return len(self.letters)

    def block(self, dim: int) -> int:
        """Block size of a dimension; 1 when it is not cut."""
        return next((p.block for p in self.pieces if p.dim == dim and p.block), 1)

    def stored_shape(self, shape: Shape) -> Shape:
        """Sizes of the pieces in memory, slowest first.

        Raises:
            SystolabError: the tensor has another number of dimensions.
        """
        if len(shape) != self.rank:
            raise SystolabError(
                f"Layout {self.name} must be given {self.rank} dimensions, not {shape}"
            )
        return tuple(p.block or -(-shape[p.dim] // self.block(p.dim)) for p in self.pieces)

    def size(self, shape: Shape) -> int:
        """Codes the tensor takes in memory."""
        return math.prod(self.stored_shape(shape))

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - layouts are few, small and immutable
    def strides(self, shape: Shape) -> tuple[Strides, ...]:
        """How every dimension of the tensor moves the address."""
        outer, inner = [0] * self.rank, [0] * self.rank
        stride = 1
        for piece, size in reversed(list(zip(self.pieces, self.stored_shape(shape), strict=True))):
            (inner if piece.block else outer)[piece.dim] = stride
            stride *= size
        return tuple(Strides(outer[dim], self.block(dim), inner[dim]) for dim in range(self.rank))

    def addresses(self, shape: Shape) -> NDArray[np.int64]:
        """Address of every element, in the tensor's shape."""
        result = np.zeros((1,) * len(shape), dtype=np.int64)
        for dim, item in enumerate(self.strides(shape)):
            index = np.arange(shape[dim], dtype=np.int64)
            address = index // item.block * item.outer + index % item.block * item.inner
            result = result + address.reshape(-1, *(1,) * (len(shape) - 1 - dim))
        return result

    def pack(self, tensor: Tensor, fill: float = 0) -> Tensor:
        """The tensor as flat memory; ``fill`` stands past the end of blocked dimensions."""
        flat = np.full(self.size(tensor.shape), fill, dtype=tensor.dtype)
        flat[self.addresses(tensor.shape)] = tensor
        return flat

    def unpack(self, flat: Tensor, shape: Shape) -> Tensor:
        """The tensor of that shape in flat memory.

        Raises:
            SystolabError: the memory has another size.
        """
        if flat.shape != (self.size(shape),):
            raise SystolabError(
                f"Memory of a {shape} tensor in layout {self.name} must have "
                f"{self.size(shape)} codes, not {flat.shape}"
            )
        return np.asarray(flat[self.addresses(shape)])
