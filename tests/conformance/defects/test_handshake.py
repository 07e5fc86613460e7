from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import avrpc
from avrpc.conformance.interface import Conformance
from avrpc.handshake import ServerHandshake
from avrpc.replies import Reply
from avrpc.schema import Protocol
from avrpc.schema.handshake_records import HANDSHAKE_RESPONSE, HELLO, REFUSAL
from avrpc.wire import GoawayCode
from tests.conformance.desk import (
    Serve,
    Tampered,
    deaf,
    fails,
    names,
    over,
    sending,
    serving,
    table,
)


@pytest.mark.parametrize("name", names("handshake") + names("bad_handshakes"))
async def test_case_fails_with_a_deaf_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, deaf)


def answering(change: Callable[[dict[str, Any]], object]) -> Serve:
    """Changes the HandshakeResponse, as a dict, in place."""

    def pack(serial: int, content: bytes) -> tuple[int, bytes]:
        response, position = HANDSHAKE_RESPONSE.decode(content)
        change(response)
        return serial, HANDSHAKE_RESPONSE.encode(response) + content[position:]

    return sending(pack=pack)


def saying(change: Callable[[dict[str, Any]], object]) -> Serve:
    """Changes the Hello, if there is one."""

    def change_hello(response: dict[str, Any]) -> None:
        meta = response["meta"] or {}
        if "avrpc" in meta:
            hello, _ = HELLO.decode(meta["avrpc"])
            change(hello)
            meta["avrpc"] = HELLO.encode(hello)

    return answering(change_hello)


def deciding(decide: Callable[..., Any]) -> Serve:
    """With another `ServerHandshake._decide`; it gets the sound one first."""

    class Handshake(ServerHandshake):
        def _decide(self, request: Any, hello: Any, rest: bytes) -> Reply:
            return decide(super()._decide, dict(request), dict(hello), rest)  # type: ignore[no-any-return]

    class Server(avrpc.Server):
        def handshake(self) -> ServerHandshake:
            made = super().handshake()
            made.__class__ = Handshake
            return made

    return serving(Server)


def text_of_other_hash() -> Serve:
    return answering(
        lambda response: response.update(serverHash=response["serverHash"] and bytes(16))
    )


def other_sha256() -> Serve:
    return saying(lambda hello: hello.update(sha256=bytes(32)))


def no_text() -> Serve:
    return answering(lambda response: response.update(serverProtocol=None))


def text_also_with_both() -> Serve:
    return answering(lambda response: response.update(serverProtocol="text"))


def text_that_is_none() -> Serve:
    def change(response: dict[str, Any]) -> None:
        if response["serverProtocol"]:
            text = '{"protocol":"broken"'
            response.update(serverProtocol=text)

    return answering(change)


def other_version() -> Serve:
    return saying(lambda hello: hello.update(minVersion=2, maxVersion=2))


def range_of_versions() -> Serve:
    return saying(lambda hello: hello.update(maxVersion=9))


def no_protocols() -> Serve:
    return saying(lambda hello: hello.update(protocols=[]))


def last_protocol_first() -> Serve:
    return saying(lambda hello: hello.update(protocols=["a.First", *hello["protocols"]]))


def features_of_later() -> Serve:
    return saying(lambda hello: hello.update(features=["later"]))


def limits_out_of_range() -> Serve:
    return saying(lambda hello: hello.update(limits={"maxFrameBytes": 1}))


def no_hello() -> Serve:
    return answering(lambda response: response.update(meta={}))


def hello_with_bytes_over() -> Serve:
    def change(response: dict[str, Any]) -> None:
        response["meta"] = {key: one + b"\0" for key, one in (response["meta"] or {}).items()}

    return answering(change)


def none_for_all() -> Serve:
    return answering(lambda response: response.update(match="NONE"))


def client_for_both() -> Serve:
    def change(response: dict[str, Any]) -> None:
        if response["match"] == "BOTH":
            response["match"] = "CLIENT"

    return answering(change)


def serials_of_zero() -> Serve:
    return sending(pack=lambda serial, content: (0, content))


def no_response() -> Serve:
    return sending(pack=lambda serial, content: (serial, b"\x09"))


def frames_that_are_not_spoken() -> Serve:
    return sending(frame=lambda frame: [])


