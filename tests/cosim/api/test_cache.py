"""What the cache of built models holds, as a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import systolab as sl
from systolab.cosim.api.cache import CacheReport
from systolab.cosim.simulator.cache import CachedBuild

NAMES = [f"adaptivfloat:8,3 table {i}" for i in range(200)]
BUILDS = (
    CachedBuild("0123456789abcdef", {"codecs": NAMES}, 2_000_000, 86400 * 365.0),
    CachedBuild("fedcba9876543210", {"array": "4x4", "trace": False}, 500_000, 0.0),
)


def test_a_long_list_is_told_in_short() -> None:
    lines = CacheReport(Path("/c"), BUILDS).text().split("\n")
    assert lines[0] == "build cache /c (SYSTOLAB_CACHE names another)"
    assert lines[4].startswith("0123456789ab  2.0  ")
    assert lines[4].endswith(f"  codecs={NAMES[0]}, {NAMES[1]}, ... (200)")
    assert lines[5].endswith("array=4x4 trace=False")
    assert lines[-1] == "2 builds, 2.5 MB"
    assert max(map(len, lines)) < 120


def test_data_are_whole() -> None:
    data = CacheReport(Path("/c"), BUILDS).as_data()
    assert json.loads(json.dumps(data)) == data
    assert data["builds"] == [vars(build) for build in BUILDS]


def test_listing_and_pruning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTOLAB_CACHE", str(tmp_path))
    report = sl.cache()
    assert (report.folder, report.builds, report.removed) == (tmp_path, (), None)
    assert report.text().split("\n")[1:] == ["0 builds, 0.0 MB"]
    assert sl.cache(prune=0).text().split("\n")[1:] == ["removed 0 builds, 0.0 MB"]
    with pytest.raises(sl.SystolabError, match="^prune must be at least 0 days, not -1$"):
        sl.cache(prune=-1)
