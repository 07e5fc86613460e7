"""The decoders' torture: that it runs, and that it would notice."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.torture import decode
from tests.torture.decode import NO_COUNT, Disagreement, Progress, Subject, replay, watch


def test_short_run_holds() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.decode", "8000"],
        cwd=decode.ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("decode: inputs 8,000 (at least 8,000); taken ")
    assert "findings 0" in done.stdout


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("pass", ""),
        ("raise KeyError", "ended with 1"),
        ("import os; os.kill(os.getpid(), 11)", "ended with -11"),
        ("import signal; signal.pause()", "hung"),
    ],
)
def test_child_that_ends_badly_or_not_at_all_is_a_finding(
    code: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "HUNG_AFTER", 0.0)
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    assert watch(child, Progress(tmp_path / "progress")) == ending


@pytest.mark.parametrize("count", [NO_COUNT, 3])
def test_what_was_being_decoded_is_known_to_others(count: int, tmp_path: Path) -> None:
    child, parent = (Progress(tmp_path / "progress") for _ in range(2))
    child.subject(Subject({"type": "array", "items": "string"}))
    child.input(b"longer than the next", NO_COUNT)
    child.subject(Subject("int"))
    child.input(b"\2\4\6", count)
    child.count(2000, 20, 5, 0.5)
    assert parent.counts == (2000, 20, 5, 0.5)
    case = parent.case
    assert case == {
        "writer": "int", "reader": None, "count": None if count == NO_COUNT else 3, "data": "020406"
    }  # fmt: skip
    replay(case)


def test_replay_raises_what_the_decoder_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Subject, "decoders", lambda self: ({}.__getitem__, None))
    with pytest.raises(KeyError):
        replay({"writer": "int", "reader": None, "count": None, "data": "02*3 04"})


@pytest.mark.parametrize(
    ("of", "data", "value", "problem"),
    [
        ("int", b"\2", 1, ""),
        ("int", b"\2", 2, "other bytes: 04"),
        ("int", b"\x84\0", 2, ""),
        (["int", "long"], b"\2\4", 2, ""),
        ("double", bytes(8), 0, "another value than 0"),
        ("int", b"\2\2", 1, "ends 1 byte before"),
        ("boolean", b"\7", True, ""),
        ("int", b"\x80\x80\x80\x80\x80\1", 1 << 34, ""),
    ],
)
def test_value_that_its_bytes_do_not_say_is_a_finding(
    of: Any, data: bytes, value: object, problem: str
) -> None:
    compare = Subject(of).comparer()
    assert compare is not None
    if not problem:
        compare(data, value)
        return
    with pytest.raises(Disagreement, match=problem):
        compare(data, value)


def test_other_version_is_not_compared_with_its_bytes() -> None:
    assert Subject("int", "long").comparer() is None


def test_subjects_are_of_every_sort() -> None:
    chance = random.Random(1)
    each = decode.subjects(chance)
    made = [next(each) for _ in range(60)]
    assert any(subject.reader is not None for subject in made)
    assert any(subject.writer in decode.HOSTILE for subject in made)
    assert all(subject.decoders() for subject in made)


def test_changes_are_many() -> None:
    chance = random.Random(1)
    changed = {decode.change(chance, b"0123456789") for _ in range(500)}
    assert len(changed) > 250
    assert {len(data) for data in changed} >= {*range(15), 20}
    assert decode.change(chance, b"")
