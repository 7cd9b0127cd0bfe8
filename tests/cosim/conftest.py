"""The command line as a fixture."""

import json
from pathlib import Path

import pytest

from systolab.cosim import cli
from tests.cosim.runs import Ran, Systolab


@pytest.fixture
def systolab(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Systolab:
    """Run `systolab run ...` in this process, with `--json`."""

    def call(*arguments: str) -> Ran:
        path = tmp_path / "result.json"
        path.unlink(missing_ok=True)
        status = cli.main(["run", *arguments, "--json", str(path)])
        result = json.loads(path.read_text()) if path.exists() else None
        return Ran(status, *capsys.readouterr(), result)

    return call
