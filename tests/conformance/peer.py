"""The conformance protocol served by the second implementation, tests/independent_peer.py."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from avrpc.conformance.interface import SAMPLE, Conformance, body, item
from tests.independent_peer import Call, Connection, Declared, Server, Steps

_POLL = 0.002  # seconds: how soon a handler sees what another connection did


class Key:
    def __init__(self) -> None:
        self.count = 0
        self.fate = ""
        self.released = threading.Event()


class Handlers:
    """One method for each message; those that wait are generators."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = defaultdict(Key)

    def all(self) -> Mapping[str, Any]:
        return {name: getattr(self, name) for name in Conformance.messages}

    def empty(self, call: Call) -> None: ...

    def blob(self, call: Call, payload: bytes, size: int) -> bytes:
        return body(size)

    def echo(self, call: Call, value: Any) -> Any:
        return value

    def sample(self, call: Call) -> Any:
        return SAMPLE

    def check(self, call: Call, value: Any) -> list[str]:
        return [name for name in SAMPLE if value[name] != SAMPLE[name]]

    def note(self, call: Call, key: str) -> None:
        self.keys[key].count += 1

    def count(self, call: Call, key: str) -> int:
        return self.keys[key].count

    def metadata(self, call: Call) -> Mapping[str, bytes]:
        return call.metadata

    def time_left(self, call: Call) -> int:
        if call.deadline == float("inf"):
            return -1
        return int((call.deadline - time.monotonic()) * 1000)

    def fail(self, call: Call, how: str, reason: str) -> None:
        raise failure(how, reason)

    def sleep(self, call: Call, key: str, ms: int, cleanup_ms: int) -> Steps:
        end = time.monotonic() + ms / 1000
        with self.fate_of(key):
            try:
                yield lambda: time.monotonic() >= end
            except GeneratorExit:
                time.sleep(cleanup_ms / 1000)
                raise

    def fate(self, call: Call, key: str) -> Steps:
        yield lambda: self.keys[key].fate
        return self.keys[key].fate

    def hold(self, call: Call, key: str) -> Steps:
        self.keys[key].count += 1
        yield self.keys[key].released.is_set

    def release(self, call: Call, key: str) -> None:
        self.keys[key].released.set()

    def source(self, call: Call, key: str, count: int, size: int, ending: str) -> Steps:
        with self.fate_of(key):
            for number in range(count):
                yield from call.sending(item(number, size))
            yield from end(ending)

    def sink(self, call: Call, key: str, take: int, ending: str) -> Steps:
        with self.fate_of(key):
            count, size, in_order = 0, 0, True
            while count != take and (found := (yield from call.taking(1))):
                (one,) = found
                in_order = in_order and one["number"] == count
                count, size = count + 1, size + len(one["body"])
            yield from end(ending)
            return {"count": count, "bytes": size, "in_order": in_order}

    def ping_pong(self, call: Call, key: str, take: int, ending: str) -> Steps:
        with self.fate_of(key):
            taken = 0
            while taken != take and (found := (yield from call.taking(1))):
                taken += 1
                yield from call.sending(*found)
            yield from end(ending)

    def drain(self, call: Call) -> None:
        assert isinstance(call.peer, Connection)
        call.peer.drain()

    @contextmanager
    def fate_of(self, key: str) -> Iterator[None]:
        self.keys[key].count += 1
        fate = "STOPPED"
        try:
            yield
            fate = "DONE"
        finally:
            self.keys[key].fate = fate


def end(ending: str) -> Steps:
    if ending == "WAIT":
        yield lambda: False
    if ending != "WELL":
        raise failure(ending, "as asked for")


def failure(how: str, reason: str) -> Exception:
    if how == "DECLARED":
        return Declared(1, {"reason": reason})
    if how == "OTHER":
        return Declared(2, {"color": "BLUE", "number": 13})
    return RuntimeError(reason)


class PollingConnection(Connection):
    def step(self, until: float, *also: Any) -> None:
        super().step(min(until, time.monotonic() + _POLL), *also)


class ConformancePeer(Server):
    connection_type = PollingConnection

    def __init__(self, *, timeout: float | None = None, features: list[str] | None = None) -> None:
        handlers = Handlers().all()
        super().__init__(Conformance.text, handlers, timeout=timeout, features=features)
