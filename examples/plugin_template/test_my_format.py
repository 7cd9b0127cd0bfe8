"""The software and the hardware of the installed format agree."""

from systolab.cosim.cli import main
from systolab.formats import get


def test_the_table() -> None:
    assert get("mine").encode([0.0, 5.1, -1000.0]).tolist() == [0, 5, 31]


def test_the_hardware_is_the_table() -> None:
    assert main(["check", "mine", "--quick"]) == 0
