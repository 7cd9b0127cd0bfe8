"""How large a network may be: checked from what a model declares, before anything is allocated.

A model is read from files that anyone may have written. Each limit lies beyond what the array could
run in a day, and keeps import and compilation within seconds and a few GiB. The search takes time
and memory of the square of the number of layers.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from systolab.formats.errors import SystolabError
from systolab.glenside.network.network import Layer, Network, Shape

__all__ = [
    "ELEMENTS", "FOLDED_ELEMENTS", "FOLDED_PRODUCTS", "LAYERS", "MODEL_BYTES", "RUN_ELEMENTS",
    "RUN_PRODUCTS", "STEPS", "check_limit", "extent", "products",
    "work",
]  # fmt: skip

MODEL_BYTES = (1 << 31) - 1  # of a model's file without its external data: protobuf's own limit
ELEMENTS = 1 << 28  # of one tensor
LAYERS = 1 << 13  # of a network, after its recurrent layers are unrolled
STEPS = 1 << 9  # of one recurrent layer
FOLDED_ELEMENTS = 1 << 29  # computed at import, of all layers whose inputs are constant
FOLDED_PRODUCTS = 1 << 34  # multiplications at import
RUN_ELEMENTS = 1 << 28  # of all tensors that one call of the network computes, when it is run
RUN_PRODUCTS = 1 << 42  # multiplications of all calls of a run


def extent(shape: Iterable[int]) -> int:
    """Elements of a tensor, where a size of 0 counts as 1: no other size may be without limit."""
    return prod(max(size, 1) for size in shape)


def check_limit(what: str, limit: int, unit: str, value: int) -> None:
    """States a limit.

    Raises:
        SystolabError: "<what> must have at most <limit> <unit>, not <value>".
    """
    if value > limit:
        raise SystolabError(f"{what} must have at most {limit} {unit}, not {value}")


def products(layer: Layer, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
    """Multiplications that a layer takes, padding included; of other operators, elements written.

    Args:
        layer: the operator.
        inputs: shapes of its inputs, () for an absent one.
        outputs: shapes of its outputs.
    """
    written = sum(map(prod, outputs))
    match layer.op:
        case "conv":
            return written * prod(inputs[1][1:])
        case "conv_transpose":
            return prod(inputs[0]) * prod(inputs[1][1:])
        case "matmul":
            return written * inputs[0][-1]
        case "gemm":
            return written * inputs[0][0 if layer.integer("trans_a") else 1]
        case "einsum":
            return _einsum(layer.text("equation"), inputs)
        case "max_pool" | "average_pool":
            return written * prod(layer.ints("kernel_shape"))
        case "lrn":
            return written * layer.integer("size")
        case _:
            return written + sum(map(prod, inputs))


def work(network: Network) -> int:
    """Multiplications of one call of a network, as ``products`` counts them."""
    shapes = network.shapes
    return sum(
        products(
            layer,
            *(
                tuple(shapes.get(name, ()) for name in names)
                for names in (layer.inputs, layer.outputs)
            ),
        )
        for layer in network.layers
    )


def _einsum(equation: str, inputs: tuple[Shape, ...]) -> int:
    """Product of the sizes of all indices; the dimensions of an ellipsis count once each."""
    terms = equation.replace(" ", "").split("->")[0].split(",")
    sizes: dict[object, int] = {}
    for term, shape in zip(terms, inputs, strict=False):
        head, dots, tail = term.partition("...")
        hidden = range(len(shape) - len(head) - len(tail) if dots else 0)
        for index, size in zip((*head, *reversed(hidden), *tail), shape, strict=False):
            sizes[index] = max(size, sizes.get(index, 1))
    return prod(sizes.values())
