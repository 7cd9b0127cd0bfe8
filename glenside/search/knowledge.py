"""What is known about regions, kept across networks and processes.

Knowledge is keyed by the region's term, which names shapes and no tensors. Inserting a network
whose regions are all known runs no rule. The file is JSON; it says which rules, which compiler and
which array it comes from, and is refused by any other. Of the formats it says only whether, and in
blocks of how many elements, they are block-scaled: kernels and cycles depend on nothing else. A
digest of the regions tells damage from knowledge; what passes it is checked again where it is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from systolab import rtl
from systolab.formats.errors import SystolabError
from systolab.formats.outside.escape import json_text
from systolab.formats.outside.files import read_regular
from systolab.formats.outside.writing import write_text
from systolab.glenside.rules import rulebook
from systolab.glenside.search.egraph import EGraph
from systolab.glenside.search.options import Option, explore
from systolab.glenside.search.regions import Region
from systolab.glenside.search.targets import TargetFinder
from systolab.rtl.kernel.block_gemm import block_length
from systolab.rtl.kernel.kernel import Array

__all__ = ["Knowledge", "Saturation"]

_FORMAT_VERSION = 2
_FILE_LIMIT = 1 << 28  # bytes of a file that is read

# Folders whose sources decide what kernels there are and what they cost.
_SOURCES = (Path(__file__).parents[1], Path(rtl.__file__).parent)


@dataclass(frozen=True)
class Saturation:
    """Size and effort of one saturation."""

    nodes: int
    classes: int
    iterations: int
    applications: int
    saturated: bool

    def __add__(self, other: Saturation) -> Saturation:
        """Both, one after the other."""
        return Saturation(
            self.nodes + other.nodes,
            self.classes + other.classes,
            self.iterations + other.iterations,
            self.applications + other.applications,
            self.saturated and other.saturated,
        )


class Knowledge:
    """Options of regions on one array; grows with every network."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self._options: dict[str, tuple[Option, ...]] = {}

    def keys(self) -> frozenset[str]:
        """Keys of the regions that are known."""
        return frozenset(self._options)

    def __len__(self) -> int:
        return len(self._options)

    def options(self, region: Region) -> tuple[Option, ...]:
        """What is known of a region that was learnt."""
        return self._options[region.key]

    def learn(self, regions: Iterable[Region]) -> Saturation:
        """Saturates an e-graph of the regions that are not known yet, and keeps their options."""
        new = {region.key: region.term for region in regions if region.key not in self._options}
        if not new:
            return Saturation(0, 0, 0, 0, True)
        egraph = EGraph(rulebook.ALL)
        for key, term in new.items():
            egraph.insert(key, term)
        saturated = egraph.saturate()
        snapshot = egraph.snapshot()
        finder = TargetFinder(snapshot)
        for key in new:
            self._options[key] = explore(finder.targets(snapshot.roots[key]), self.array)
        return Saturation(
            snapshot.nodes,
            len(snapshot.classes),
            egraph.iterations,
            sum(egraph.matches.values()),
            saturated,
        )

    def save(self, path: Path) -> None:
        """Writes everything that is known; the same knowledge gives the same bytes.

        Raises:
            SystolabError: the file cannot be written.
        """
        regions = {key: [asdict(o) for o in self._options[key]] for key in sorted(self._options)}
        plain = _header(self.array) | {"digest": _digest(regions), "regions": regions}
        write_text(path, json_text(plain, indent=1))

    @staticmethod
    def load(path: Path, array: Array) -> Knowledge:
        """Knowledge that was saved.

        Raises:
            SystolabError: the file cannot be read, is not knowledge, is damaged, or comes from
                other rules, another compiler or another array.
        """
        content = read_regular(path, f"Knowledge '{path}'", _FILE_LIMIT)
        try:
            plain = json.loads(content.decode("utf-8"))
            digest = _digest(plain.get("regions")) if isinstance(plain, dict) else ""
        except (ValueError, RecursionError):
            raise SystolabError(f"File {path} must be knowledge of the compiler, in JSON") from None
        for key, expected in _header(array).items():
            found = plain.get(key) if isinstance(plain, dict) else None
            if found != expected:
                raise SystolabError(
                    f"Knowledge in {path} must be of {key} '{expected}', not '{found}'"
                )
        if plain.get("digest") != digest:
            raise SystolabError(
                f"Knowledge in {path} must be as it was written, not damaged: delete it, and it is "
                "learnt again"
            )
        knowledge = Knowledge(array)
        try:
            knowledge._options = {
                key: tuple(_option(item) for item in items)
                for key, items in plain["regions"].items()
            }
        except (AttributeError, KeyError, TypeError, ValueError):
            raise SystolabError(f"File {path} must list the options of regions") from None
        return knowledge


def _header(array: Array) -> dict[str, object]:
    geometry = f"{array.name} line {array.line} acc_rows {array.acc_rows} k_max {array.k_max}"
    if array.block_scaled:
        geometry += f" blocks of {block_length(array)}"
    return {
        "version": _FORMAT_VERSION,
        "rules": rulebook.VERSION,
        "compiler": _compiler_version(),
        "array": geometry,
    }


def _digest(regions: object) -> str:
    return sha256(json.dumps(regions, sort_keys=True).encode()).hexdigest()[:16]


@cache
def _compiler_version() -> str:
    digest = sha256()
    for folder in _SOURCES:
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(folder).as_posix()
            digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _option(item: dict[str, object]) -> Option:
    layouts = item["layouts"]
    if not isinstance(layouts, dict):
        raise TypeError
    found, candidate, cycles = item["rules"], item["candidate"], item["cycles"]
    if not isinstance(found, list) or not isinstance(candidate, int) or not isinstance(cycles, int):
        raise TypeError
    return Option(
        target=str(item["target"]),
        rules=tuple(map(str, found)),
        dataflow=str(item["dataflow"]),
        layouts={str(slot): str(name) for slot, name in layouts.items()},
        output=str(item["output"]),
        candidate=candidate,
        cycles=cycles,
    )
