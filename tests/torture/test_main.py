"""The frame that the parts of `make torture` run in."""

import os
import select
import textwrap
from contextlib import suppress
from importlib import util
from pathlib import Path

import pytest

from tests.torture import __main__ as frame
from tests.torture.figures import Run

PARTS = {
    "holds": "with Run('part', ' '.join(sys.argv[1:])) as run: run.add('n', 1, at_most=1)",
    "breaks": "with Run('part') as run: run.add('n', 2, at_most=1)\nsys.exit(run.exit_code)",
    "ends badly": "sys.exit(3)",
    "crashes": "os.kill(os.getpid(), signal.SIGSEGV)",
    "hangs": "signal.pause()",
    "leaves a process": textwrap.dedent("""
        child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])
        with Run('part') as run: run.add('pid', child.pid)
    """),
}
TOLD = {
    "holds": (True, []),
    "breaks": (False, []),
    "ends badly": (False, ["it ended with 3"]),
    "crashes": (False, ["it was ended by SIGSEGV"]),
    "hangs": (False, ["it had not ended after 0.01 minutes"]),
    "leaves a process": (True, []),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "torture.json"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "part.py"


def run(kind: str, file: Path, module: Path) -> bool:
    imports = "import os, signal, subprocess, sys\nfrom tests.torture.figures import Run\n"
    module.write_text(imports + PARTS[kind])
    minutes = 0.005 if kind == "hangs" else 1
    return frame.run_part("part", ["2", "3"], minutes, file=file, module="part")


@pytest.mark.parametrize("kind", PARTS)
def test_part_is_run_and_what_becomes_of_it_is_told_once(
    kind: str, file: Path, module: Path
) -> None:
    held = run(kind, file, module)
    assert held is TOLD[kind][0]
    (line,) = frame.lines_of(file)
    assert (line["held"], line.get("problems", [])) == TOLD[kind]
    if kind == "holds":
        assert line["run"] == "2 3"


def test_what_a_part_has_started_ends_with_it(file: Path, module: Path) -> None:
    run("leaves a process", file, module)
    (line,) = frame.lines_of(file)
    with suppress(ProcessLookupError):  # it is gone already
        select.select([os.pidfd_open(line["figures"]["pid"]["value"])], [], [])  # type: ignore[index]


def test_all_parts_run_or_the_one_that_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[tuple[str, list[str], str]] = []

    def run_part(
        name: str, arguments: list[str], minutes: float, *, file: Path, module: str
    ) -> bool:
        ran.append((name, arguments, module))
        return name != "bad"

    monkeypatch.setattr(frame, "PARTS", {"good": 1, "bad": 2})
    monkeypatch.setattr(frame, "ROOT", file.parent)
    monkeypatch.setattr(frame, "FILE", file)
    monkeypatch.setattr(frame, "run_part", run_part)
    assert frame.main([]) == 1
    assert ran == [("good", [], "tests.torture.good"), ("bad", [], "tests.torture.bad")]
    ran.clear()
    assert frame.main(["good", "5"]) == 0
    assert ran == [("good", ["5"], "tests.torture.good")]
    assert "1 of 1 parts held" in capsys.readouterr().out
    assert frame.main(["other"]) == 2
    assert "no part 'other'; there are good, bad" in capsys.readouterr().out


def test_new_run_of_a_part_replaces_its_figures_and_no_others(file: Path) -> None:
    for name in ("a", "b", "a"):
        with Run(name, file=file):
            pass
    frame.forget(["a"], file)
    assert [line["part"] for line in frame.lines_of(file)] == ["b"]


def test_every_part_has_its_module_and_all_take_an_hour_at_most() -> None:
    for name in frame.PARTS:
        spec = util.find_spec(f"tests.torture.{name}")
        assert spec is not None
        assert '__name__ == "__main__"' in Path(spec.origin or "").read_text()
    assert sum(frame.PARTS.values()) <= 60
