"""Calls cancelled at random points, some of them; and that what they leave is noticed."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import avrpc
from avrpc.call import ItemReceiver
from avrpc.session import Session
from avrpc.workers import _Worker
from tests.torture import cancels
from tests.torture.cancels import USES
from tests.torture.figures import Run


def test_cancelled_calls_leave_nothing() -> None:
    with Run("cancels") as told:
        cancels.torture(told, 2000, seed=1)
    assert told.held


def never_cancels(monkeypatch: pytest.MonkeyPatch) -> None:
    def abandon(self: Session, call_id: int) -> None:
        self.calls.pop(call_id, None)

    monkeypatch.setattr(Session, "abandon", abandon)


def forgets_to_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avrpc.Server, "call_ended", lambda self: None)


def keeps_some_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = ItemReceiver._taken

    def taken_but_five(self: ItemReceiver) -> None:
        if self.call_id == 1 and self._owed > 50 and not hasattr(self, "kept"):
            self._owed -= 5
            self.kept = True  # type: ignore[attr-defined]
        taken(self)

    monkeypatch.setattr(ItemReceiver, "_taken", taken_but_five)


def gives_no_credit_back_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ItemReceiver, "_taken", lambda self: None)


def keeps_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait(self: _Worker) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(_Worker, "_wait", wait)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (never_cancels, "open calls"),
        (forgets_to_count, "running handlers"),
        (keeps_tasks, "tasks: "),
        (keeps_some_credit, "credit of the"),
        (gives_no_credit_back_at_all, "has stopped"),
    ],
)
def test_what_is_left_is_noticed(broken: Any, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    monkeypatch.setattr(cancels, "QUIET", 0.1)
    found = trio.run(cancels.run, 500, 1)
    assert any(told in each for each in found.left)


def test_every_use_is_cancelled_and_some_are_faster() -> None:
    found = trio.run(cancels.run, 500, 2)
    assert {*found.cancelled} == {use.__name__ for use in USES}
    assert found.ended
