"""A short form of `make torture-soak`."""

import json
from pathlib import Path

import pytest

from tests.torture import soak
from tests.torture.figures import FILE_VARIABLE
from tests.torture.soak_client import ENDS


def test_calls_and_connections_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "figures.json"
    monkeypatch.setenv(FILE_VARIABLE, str(file))
    assert soak.main(3000, 300, seed=2) == 0, file.read_text()
    calls, connections = map(json.loads, file.read_text().splitlines())
    assert calls["figures"]["calls"]["value"] == 3000
    ended = [connections["figures"][how]["value"] for how in ENDS]
    assert sum(ended) == 300
    assert all(ended)
