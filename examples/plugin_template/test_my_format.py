"""The software and the hardware of the installed format agree."""

import systolab as sl


def test_the_table() -> None:
    assert sl.format("mine").encode([0.0, 5.1, -1000.0]).tolist() == [0, 5, 31]


def test_the_hardware_is_the_table() -> None:
    report = sl.check("mine", level="quick")
    assert report.passed, report.text()
