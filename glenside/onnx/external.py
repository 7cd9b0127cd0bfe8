"""External data of a model: weights in files beside it, read only where and as far as declared."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import TensorProto, external_data_helper, helper

from systolab.formats.errors import SystolabError
from systolab.formats.outside.files import open_regular
from systolab.glenside.network.limits import ELEMENTS, check_limit, extent

__all__ = ["load"]

_FILE_LIMIT = 1 << 40  # bytes of a file, which many tensors may share
_COUNT = re.compile(r"[0-9]{1,15}")


def load(model: onnx.ModelProto, folder: Path) -> None:
    """Puts the external data of a graph's tensors into the model.

    Args:
        model: changed in place.
        folder: the model's; data must lie in it or below, links resolved.

    Raises:
        SystolabError: data lies elsewhere, cannot be read, or is not as long as its tensor.
    """
    root = folder.resolve()
    for tensor in _tensors(model):
        if external_data_helper.uses_external_data(tensor):
            tensor.raw_data = _read(tensor, root)
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _read(tensor: TensorProto, root: Path) -> bytes:
    """The bytes of one tensor; nothing is read before their number is known to be right."""
    what = f"External data of tensor '{tensor.name}'"
    entries = {entry.key: entry.value for entry in tensor.external_data}
    size = _size(tensor)
    offset, length = (_count(what, name, entries) for name in ("offset", "length"))
    if length is not None and length != size:
        raise SystolabError(
            f"{what} must have a length of {size} bytes, as its shape, not {length}"
        )
    location = entries.get("location", "")
    try:
        target = Path(os.path.realpath(root / location))
        inside = location != "" and target.is_relative_to(root)
    except (OSError, RuntimeError, ValueError):  # too long, links in a circle, a NUL
        inside = False
    if not inside:
        raise SystolabError(f"{what} must lie in the model's folder, not at '{location}'")
    with open_regular(target, f"{what} at '{location}'", _FILE_LIMIT) as file:
        start = min(offset or 0, os.fstat(file.fileno()).st_size)
        file.seek(start)
        content = file.read(size)
    if len(content) < size:
        raise SystolabError(f"{what} at '{location}' must have {size} bytes, not {len(content)}")
    return content


def _size(tensor: TensorProto) -> int:
    """Bytes that a tensor's type and shape ask for."""
    if min(tensor.dims, default=0) < 0:
        raise SystolabError(
            f"Tensor '{tensor.name}' must have sizes of at least 0, not {[*tensor.dims]}"
        )
    check_limit(f"Tensor '{tensor.name}'", ELEMENTS, "elements", extent(tensor.dims))
    try:
        width: int = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except KeyError:
        raise SystolabError(f"Tensor '{tensor.name}' must be of a known element type") from None
    return int(math.prod(tensor.dims)) * width


def _count(what: str, name: str, entries: dict[str, str]) -> int | None:
    text = entries.get(name)
    if text is None:
        return None
    if not _COUNT.fullmatch(text):
        raise SystolabError(f"{what} must have its {name} as a number of bytes, not '{text}'")
    return int(text)
