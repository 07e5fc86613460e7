"""What is fuzzed: that it runs, and that it would notice."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.errors import SchemaError
from avrpc.schema import Protocol
from avrpc.wire import Connection, Outgoing
from avrpc.wire.calls import CallTable
from avrpc.wire.credit import Credit
from avrpc.wire.pieces import Assembly
from tests.profiles import examples
from tests.torture.targets import core, handshake, text
from tests.torture.targets.script import Script

TARGETS = [core, handshake, text]
by_name = pytest.mark.parametrize("target", TARGETS, ids=[each.__name__[22:] for each in TARGETS])


@by_name
def test_seeds_are_no_findings(target: ModuleType) -> None:
    for seed in target.seeds():
        target.run(seed)


@by_name
@examples(50)
@given(data=st.binary(max_size=200))
def test_no_bytes_are_a_finding(target: ModuleType, data: bytes) -> None:
    target.run(data)


def changed_seeds(target: ModuleType) -> list[bytes]:
    """The seeds, and many of two of them behind each other."""
    chance, seeds = random.Random(1), target.seeds()
    pairs = (chance.choices(seeds, k=2) for _ in range(2000))
    return [*seeds, *(one + other[2:] for one, other in pairs)]


def found(target: ModuleType) -> bool:
    for data in changed_seeds(target):
        try:
            target.run(data)
        except Exception:  # noqa: BLE001 - whatever it is, it is a finding
            return True
    return False


def never(*_: Any) -> None:
    """In place of what does something."""


def boom(*_: Any) -> None:
    raise KeyError("boom")


FAULTS: dict[str, tuple[ModuleType, object, str, Any]] = {
    "an exception for a PING": (core, Outgoing, "pong", boom),
    "what is held stays after the end": (core, Connection, "close", never),
    "half values keep their places": (core, CallTable, "drop_assembly", never),
    "half values keep their memory": (core, Assembly, "_release", never),
    "credit that nobody has": (core, Credit, "may_start", True),
    "bytes of a chunk are lost": (core, Connection, "_take_held", lambda self: b""),
    "an exception for a text": (text, Protocol, "parse", boom),
}


@pytest.mark.parametrize(("target", "owner", "name", "instead"), FAULTS.values(), ids=FAULTS)
def test_fault_is_found(
    target: ModuleType, owner: object, name: str, instead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, instead)
    assert found(target)


def test_texts_of_each_sort_are_taken_and_refused() -> None:
    chance = random.Random(1)
    taken: dict[int, set[bool]] = {0: set(), 1: set(), 2: set()}
    for _ in range(300):
        sort = chance.randrange(3)
        body = b'{"protocol":"P","messages":{}}' if chance.random() < 0.5 else chance.randbytes(60)
        try:
            Protocol.parse(text.text_of(Script(bytes([sort]) + body)), verbatim=True)
        except SchemaError:
            taken[sort].add(False)
        else:
            taken[sort].add(True)
    assert set(map(len, taken.values())) == {2}


def test_script_that_has_ended_decides_for_the_first_choice() -> None:
    script = Script(b"\5abc")
    choices: list[Callable[[], object]] = [
        lambda: script.randrange(4),
        lambda: script.take(2),
        lambda: script.choice("xyz"),
        lambda: script.choice("xyz"),
        lambda: script.randint(3, 9),
        script.random,
        lambda: script.take(4),
    ]
    assert [choose() for choose in choices] == [1, b"ab", "x", "x", 3, 0.0, b""]
    assert script.ended
