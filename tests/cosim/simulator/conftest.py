from __future__ import annotations

from pathlib import Path

import pytest

from systolab.cosim.simulator.cache import cache_directory
from tests.cosim.simulator.tiny import small_build


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache that shares the compiled runtime with the user's, as it takes seconds."""
    runtime = cache_directory() / "runtime"
    small_build(tmp_path)  # makes sure that there is one
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "runtime").symlink_to(runtime)
    monkeypatch.setenv("SYSTOLAB_CACHE", str(folder))
    return folder
