"""The table that an author's ``decode`` stands for: every code, asked once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.formats.outside.choices import shown
from systolab.formats.outside.contained import PASSING, fault, quiet

__all__ = ["decoded"]


class _Decoder(Protocol):
    @property
    def name(self) -> str: ...

    def decode(self, code: int) -> float: ...


def decoded(fmt: _Decoder, codes: Iterable[int]) -> NDArray[np.float64]:
    """The values of codes, in their order.

    Raises:
        SystolabError: ``decode`` raises, or returns something else than a real number that is a
            binary64.
    """
    values: list[float] = []
    code = 0
    with quiet():
        try:
            for code in codes:
                value: Any = fmt.decode(code)
                values.append(value if type(value) is float else _number(fmt.name, code, value))
        except PASSING:
            raise
        except BaseException as error:
            raise SystolabError(
                f"decode({code:#x}) of {fmt.name} must return a number, not raise {fault(error)}"
            ) from error
    return np.array(values, np.float64)


def _number(name: str, code: int, value: Any) -> float:
    """Another library's number, or Python's integers and fractions, as a float."""
    if not hasattr(value, "__float__") or np.ndim(value) != 0:
        raise SystolabError(f"decode({code:#x}) of {name} must return a number, not {shown(value)}")
    number = float(value)
    if number != value and number == number:
        raise SystolabError(
            f"Value of code {code:#x} of {name} must be a binary32 value, "
            f"not {shown(value)}: {number!r} is the nearest binary64"
        )
    return number