def sha256_that_nobody_looks_at() -> Serve:
    def decide(sound: Any, request: Any, hello: Any, rest: bytes) -> Reply:
        own = request_protocol(request)
        return sound(request, hello | {"sha256": own.sha256 if own else hello["sha256"]}, rest)  # type: ignore[no-any-return]

    return deciding(decide)


def request_protocol(request: Mapping[str, Any]) -> Any:
    return Conformance if request["clientHash"] == Conformance.md5 else None


def hashes_that_are_believed() -> Serve:
    def decide(sound: Any, request: Any, hello: Any, rest: bytes) -> Reply:
        if request["clientProtocol"] is not None:
            own = Protocol.parse(request["clientProtocol"], verbatim=True)
            request["clientHash"], hello["sha256"] = own.md5, own.sha256
        return sound(request, hello, rest)  # type: ignore[no-any-return]

    return deciding(decide)


def new_limits_are_wrong() -> Serve:
    def decide(sound: Any, request: Any, hello: Any, rest: bytes) -> Reply:
        limits = {
            name: -1 if name == "maxMoons" else hello["limits"][name] for name in hello["limits"]
        }
        known = {"maxFrameBytes": 0} if -1 in limits.values() else limits
        return sound(request, hello | {"limits": known}, rest)  # type: ignore[no-any-return]

    return deciding(decide)


def announced_limits_are_wrong() -> Serve:
    def decide(sound: Any, request: Any, hello: Any, rest: bytes) -> Reply:
        return sound(request, hello, b"" if len(hello["limits"]) == 7 else rest)  # type: ignore[no-any-return]

    return deciding(decide)


def any_version_is_fine() -> Serve:
    def decide(sound: Any, request: Any, hello: Any, rest: bytes) -> Reply:
        return sound(request, hello | {"minVersion": 1}, rest)  # type: ignore[no-any-return]

    return deciding(decide)


def one_version_alone_is_fine() -> Serve:
    def decide(sound: Any, request: Any, hello: Any, rest: bytes) -> Reply:
        return sound(request, hello | {"minVersion": hello["maxVersion"]}, rest)  # type: ignore[no-any-return]

    return deciding(decide)


def any_protocol_is_fine() -> Serve:
    def decide(sound: Any, request: Any, hello: Any, rest: bytes) -> Reply:
        return sound(request, hello | {"protocol": ""}, rest)  # type: ignore[no-any-return]

    return deciding(decide)


def anything_behind_is_fine() -> Serve:
    def decide(sound: Any, request: Any, hello: Any, rest: bytes) -> Reply:
        return sound(request, hello, b"\0\0")  # type: ignore[no-any-return]

    return deciding(decide)


def limits_of_any_size_are_fine() -> Serve:
    def decide(sound: Any, request: Any, hello: Any, rest: bytes) -> Reply:
        return sound(request, hello | {"limits": {}}, rest)  # type: ignore[no-any-return]

    return deciding(decide)


def first_texts_are_fine() -> Serve:
    def decide(sound: Any, request: Any, hello: Any, rest: bytes) -> Reply:
        return sound(request | {"clientProtocol": None}, hello, rest)  # type: ignore[no-any-return]

    return deciding(decide)


def refusals_of_another_code() -> Serve:
    def change(response: dict[str, Any]) -> None:
        meta = response["meta"] or {}
        if "avrpc-refused" in meta:
            refusal = {"code": int(GoawayCode.INTERNAL_ERROR), "text": "no"}
            response["meta"] = {"avrpc-refused": REFUSAL.encode(refusal)}

    return answering(change)


def refusals_with_a_text() -> Serve:
    def change(response: dict[str, Any]) -> None:
        if "avrpc-refused" in (response["meta"] or {}):
            response["serverProtocol"] = "text"

    return answering(change)


def refused_connections_stay_open() -> Serve:
    return over(lambda stream: Tampered(stream, close=False))


def packs_of_one_buffer_only() -> Serve:
    class Stream(Tampered):
        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            data = await super().receive_some(max_bytes)
            return b"" if data[:4] == bytes(4) and data[4:8] != b"\0\0\0\1" else data

    return over(Stream)


def packs_that_come_in_one_go() -> Serve:
    class Stream(Tampered):
        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            data = await super().receive_some(max_bytes)
            return b"" if len(data) < 8 else data

    return over(Stream)


