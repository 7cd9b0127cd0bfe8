"""Settings of every test: property tests are reproducible and judged by result, never by time."""

from hypothesis import settings

settings.register_profile("systolab", deadline=None, derandomize=True)
settings.load_profile("systolab")
