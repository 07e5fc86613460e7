"""The run of the defects, on a project of one module."""

from pathlib import Path

import pytest

from tests.mutants import __main__ as mutants
from tests.mutants.defects import Defect

MODULE = "avrpc/sums.py"
NOTICED = Defect("a wrong sum", MODULE, "one + other", "one - other")
SURVIVES = Defect("a wrong text", MODULE, '"sum"', '"total"')
CRASHES = Defect("a crash", MODULE, "return one", "os.abort()\n    return one")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for file, text in {
        "avrpc/__init__.py": "",
        MODULE: 'import os\n\nNAME = "sum"\n\ndef add(one, other):\n    return one + other\n',
        "tests/test_sums.py": "from avrpc.sums import add\n\ndef test_add():\n"
        "    assert add(1, 2) == 3\n",
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
        ".venv/large": "",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "FILE", tmp_path / "build" / "mutants.json")
    return tmp_path


def seed(*defects: Defect, monkeypatch: pytest.MonkeyPatch, word: str = "") -> int:
    monkeypatch.setattr(mutants, "DEFECTS", [*defects])
    monkeypatch.setattr(mutants, "LEAST", 2)
    return mutants.main(word)


def test_defects_are_noticed_and_the_project_stays_as_it_is(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (project / MODULE).read_text()
    assert seed(NOTICED, CRASHES, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert sorted(line.split()[0] for line in said.splitlines()[:2]) == ["noticed", "noticed"]
    assert "defects 2; noticed 2 (at least 2)" in said
    assert (project / MODULE).read_text() == before


def says(monkeypatch: pytest.MonkeyPatch, *codes: int) -> None:
    """Let pytest end with these, one after the other."""
    left = [*codes]
    monkeypatch.setattr(mutants, "run_tests", lambda copy, tests: (left.pop(0), "as it said"))


def test_defect_that_survives_alone_is_too_few(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    says(monkeypatch, 0, 0)
    assert seed(NOTICED, SURVIVES, monkeypatch=monkeypatch, word="text") == 1
    said = capsys.readouterr().out
    assert said.startswith("SURVIVED")
    assert "noticed 0! (at least 1)" in said


def test_tests_that_fail_without_a_defect_prove_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    says(monkeypatch, 1)
    assert seed(NOTICED, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr().out
    assert "without any defect, tests/test_sums.py ended with 1\nas it said" in said


def test_tests_that_can_not_begin_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, 0, 2)
    with pytest.raises(RuntimeError, match="a wrong sum: pytest ended with 2"):
        seed(NOTICED, monkeypatch=monkeypatch)
