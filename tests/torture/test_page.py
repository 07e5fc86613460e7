"""The table of figures in docs/security.md."""

import json
from pathlib import Path

import pytest

from tests.torture import page
from tests.torture.__main__ import PARTS
from tests.torture.figures import Run

PLACE = "before\n<!-- torture -->\nold\n<!-- torture end -->\nafter\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "torture.json"
    with Run("soak", "calls", file=made) as run:
        run.add("calls", 1_000_000)
        run.add("growth", 1.04, "MiB", at_most=2)
    with Run("fuzz", file=made) as run:
        run.add("inputs", 12, at_least=10)
    return made


def without_time(text: str) -> list[str]:
    return [line.replace("in 0 minutes", "in no time") for line in text.splitlines()]


def test_each_run_is_a_row_in_the_order_of_the_parts(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert page.main(["--print"], file=file) == 0
    printed = capsys.readouterr()
    assert without_time(printed.out) == [
        "2 parts in no time; all held.",
        "",
        "| part | run | figures | |",
        "|---|---|---|---|",
        "| fuzz |  | inputs 12 (at least 10) | held |",
        "| soak | calls | calls 1,000,000; growth 1.04 MiB (at most 2) | held |",
    ]
    missing = [name for name in PARTS if name not in ("soak", "fuzz")]
    assert printed.err == f"not run: {', '.join(missing)}\n"


def test_what_did_not_hold_is_said_with_its_problems(file: Path) -> None:
    with Run("load", "idle", file=file) as run:
        run.add("each", 15, "KiB", at_most=14)
        run.problem("left: a | b")
    made = page.table([json.loads(line) for line in file.read_text().splitlines()])
    assert without_time(made)[0] == "3 parts in no time; not held: load."
    assert "| load | idle | each 15 KiB! (at most 14); left: a \\| b | **not held** |" in made


def test_page_gets_the_table_in_its_place_however_often(file: Path, tmp_path: Path) -> None:
    filled = tmp_path / "page.md"
    filled.write_text(PLACE)
    for _ in range(2):
        assert page.main([], file=file, page=filled) == 0
        text = filled.read_text()
        assert text.startswith("before\n<!-- torture -->\n2 parts in ")
        assert text.endswith("| held |\n<!-- torture end -->\nafter\n")
        assert "old" not in text


def test_page_without_a_place_is_left_alone(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "page.md"
    other.write_text("nothing")
    with pytest.raises(ValueError, match="has no <!-- torture -->"):
        page.main([], file=file, page=other)
    assert other.read_text() == "nothing"


def test_without_figures_there_is_no_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert page.main([], file=tmp_path / "none.json") == 1
    assert "run `make torture` first" in capsys.readouterr().err


def test_the_page_has_its_place() -> None:
    assert page.BLOCK.search(page.PAGE.read_text())
