"""Events: that each is reported by something, and can be told from the others."""

from __future__ import annotations

from typing import get_args

import avrpc.wire
from avrpc.wire import events


def test_every_event_is_public_and_says_what_it_means() -> None:
    for event in get_args(events.Event):
        assert getattr(avrpc.wire, event.__name__) is event
        assert event.__doc__
        assert not event.__doc__.startswith(event.__name__ + "(")  # what NamedTuple makes up


def test_event_is_made_of_what_its_frame_carries() -> None:
    received = events.CallReceived(3, 0, 250, {"trace": b"1"}, b"\x02")
    assert received._asdict() == {
        "call_id": 3,
        "number": 0,
        "time_left": 250,
        "metadata": {"trace": b"1"},
        "parameters": b"\x02",
    }
