"""A server of two protocols for these tests: in this process, or by `avrpc serve`."""

import json
import sys
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Any

import trio

import avrpc

QUOTES_JSON = {
    "protocol": "Quotes",
    "namespace": "demo",
    "doc": "Prices of currencies.",
    "types": [
        {"type": "enum", "name": "Side", "symbols": ["BUY", "SELL"], "doc": "Which way."},
        {"type": "fixed", "name": "Id", "size": 2},
        {
            "type": "record",
            "name": "Tick",
            "fields": [
                {"name": "symbol", "type": "string", "doc": "Such as EURUSD."},
                {"name": "price", "type": "double"},
                {"name": "size", "type": "int", "default": 1},
            ],
        },
        {
            "type": "error",
            "name": "UnknownSymbol",
            "fields": [{"name": "symbol", "type": "string"}],
        },
    ],
    "messages": {
        "last": {
            "doc": "The last price\nof a symbol.",
            "request": [
                {"name": "symbol", "type": "string", "doc": "Which one."},
                {"name": "side", "type": "Side", "default": "BUY"},
            ],
            "response": "Tick",
            "errors": ["UnknownSymbol"],
            "idempotent": True,
        },
        "watch": {
            "request": [
                {"name": "symbol", "type": "string"},
                {"name": "count", "type": "int", "default": 3},
            ],
            "response": {"type": "array", "items": "Tick"},
            "errors": ["UnknownSymbol"],
            "stream": "response",
        },
        "record": {
            "request": [
                {"name": "symbol", "type": "string"},
                {"name": "ticks", "type": {"type": "array", "items": "Tick"}},
            ],
            "response": "long",
            "errors": ["UnknownSymbol"],
            "stream": "request",
        },
        "convert": {
            "request": [
                {"name": "rate", "type": "double", "default": 2.0},
                {"name": "amounts", "type": {"type": "array", "items": "double"}},
            ],
            "response": {"type": "array", "items": "double"},
            "errors": ["UnknownSymbol"],
            "stream": "both",
        },
        "note": {
            "request": [{"name": "text", "type": "string"}],
            "response": "null",
            "one-way": True,
        },
        "odd": {
            "request": [
                {"name": "number", "type": ["null", "long"], "default": None},
                {"name": "text", "type": ["null", "string"], "default": None},
                {"name": "id", "type": ["null", "Id"], "default": None},
                {
                    "name": "at",
                    "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}],
                    "default": None,
                },
            ],
            "response": {"type": "map", "values": ["null", "long", "string", "bytes"]},
        },
        "caller": {"request": [], "response": {"type": "map", "values": "string"}},
        "fail": {"request": [], "response": "null"},
        "sleep": {"request": [], "response": "null"},
        "mirror": {"request": [{"name": "self", "type": "string"}], "response": "string"},
        "from": {"request": [{"name": "in", "type": "string"}], "response": "string"},
    },
}
ADMIN_JSON = {
    "protocol": "Admin",
    "namespace": "demo",
    "messages": {"reload": {"request": [], "response": "null"}},
}

Quotes = avrpc.Protocol.parse(json.dumps(QUOTES_JSON))
Admin = avrpc.Protocol.parse(json.dumps(ADMIN_JSON))


class Desk:
    def __init__(self, note: Callable[[str], object]) -> None:
        self._note = note

    async def last(self, symbol: str, side: str) -> dict[str, Any]:
        self._check(symbol)
        return {"symbol": symbol, "price": 1.5 if side == "BUY" else 1.25}

    async def watch(self, symbol: str, count: int) -> AsyncGenerator[dict[str, Any], None]:
        self._check(symbol)
        try:
            for number in range(count):
                yield {"symbol": symbol, "price": 1.5, "size": number}
            if symbol == "SLOW":
                await trio.sleep_forever()
            if symbol == "LATE":
                raise Quotes.errors.UnknownSymbol(symbol=symbol)
        finally:
            self._note(f"watch {symbol} ended")

    async def record(self, symbol: str, ticks: trio.abc.ReceiveChannel[dict[str, Any]]) -> int:
        self._check(symbol)
        count = 0
        try:
            async for _ in ticks:
                count += 1
                self._note(f"recorded {count}")
                if symbol == "ONE":
                    break
        except BaseException:
            self._note("record broke off")
            raise
        return count

    async def convert(
        self, rate: float, amounts: trio.abc.ReceiveChannel[float]
    ) -> AsyncGenerator[float, None]:
        async for amount in amounts:
            if amount < 0:
                raise Quotes.errors.UnknownSymbol(symbol="negative")
            yield amount * rate
            if amount == 0:
                break

    async def note(self, text: str) -> None:
        self._note(f"noted {text}")

    async def odd(
        self,
        number: int | None,
        text: str | None,
        id: bytes | None,  # noqa: A002
        at: datetime | None,
    ) -> dict[str, Any]:
        when = at.astimezone(UTC).isoformat() if at else None
        return {"number": number, "text": text, "id": id, "at": when}

    async def caller(self) -> dict[str, str]:
        call = avrpc.current_call()
        return {name: value.decode() for name, value in call.metadata.items()}

    async def fail(self) -> None:
        raise RuntimeError("a secret")

    async def sleep(self) -> None:
        self._note("sleeping")
        try:
            await trio.sleep_forever()
        finally:
            self._note("sleep ended")

    @staticmethod
    async def mirror(self: str) -> str:  # noqa: PLW0211 - the message's parameter
        return self

    async def from_(self, in_: str) -> str:
        return in_

    async def reload(self) -> None:
        """Of Admin."""

    def _check(self, symbol: str) -> None:
        if symbol == "X":
            raise Quotes.errors.UnknownSymbol(symbol=symbol)


def tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def make(note: Callable[[str], object] = tell) -> avrpc.Server:
    desk = Desk(note)
    return avrpc.Server({Quotes: desk, Admin: desk})


server = make()
