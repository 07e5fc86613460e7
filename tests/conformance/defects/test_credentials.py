from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import avrpc
from avrpc.conformance.interface import Conformance
from avrpc.conformance.kit import Known
from avrpc.conformance.serving import ConformanceServer, server_that_is
from avrpc.schema.handshake_records import HANDSHAKE_RESPONSE, REFUSAL
from avrpc.wire import GoawayCode
from avrpc.wire.packs import parse_pack
from tests.conformance.desk import Serve, Tampered, fails, names, over, table

ASKING = Known(credentials=b"secret")


@pytest.mark.parametrize("name", names("credentials"))
async def test_case_fails_with_a_server_that_says_nothing(
    name: str, autojump_clock: MockClock
) -> None:
    async def silent(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    await fails(name, silent, ASKING)


def letting_in(hook: Any) -> Serve:
    """A server with a hook of its own."""
    server = ConformanceServer(
        lambda service: avrpc.Server({Conformance: service}, authenticate=hook)
    )
    return server.serve_stream


def all_are_let_in() -> Serve:
    return ConformanceServer().serve_stream


def nobody_is_let_in() -> Serve:
    return letting_in(lambda presented: None)


def none_is_as_good_as_any() -> Serve:
    return letting_in(lambda presented: presented.credentials in (None, b"secret"))


def beginnings_will_do() -> Serve:
    return letting_in(lambda presented: b"secret".startswith(presented.credentials or b"?"))


def more_will_do() -> Serve:
    return letting_in(lambda presented: (presented.credentials or b"").startswith(b"secret"))


def long_ones_are_not_looked_at() -> Serve:
    return letting_in(
        lambda presented: (
            presented.credentials == b"secret" or len(presented.credentials or b"") > 8000
        )
    )


def asking(stream_type: Callable[[trio.abc.Stream], Tampered]) -> Serve:
    """A sound server that asks, on streams that are not."""
    server = ConformanceServer(server_that_is(ASKING))

    async def serve(stream: trio.abc.Stream) -> None:
        await server.serve_stream(stream_type(stream))

    return serve


def strangers_are_told_why() -> Serve:
    refusal = {"code": int(GoawayCode.UNAUTHENTICATED), "text": "no such user"}

    def pack(serial: int, content: bytes) -> tuple[int, bytes]:
        response, position = HANDSHAKE_RESPONSE.decode(content)
        if "avrpc-refused" in (response["meta"] or {}):
            response["meta"] = {"avrpc-refused": REFUSAL.encode(refusal)}
        return serial, HANDSHAKE_RESPONSE.encode(response) + content[position:]

    return asking(lambda stream: Tampered(stream, pack=pack))


def strangers_stay_connected() -> Serve:
    return asking(lambda stream: Tampered(stream, close=False))


def names_are_looked_at_first() -> Serve:
    """A protocol that is not offered is refused before credentials are asked for."""
    open_to_all = ConformanceServer()
    asks = ConformanceServer(server_that_is(ASKING))

    async def serve(stream: trio.abc.Stream) -> None:
        first = bytes(await stream.receive_some())
        server = open_to_all if b"no.Such" in first else asks
        await server.serve_stream(Replayed(stream, first))

    return serve


class Replayed(Tampered):
    """A stream of which something was read already."""

    def __init__(self, stream: trio.abc.Stream, first: bytes) -> None:
        super().__init__(stream)
        self._first = first

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        first, self._first = self._first, b""
        return first or await super().receive_some(max_bytes)


def calls_of_strangers_are_run() -> Serve:
    class Stream(Tampered):
        """What came behind the pack is taken when the pack was answered."""

        behind = b""

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            if self._native:
                data, self.behind = self.behind, b""
                return data or await super().receive_some(max_bytes)
            data = await super().receive_some(max_bytes)
            parsed = parse_pack(data, 1 << 20)
            assert not isinstance(parsed, int)
            self.behind = data[parsed[1] :]
            return data[: parsed[1]]

    return over(Stream)


WRONG = ["wrong_credentials", "nearly_right_credentials", "longest_credentials"]
NONE = ["no_credentials", "strangers_learn_nothing", "stranger_of_plain_avro_rpc"]


@table(
    {
        all_are_let_in: [*WRONG, *NONE],
        nobody_is_let_in: [
            "right_credentials",
            "right_credentials_in_both_packs",
            "other_credentials_in_the_second_pack",
        ],
        none_is_as_good_as_any: NONE,
        calls_of_strangers_are_run: ["strangers_call_nothing"],
        beginnings_will_do: ["nearly_right_credentials"],
        more_will_do: ["nearly_right_credentials"],
        long_ones_are_not_looked_at: ["longest_credentials"],
        strangers_are_told_why: [*WRONG, "no_credentials", "strangers_learn_nothing"],
        strangers_stay_connected: [*WRONG, *NONE],
        names_are_looked_at_first: ["strangers_learn_nothing"],
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect(), ASKING)


async def test_second_packs_that_nobody_looks_at_are_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avrpc.auth.same_secret", lambda one, other: True)
    name = "other_credentials_in_the_second_pack"
    await fails(name, ConformanceServer(server_that_is(ASKING)).serve_stream, ASKING)