def plain_clients_are_refused() -> Serve:
    def change(response: dict[str, Any]) -> None:
        if response["match"] == "BOTH" and response["meta"] is None:
            response["match"] = "NONE"

    return answering(change)


async def welcoming(stream: trio.abc.Stream) -> None:
    """Answers anything as if it were the handshake of a client that it knows."""
    from avrpc.wire.packs import encode_pack

    await stream.receive_some()
    response = {"match": "BOTH", "serverProtocol": None, "serverHash": None, "meta": None}
    await stream.send_all(encode_pack(0, HANDSHAKE_RESPONSE.encode(response)))
    await stream.aclose()


NONE = ["handshake_none", "handshake_without_protocol", "handshake_md5_is_no_proof"]


SECOND = ["second_pack_without_text", "text_of_other_hashes", "text_of_another_sha256"]


TYPES = [
    "text_that_is_no_protocol",
    "text_with_an_unknown_type",
    "text_with_an_array_of_null",
    "text_with_an_endless_record",
    "text_that_is_too_long",
]


REFUSED = [
    "no_version_in_common",
    "unknown_protocol",
    "text_in_the_first_pack",
    "no_ping",
    "more_than_a_ping",
    "limit_out_of_range",
    "hello_that_is_malformed",
    "hello_with_bytes_over",
    "text_of_another_protocol",
    *SECOND,
    *TYPES,
]


CLOSED = [
    "pack_that_is_too_long",
    "pack_without_buffers",
    "pack_of_too_many_buffers",
    "http_request",
]


@table(
    {
        text_of_other_hash: [*NONE, "handshake_client", "handshake_sha256_of_no_text"],
        other_sha256: [*NONE, "handshake_both", "handshake_client"],
        no_text: [*NONE, "handshake_client"],
        text_also_with_both: ["handshake_both"],
        text_that_is_none: NONE,
        other_version: ["handshake_both", "handshake_none", "later_versions_too"],
        range_of_versions: ["handshake_both", "later_versions_too"],
        no_protocols: ["handshake_both", "handshake_none"],
        last_protocol_first: ["handshake_first_protocol"],
        features_of_later: ["handshake_both", "handshake_none"],
        limits_out_of_range: ["handshake_both", "handshake_with_every_limit"],
        no_hello: [*NONE, "handshake_both", "handshake_client"],
        hello_with_bytes_over: [*NONE, "handshake_both", "handshake_client"],
        none_for_all: ["handshake_both", "handshake_client", "handshake_none", "plain_avro_rpc"],
        client_for_both: ["handshake_both", "handshake_without_protocol"],
        serials_of_zero: ["handshake_none", "handshake_without_protocol", "plain_avro_rpc"],
        no_response: ["handshake_both", "handshake_in_many_buffers", "handshake_byte_by_byte"],
        frames_that_are_not_spoken: ["handshake_both", "handshake_client", "handshake_none"],
        sha256_that_nobody_looks_at: ["handshake_md5_is_no_proof", "handshake_sha256_of_no_text"],
        hashes_that_are_believed: ["text_of_other_hashes", "text_of_another_sha256"],
        new_limits_are_wrong: ["handshake_ignores_what_is_new"],
        announced_limits_are_wrong: ["handshake_with_every_limit"],
        any_version_is_fine: ["no_version_in_common"],
        one_version_alone_is_fine: ["later_versions_too"],
        any_protocol_is_fine: ["unknown_protocol"],
        anything_behind_is_fine: ["no_ping", "more_than_a_ping"],
        limits_of_any_size_are_fine: ["limit_out_of_range"],
        first_texts_are_fine: ["text_in_the_first_pack"],
        refusals_of_another_code: REFUSED,
        refusals_with_a_text: REFUSED,
        refused_connections_stay_open: [*REFUSED, "plain_avro_rpc", *CLOSED],
        packs_of_one_buffer_only: ["handshake_in_many_buffers"],
        packs_that_come_in_one_go: ["handshake_byte_by_byte"],
        plain_clients_are_refused: ["plain_avro_rpc"],
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect())


@pytest.mark.parametrize("name", [*CLOSED, "pack_of_other_bytes"])
async def test_server_that_welcomes_anything_is_noticed(
    name: str, autojump_clock: MockClock
) -> None:
    await fails(name, welcoming)


OTHER_TEXTS = ["handshake_none", "handshake_none_then_client", *SECOND, *TYPES]
