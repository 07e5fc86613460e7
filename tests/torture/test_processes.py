"""Processes that a part starts, and what is told of those that go wrong."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.torture.figures import Run
from tests.torture.processes import Child, ChildFailed

Make = Callable[[str], str]

OBEYS = """
    import trio
    from tests.torture.processes import obey

    async def double(number):
        return 2 * number

    trio.run(obey, {"double": double}, ["ready", sys.argv[1:]])
"""
CRASHES = "input(); os.kill(os.getpid(), signal.SIGSEGV)"
FAILS = "input(); raise SystemExit('no such luck')"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a module for a child."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(text: str) -> str:
        head = "import os, resource, signal, sys, time\n"
        (tmp_path / "child.py").write_text(head + textwrap.dedent(text))
        return "child"

    return make


def test_child_does_what_it_is_asked_for_until_the_block_ends(module: Make) -> None:
    with Child(module(OBEYS), 1, "two words") as child:
        assert child.told == ["ready", ["1", "two words"]]
        assert child.ask("double", 21) == 42
        child.tell("double", 4)
        assert child.wait() == 8
    assert child._process.returncode == 0


@pytest.mark.parametrize(
    ("text", "how"),
    [
        (CRASHES, "child was ended by SIGSEGV"),
        (FAILS, "child ended with 1: no such luck"),
    ],
)
def test_child_that_ends_is_told_with_how_it_did(module: Make, text: str, how: str) -> None:
    with Child(module(f"print(1, flush=True)\n{text}")) as child:
        with pytest.raises(ChildFailed) as caught:
            child.ask("double", 1, seconds=30)
        assert str(caught.value) == how


def test_child_that_is_silent_is_not_waited_for_for_ever(module: Make) -> None:
    with (
        Child(module("print(1, flush=True); input(); input()")) as child,
        pytest.raises(ChildFailed, match=r"^child was silent for 0\.05 s$"),
    ):
        child.ask("double", 1, seconds=0.05)


def test_what_a_child_writes_to_its_standard_error_is_a_problem(
    module: Make, tmp_path: Path
) -> None:
    run = Run("part", file=tmp_path / "figures.json")
    with Child(module("print('one\\ntwo', file=sys.stderr, flush=True); print(1)")) as child:
        child._process.wait(30)
        child.complain(run)
    assert run.problems == ["child: two"]


def test_child_may_have_as_many_files_as_it_is_given(module: Make) -> None:
    limit = "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    with Child(module(limit), open_files=77) as child:
        assert child.told == 77
