"""Settings of every test: property tests are reproducible and judged by result, never by time."""

import pytest
from hypothesis import settings

settings.register_profile("systolab", deadline=None, derandomize=True)
settings.load_profile("systolab")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` accepts what is generated now as what is to be generated."""
    parser.addoption("--update-golden", action="store_true", help="renew the golden files")
