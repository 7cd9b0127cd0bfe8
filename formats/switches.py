"""What may be switched of a format without making it another family's: a frozen value."""

from __future__ import annotations

from dataclasses import dataclass

from systolab.formats.outside.choices import choice, integer
from systolab.formats.projection.rounding import Rounding, Saturation
from systolab.formats.scaling.scaling import ScaleKind, ScaleRule, Scaling

__all__ = ["Switches"]


@dataclass(frozen=True)
class Switches:
    """The switches of one format.

    Attributes:
        rounding: how the projection chooses between two neighbours.
        saturation: what becomes of values beyond the largest finite one.
        seed: key of the stochastic rounding.
        scaling: how scales are fitted to data.

    Raises:
        SystolabError: one of them is nothing of its kind.
    """

    rounding: Rounding
    saturation: Saturation
    seed: int
    scaling: Scaling

    def __post_init__(self) -> None:
        """Take the command line's spelling, too."""
        object.__setattr__(self, "rounding", choice("Rounding", Rounding, self.rounding))
        object.__setattr__(self, "saturation", choice("Saturation", Saturation, self.saturation))
        object.__setattr__(self, "seed", integer("Seed of a format", self.seed))
        object.__setattr__(self, "scaling", Scaling.of(self.scaling))

    def changed(
        self,
        rounding: Rounding | str | None = None,
        saturation: Saturation | str | None = None,
        seed: int | None = None,
        scale: ScaleKind | str | None = None,
        rule: ScaleRule | str | None = None,
        block: int | None = None,
    ) -> Switches:
        """The same but for what is given."""
        old = self.scaling
        return Switches(
            self.rounding if rounding is None else choice("Rounding", Rounding, rounding),
            self.saturation if saturation is None else choice("Saturation", Saturation, saturation),
            self.seed if seed is None else seed,
            Scaling(
                old.kind if scale is None else choice("Scale", ScaleKind, scale),
                old.rule if rule is None else choice("Rule of scales", ScaleRule, rule),
                old.block if block is None else block,
            ),
        )

    def spelling(self, name: str, default: Switches) -> str:
        """The name of a format whose switches are these, where ``name`` has ``default``."""
        options = (
            ("rounding", default.rounding, self.rounding),
            ("saturation", default.saturation, self.saturation),
            ("seed", default.seed, self.seed),
            ("scale", default.scaling.kind, self.scaling.kind),
            ("rule", default.scaling.rule, self.scaling.rule),
            ("block", default.scaling.block, self.scaling.block),
        )
        spelt = [f"{key}={new}" for key, old, new in options if old != new]
        return name + ("," if ":" in name else ":") + ",".join(spelt) if spelt else name
