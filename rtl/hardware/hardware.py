"""SystemVerilog of an array: the static modules of ``rtl/sv`` and what is generated for it.

Generated are the decoders and the encoder, from the formats' tables, and the top module, which
fixes the parameters. What a format brings along takes the place of any of them, or of the
processing elements' multiply-add. The same array always gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from systolab.formats.format import Format
from systolab.formats.outside.short import representation
from systolab.formats.outside.writing import write_text
from systolab.rtl.codecs import Codec, Shape, choose, closed_decoder, closed_encoder
from systolab.rtl.hardware import handwritten, table_codecs
from systolab.rtl.hardware.handwritten import Source
from systolab.rtl.hardware.parameters import Parameters, specialise
from systolab.rtl.hardware.top import TOP, top
from systolab.rtl.kernel.kernel import Array

__all__ = ["Hardware", "hardware"]

_MAC = "systolab_mac"
_STATIC = Path(__file__).parents[1] / "sv"

_Files = dict[str, str]


@dataclass(frozen=True, repr=False)
class Hardware:
    """Sources of one array.

    Attributes:
        array: the machine configuration.
        parameters: what the static modules are specialised to.
        files: text of every source by file name, in compilation order; the top module is last.
    """

    array: Array
    parameters: Parameters
    files: Mapping[str, str]

    def __repr__(self) -> str:
        """Format, array and number of sources: their texts are in ``files``."""
        of = f"{self.array.act.name} on {self.array.name}"
        return representation(self, f"{of}: {len(self.files)} sources")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of names and contents of all sources."""
        state = hashlib.sha256()
        for name, text in self.files.items():
            state.update(f"{name}\0{len(text)}\0{text}".encode())
        return state.hexdigest()

    def write(self, directory: Path) -> list[Path]:
        """Write all sources into a directory; returns their paths in order.

        Raises:
            SystolabError: the directory cannot be written.
        """
        for name, text in self.files.items():
            write_text(directory / name, text)
        return [directory / name for name in self.files]


def hardware(array: Array, codec: Codec = Codec.AUTO) -> Hardware:
    """Generate the sources of an array.

    Args:
        array: the machine configuration.
        codec: how decoders and encoder are built, where the format does not bring its own.

    Raises:
        SystolabError: the accumulator cannot be built, a format is too wide for tables and has no
            closed form, or a format's own Verilog cannot be used.
    """
    own = handwritten.used(array)
    # Each may refuse the array; a codec's reason is told before the accumulator's.
    choices = {
        block: None if block in own or (block != "encoder" and "pe" in own) else (role, fmt)
        for block, role, fmt in (
            ("act_decoder", "Activation", array.act),
            ("weight_decoder", "Weight", array.weight),
            ("encoder", "Output", array.out),
        )
    }
    forms = {
        block: None if choice is None else choose(*choice, codec)
        for block, choice in choices.items()
    }
    parameters = specialise(array)
    # What comes later takes the place of what is there.
    files: _Files = {
        **_static(),
        **{source.file: source.text for source in own.values()},
        **_multiply_add(array, parameters, own),
        **_decoder("act_decoder", array.act, parameters, own, forms),
        **_decoder("weight_decoder", array.weight, parameters, own, forms),
        **_encoder(array, own, forms),
        f"{TOP}.v": top(array, parameters),
    }
    # Packages first, by name: one uses none that comes after it.
    files = dict(sorted(files.items(), key=lambda file: not file[0].endswith("_pkg.sv")))
    return Hardware(array, parameters, files)


def _static() -> _Files:
    """The modules that are the same for every array."""
    paths = sorted(_STATIC.rglob("*.sv"), key=lambda path: path.name)
    return {path.name: path.read_text(encoding="utf-8") for path in paths}


def _multiply_add(array: Array, parameters: Parameters, own: Mapping[str, Source]) -> _Files:
    """The multiply-add around a processing element that the formats bring along."""
    if "pe" not in own:
        return {}
    bits, lsb = _sum_bits(array, parameters), parameters.acc_lsb
    text = handwritten.multiply_add(_MAC, own["pe"].module, array, bits, lsb)
    return {f"{_MAC}.sv": text}


def _decoder(
    block: str,
    fmt: Format,
    parameters: Parameters,
    own: Mapping[str, Source],
    forms: Mapping[str, Shape | None],
) -> _Files:
    """One operand's decoder: passing codes on, the format's own, in closed form, or a table."""
    name = f"systolab_{block}"
    is_weight = block == "weight_decoder"
    operand = parameters.weight if is_weight else parameters.act
    bits = operand.exp_bits, operand.sig_bits
    form = forms[block]
    if parameters.own_pe:
        text = handwritten.passing(name, fmt)
    elif block in own:
        text = handwritten.decoder(name, own[block].module, fmt, *bits)
    elif form is not None:
        text = closed_decoder(name, fmt, form, None if parameters.float32 else bits)
    else:
        text = table_codecs.decoder(name, fmt, parameters, is_weight)
    return {f"{name}.sv": text}


def _encoder(array: Array, own: Mapping[str, Source], forms: Mapping[str, Shape | None]) -> _Files:
    """The encoder: the format's own, in closed form, or a table."""
    name = "systolab_out_encoder"
    form = forms["encoder"]
    if "encoder" in own:
        text = handwritten.encoder(name, own["encoder"].module, array.out)
    elif form is not None:
        text = closed_encoder(name, array.out, form)
    else:
        return table_codecs.encoder(name, array.out)
    return {f"{name}.sv": text}


def _sum_bits(array: Array, parameters: Parameters) -> int:
    """Width at which a product is added to a sum: of a saturating sum, all of the result."""
    if not parameters.saturate:
        return parameters.acc_bits
    largest = array.act.ratio * array.weight.ratio << parameters.product_shift
    return max(largest.bit_length() + 1, parameters.acc_bits) + 1
