"""The fuzzer's frame; atheris itself is not needed by `make test`."""

from pathlib import Path
from typing import Any

import pytest

from tests.torture import fuzz

LOG = """INFO: Seed: 1
#2000   DONE   cov: 435 ft: 1700 corp: 204/3Kb
stat::number_of_executed_units: 1000
"""
FOUND = """#900  NEW    cov: 400 ft: 1500 corp: 190/3Kb
 === Uncaught Python exception: ===
KeyError: 'x'
Traceback (most recent call last):
==77== ERROR: libFuzzer: fuzz target exited
stat::number_of_executed_units: 901
"""


class Child:
    """Stands in for a process that wrote a log."""

    def __init__(self, log: str) -> None:
        self.code = int(log is FOUND)

    def wait(self) -> int:
        return self.code


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What the next children will write, one after the other."""
    logs: list[str] = []

    def start(name: str, inputs: int, number: int, log: Path, folders: list[Path]) -> Any:
        assert (name, inputs, len(folders)) == ("core", 1000, 3)
        said = logs.pop(0)
        log.write_text(said)
        if said is FOUND:
            (fuzz.WORK / "core" / "found" / "crash-1").write_bytes(b"x")
        return Child(said)

    monkeypatch.setattr(fuzz, "find_spec", lambda _: True)  # as if atheris were there
    monkeypatch.setattr(fuzz, "_start", start)
    monkeypatch.setattr(fuzz, "WORK", tmp_path)
    monkeypatch.setattr(fuzz, "ROOT", tmp_path)
    return logs


def test_figures_are_those_of_both_processes(
    children: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    children += [LOG, LOG]
    assert fuzz.main("core", "2000") == 0
    said = capsys.readouterr().out
    assert said.startswith("fuzz, core: inputs 2,000 (at least 2,000); edges 435; kept 0; findings")
    assert [*(tmp_path / "core" / "seeds").iterdir()]


def test_finding_is_told_with_its_file_and_its_exception(
    children: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    children += [LOG, FOUND]
    assert fuzz.main("core", "2000") == 1
    said = capsys.readouterr().out
    assert "inputs 1,901! (at least 2,000)" in said
    assert "findings 1! (at most 0); core/found/crash-1: KeyError: 'x'" in said
    # The next run begins without it.
    children += [LOG, LOG]
    assert fuzz.main("core", "2000") == 0


def test_python_without_atheris_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuzz, "find_spec", lambda name: None)
    assert fuzz.main() == 1
    assert "atheris is not installed" in capsys.readouterr().out


def test_each_target_has_its_numbers() -> None:
    targets = {file.stem for file in (Path(fuzz.__file__).parent / "targets").glob("*.py")}
    assert set(fuzz.INPUTS) == set(fuzz.MAX_LENGTH) == targets - {"__init__", "script"}
    assert fuzz.INPUTS["core"] == 1_000_000
