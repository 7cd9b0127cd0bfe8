"""The one comparison behind every place that a divergence is located at."""

from __future__ import annotations

from collections.abc import Iterator

from systolab.cosim.divergence.probes.probe import Place, Probe, Rows, Sample, first_wrong


def describe(sample: Sample) -> Rows:
    return (("about", str(sample.about)),)


def probe(name: str, order: int, *samples: Sample) -> Probe:
    return Probe(name, f"block of {name}", order, samples, describe)


def test_nothing_is_wrong() -> None:
    assert first_wrong([]) is None
    assert (
        first_wrong([probe("a", 0), probe("b", 1, Sample(3, 7, 7), Sample(4, None, None))]) is None
    )


def test_the_earliest_cycle_wins() -> None:
    late = probe("late", 0, Sample(9, 1, 2))
    early = probe("early", 5, Sample(3, 4, 4), Sample(4, 4, 5, "x"), Sample(5, 4, 6, "y"))
    place = first_wrong([late, early])
    assert place == Place(
        4, 5, "TOP.systolab_top.u_core.early", "block of early", (("about", "x"),)
    )


def test_in_one_cycle_the_first_on_the_way_wins() -> None:
    probes = [probe("sum", 4, Sample(3, 0, 1)), probe("code", 1, Sample(3, 0, 1))]
    place = first_wrong(probes)
    assert place is not None
    assert place.signal.endswith(".code")


def test_nothing_where_something_is_due_is_wrong() -> None:
    assert first_wrong([probe("line", 0, Sample(1, 5, None))]) is not None
    assert first_wrong([probe("line", 0, Sample(1, None, 5))]) is not None


def test_no_sample_is_made_after_the_first_wrong_one() -> None:
    made = []

    def samples() -> Iterator[Sample]:
        for cycle in range(10):
            made.append(cycle)
            yield Sample(cycle, 0, int(cycle == 2))

    assert Probe("s", "b", 0, samples(), describe).first() is not None
    assert made == [0, 1, 2]
