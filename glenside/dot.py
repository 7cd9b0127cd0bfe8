"""A compiled network as a graph in the DOT language."""

from __future__ import annotations

import json

from systolab.glenside.program import CopyStep, HostStep, Program

__all__ = ["to_dot"]


def to_dot(program: Program) -> str:
    """Steps as nodes, tensors as edges; kernels carry dataflow and cycles."""
    layers = {layer.name: layer for layer in program.network.layers}
    lines = ["digraph program {", '  node [shape=box, fontname="sans-serif"];']
    source = {name: f"input {name}" for name in program.network.inputs}
    lines += [f"  {_quoted(node)} [shape=ellipse];" for node in source.values()]
    for step in program.steps:
        if isinstance(step, HostStep):
            label = f"{step.name}\nhost: {step.reason}"
            inputs = [t for name in step.layers for t in layers[name].inputs]
            outputs = [t for name in step.layers for t in layers[name].outputs]
        elif isinstance(step, CopyStep):
            label = f"copy {step.source.name} to {step.target.name}\n{step.cycles:,} cycles"
            inputs, outputs = [step.tensor], [step.tensor]
        else:
            label = f"{step.name}\n{step.op}\n{step.kernel.mode.value}, {step.cycles:,} cycles"
            inputs, outputs = [step.a.tensor, step.w.tensor], [step.o.tensor]
        lines.append(f"  {_quoted(step.name)} [label={_quoted(label)}];")
        lines += [
            f"  {_quoted(source[tensor])} -> {_quoted(step.name)} [label={_quoted(tensor)}];"
            for tensor in inputs
            if tensor in source
        ]
        source.update(dict.fromkeys(outputs, step.name))
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
