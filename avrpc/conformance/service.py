"""The handlers of the protocol of the cases, for avrpc's own server."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from math import inf
from typing import Any

import trio

import avrpc
from avrpc.conformance.interface import SAMPLE, Conformance, body, item

Items = trio.abc.ReceiveChannel[dict[str, Any]]

_MOST_KEYS = 1000


class Key:
    """What is known of one key."""

    __slots__ = ("count", "fate", "fate_known", "released")

    def __init__(self) -> None:
        self.count = 0
        self.fate = ""
        self.fate_known = trio.Event()
        self.released = trio.Event()


class Keys:
    """What is known of keys, for a server as a whole. Of many, the latest."""

    def __init__(self) -> None:
        self._keys: OrderedDict[str, Key] = OrderedDict()

    def __getitem__(self, name: str) -> Key:
        key = self._keys.setdefault(name, Key())
        self._keys.move_to_end(name)
        if len(self._keys) > _MOST_KEYS:
            self._keys.popitem(last=False)
        return key


class Service:
    """One method for each message.

    Args:
        keys: Shared by all connections.
        drain: Begins to close the connection.
        protocol: The version that is served, whose errors are raised.
    """

    def __init__(
        self, keys: Keys, drain: Callable[[], object], protocol: avrpc.Protocol = Conformance
    ) -> None:
        self._keys = keys
        self._drain = drain
        self._errors = protocol.errors

    # Answered once ...

    async def empty(self) -> None:
        pass

    async def blob(self, payload: bytes, size: int) -> bytes:
        return body(size)

    async def echo(self, value: dict[str, Any]) -> dict[str, Any]:
        return value

    async def sample(self) -> dict[str, Any]:
        return SAMPLE

    async def check(self, value: dict[str, Any]) -> list[str]:
        return [name for name, wanted in SAMPLE.items() if value[name] != wanted]

    async def note(self, key: str) -> None:
        self._keys[key].count += 1

    async def count(self, key: str) -> int:
        return self._keys[key].count

    async def metadata(self) -> Mapping[str, bytes]:
        return dict(avrpc.current_call().metadata)

    async def time_left(self) -> int:
        deadline = avrpc.current_call().deadline
        return -1 if deadline == inf else int((deadline - trio.current_time()) * 1000)

    async def fail(self, how: str, reason: str) -> None:
        raise self._failure(how, reason)

    # ... after a while ...

    async def sleep(self, key: str, ms: int, cleanup_ms: int) -> None:
        with self._fate_of(key):
            try:
                await trio.sleep(ms / 1000)
            except trio.Cancelled:
                with trio.CancelScope(shield=True):
                    await trio.sleep(cleanup_ms / 1000)
                raise

    async def fate(self, key: str) -> str:
        await self._keys[key].fate_known.wait()
        return self._keys[key].fate

    async def hold(self, key: str) -> None:
        self._keys[key].count += 1
        await self._keys[key].released.wait()

    async def release(self, key: str) -> None:
        self._keys[key].released.set()

    # ... item by item ...

    async def source(
        self, key: str, count: int, size: int, ending: str
    ) -> AsyncGenerator[dict[str, Any]]:
        with self._fate_of(key):
            for number in range(count):
                yield item(number, size)
            await self._end(ending)

    async def sink(self, key: str, take: int, ending: str, items: Items) -> dict[str, Any]:
        with self._fate_of(key):
            count, size, in_order = 0, 0, True
            while count != take and (one := await _next(items)) is not None:
                in_order = in_order and one["number"] == count
                count += 1
                size += len(one["body"])
            await self._end(ending)
            return {"count": count, "bytes": size, "in_order": in_order}

    async def ping_pong(
        self, key: str, take: int, ending: str, items: Items
    ) -> AsyncGenerator[dict[str, Any]]:
        with self._fate_of(key):
            taken = 0
            while taken != take and (one := await _next(items)) is not None:
                taken += 1
                yield one
            await self._end(ending)

    # ... and the end.

    async def drain(self) -> None:
        self._drain()

    async def _end(self, ending: str) -> None:
        if ending == "WAIT":
            await trio.sleep_forever()
        if ending != "WELL":
            raise self._failure(ending, "as asked for")

    def _failure(self, how: str, reason: str) -> Exception:
        if how == "DECLARED":
            return self._errors.Refused(reason=reason)
        if how == "OTHER":
            return self._errors.Unlucky(color="BLUE", number=13)
        return RuntimeError(reason)

    @contextmanager
    def _fate_of(self, name: str) -> Iterator[None]:
        key = self._keys[name]
        key.count += 1
        key.fate = "STOPPED"
        try:
            yield
            key.fate = "DONE"
        finally:
            key.fate_known.set()


async def _next(items: Items) -> dict[str, Any] | None:
    """The next item; None at the end of the stream, which a lost connection is not."""
    try:
        return await items.receive()
    except trio.EndOfChannel:
        return None
