import json
from pathlib import Path

import pytest

from tests.torture.figures import FILE_VARIABLE, Run


def told(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "figures.json"
    monkeypatch.setenv(FILE_VARIABLE, str(file))
    return file


def test_run_says_its_figures_to_people_and_to_the_file(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Run("flood", "in memory") as run:
        run.add("handshakes", 100_000, at_least=1000)
        run.add("growth", 2.5, "MB", at_most=32)
    assert run.exit_code == 0
    (line,) = told(file)
    seconds = line.pop("seconds")
    assert line == {
        "part": "flood",
        "run": "in memory",
        "held": True,
        "figures": {
            "handshakes": {"value": 100_000, "unit": "", "at_least": 1000},
            "growth": {"value": 2.5, "unit": "MB", "at_most": 32},
        },
    }
    assert capsys.readouterr().out == (
        "flood, in memory: handshakes 100,000 (at least 1,000); growth 2.5 MB (at most 32);"
        f" {seconds:g} s: held\n"
    )


@pytest.mark.parametrize("bounds", [{"at_most": 4}, {"at_least": 6}])
def test_figure_out_of_its_bounds_breaks_the_run(
    bounds: dict[str, float], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Run("flood") as run:
        run.add("growth", 5, "MB", **bounds)
        run.add("other", 1, at_most=1, at_least=1)
    assert run.exit_code == 1
    assert told(file)[0]["held"] is False
    said = capsys.readouterr().out
    assert said.startswith("flood: growth 5 MB! (at ")
    assert said.endswith(" s: BROKEN\n")


def test_run_that_raises_is_broken_and_says_why(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyError), Run("flood") as run:
        run.add("growth", 5)
        raise KeyError("x")
    assert run.exit_code == 1
    assert told(file)[0]["problems"] == ["KeyError: 'x'"]
    assert "; KeyError: 'x'; " in capsys.readouterr().out


def test_runs_add_their_lines_to_a_file_that_can_be_named(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    for what in ("first", "second"):
        with Run("flood", what, file=file):
            pass
    assert [line["run"] for line in told(file)] == ["first", "second"]


def test_run_without_a_file_only_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    with Run("flood"):
        pass
    assert capsys.readouterr().out.endswith(" s: held\n")
