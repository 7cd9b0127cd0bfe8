"""A compiled network as a graph in the DOT language."""

from __future__ import annotations

import json

from systolab.formats.outside.escape import printable
from systolab.glenside.program import CopyStep, HostStep, Program

__all__ = ["to_dot"]


def to_dot(program: Program) -> str:
    """Steps as nodes, tensors as edges; kernels carry dataflow and cycles.

    Names that would not be one line of text are spelt out in labels.
    """
    layers = {layer.name: layer for layer in program.network.layers}
    lines = ["digraph program {", '  node [shape=box, fontname="sans-serif"];']
    source = {name: f"input {name}" for name in program.network.inputs}
    lines += [f"  {_id(node)} [shape=ellipse, label={_label(node)}];" for node in source.values()]
    for step in program.steps:
        if isinstance(step, HostStep):
            label = [step.name, f"host: {step.reason}"]
            inputs = [t for name in step.layers for t in layers[name].inputs]
            outputs = [t for name in step.layers for t in layers[name].outputs]
        elif isinstance(step, CopyStep):
            label = [f"copy {step.source.name} to {step.target.name}", f"{step.cycles:,} cycles"]
            inputs, outputs = [step.tensor], [step.tensor]
        else:
            label = [step.name, step.op, f"{step.kernel.mode.value}, {step.cycles:,} cycles"]
            inputs, outputs = [step.a.tensor, step.w.tensor], [step.o.tensor]
        lines.append(f"  {_id(step.name)} [label={_label(*label)}];")
        lines += [
            f"  {_id(source[tensor])} -> {_id(step.name)} [label={_label(tensor)}];"
            for tensor in inputs
            if tensor in source
        ]
        source.update(dict.fromkeys(outputs, step.name))
    return "\n".join([*lines, "}"]) + "\n"


def _id(name: str) -> str:
    """Another one for every name, in characters that every reader takes."""
    return json.dumps(name)


def _label(*lines: str) -> str:
    return json.dumps("\n".join(map(printable, lines)), ensure_ascii=False)
