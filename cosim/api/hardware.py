"""The SystemVerilog of an array, with a testbench that needs no Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from systolab.cosim.terminal.shown import Part, Shown
from systolab.cosim.terminal.table import Column, Table
from systolab.formats.arithmetic.accumulator import AccumulatorLike
from systolab.formats.errors import Parameter
from systolab.formats.outside.choices import choice, path
from systolab.formats.outside.escape import printable
from systolab.formats.outside.writing import check_new_folder, write_folder
from systolab.formats.registry.registry import FormatLike
from systolab.rtl.codecs import Codec
from systolab.rtl.hardware.hardware import Hardware
from systolab.rtl.hardware.hardware import hardware as generate
from systolab.rtl.hardware.synthesis import SCRIPT, synthesis_script
from systolab.rtl.hardware.testbench import MAKEFILE, example_vectors, readme, testbench
from systolab.rtl.kernel.configuration import ArrayLike
from systolab.rtl.kernel.configuration import array as make_array

__all__ = ["Design", "hardware"]


_COLUMNS = (Column("file"), Column("lines", right=True))


@dataclass(frozen=True, repr=False)
class Design(Shown):
    """The sources of an array, and all that is needed to simulate and synthesise them.

    Attributes:
        hardware: the sources alone, and what they are specialised to.
        kernels: how many kernels the testbench runs.
        files: text of every file by its name in the folder.
    """

    hardware: Hardware
    kernels: int
    files: Mapping[str, str] = field(repr=False)

    @property
    def headline(self) -> str:
        """Format, array and how much there is, in a line."""
        array = self.hardware.array
        return f"{array.act.name} on {array.name}: {self.contents}"

    @property
    def contents(self) -> str:
        """How many sources there are, and kernels in the testbench."""
        return f"{len(self.hardware.files)} sources, {self.kernels} kernels in the testbench"

    def parts(self) -> list[Part]:
        """What there is, file by file."""
        lines = [(name, f"{text.count(chr(10)):,}") for name, text in self.files.items()]
        return [printable(self.headline), "", Table(_COLUMNS, lines)]

    def as_data(self) -> dict[str, object]:
        """Plain data for JSON; of the files, names and numbers of lines."""
        array = self.hardware.array
        return {
            "array": array.name,
            "format": array.act.name,
            "weight": array.weight.name,
            "out_format": array.out.name,
            "accumulator": array.sums,
            "kernels": self.kernels,
            "digest": self.hardware.digest,
            "files": {name: text.count("\n") for name, text in self.files.items()},
        }

    def write(self, folder: str | Path) -> None:
        """Write all files into a new or empty folder, or none.

        Raises:
            SystolabError: the folder has contents, or cannot be written.
        """
        directory = path(Parameter("folder"), folder)
        check_new_folder(directory)
        write_folder(directory, self.files)


def hardware(
    format: FormatLike | None = None,
    *,
    array: ArrayLike = "16x16",
    weight: FormatLike | None = None,
    out_format: FormatLike | None = None,
    accumulator: AccumulatorLike | None = None,
    codec: str = Codec.AUTO,
) -> Design:
    """Generate the SystemVerilog of an array, with a self-checking testbench.

    >>> import systolab as sl
    >>> design = sl.hardware("e4m3fn", array="4x4")
    >>> "systolab_top.v" in design.files
    True
    >>> design.write("build/rtl")  # a new folder, for Verilator, Yosys, ...

    Args:
        format: number format of activations.
        array: rows and columns, or a whole ``Array``, which brings its formats and accumulator.
        weight: format of weights; None: as ``format``.
        out_format: format of outputs; None: as ``format``, bfloat16 where that is block-scaled.
        accumulator: how products are summed; None: exactly.
        codec: decoders and encoder: ``"table"``, ``"closed"`` forms, or ``"auto"``.

    Raises:
        SystolabError: an argument cannot be used, or such an array cannot be built.
    """
    machine = make_array(
        array, format, weight=weight, out_format=out_format, accumulator=accumulator
    )
    generated = generate(machine, choice(Parameter("codec"), Codec, codec))
    sources = generated.files
    vectors = example_vectors(machine)
    files = {
        **sources,
        "files.f": "".join(f"{name}\n" for name in sources),
        **testbench(machine, vectors),
        "Makefile": MAKEFILE,
        SCRIPT: synthesis_script(sources),
        "README.md": readme(machine, vectors, sources),
    }
    return Design(generated, len(vectors), files)
