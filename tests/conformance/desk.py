"""Cases run in memory, against servers that are sound and servers that are not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
import trio

import avrpc
import avrpc.conformance.cases
from avrpc.conformance.interface import Conformance
from avrpc.conformance.kit import NOTHING, Kit, Known, open_kit
from avrpc.conformance.registry import CASES
from avrpc.conformance.runner import Ending, Verdict, run_case
from avrpc.conformance.service import Service
from avrpc.conformance.serving import ConformanceServer, server_that_is
from avrpc.conformance.trace import Cutter, Frame
from avrpc.schema.handshake_records import HANDSHAKE_RESPONSE, REFUSAL
from avrpc.testing import Link
from avrpc.wire import Codec, Connection, Event, GoawayCode, MessageShape, ProtocolError, WireLimits
from avrpc.wire.frames import encode_frame
from avrpc.wire.packs import encode_pack, parse_pack

PATIENCE = 5.0

Serve = Callable[[trio.abc.Stream], Awaitable[None]]


def names(group: str) -> list[str]:
    """The names of the cases of a group."""
    return [one.name for one in CASES.values() if one.group == group]


@asynccontextmanager
async def kit_for(serve: Serve | None = None) -> AsyncIterator[Kit]:
    """A kit as a case gets it, and a server in memory: by default avrpc's."""
    serve = serve or ConformanceServer().serve_stream
    async with trio.open_nursery() as nursery:

        async def opener() -> trio.abc.Stream:
            link = Link()
            nursery.start_soon(serve, link.server)
            return link.client

        async with open_kit(opener, PATIENCE) as kit:
            yield kit


async def try_case(name: str, serve: Serve | None = None, known: Known = NOTHING) -> Ending:
    """Run a case against a server in memory: by default avrpc's, which is as it is known to be."""
    serve = serve or ConformanceServer(server_that_is(known)).serve_stream
    async with trio.open_nursery() as nursery:

        async def opener() -> trio.abc.Stream:
            link = Link()
            nursery.start_soon(serve, link.server)
            return link.client

        ending = await run_case(CASES[name], opener, PATIENCE, known)
        nursery.cancel_scope.cancel()
    return ending


async def passes(name: str, known: Known = NOTHING) -> None:
    ending = await try_case(name, known=known)
    assert ending.verdict is Verdict.PASSED, ending


async def fails(name: str, serve: Serve, known: Known = NOTHING) -> Ending:
    ending = await try_case(name, serve, known)
    assert ending.verdict is Verdict.FAILED, ending
    assert ending.expected
    assert ending.came
    return ending


def table(defects: dict[Any, Iterable[str]]) -> pytest.MarkDecorator:
    """Each defect with each case that is to notice it."""
    return pytest.mark.parametrize(
        ("defect", "name"),
        [
            pytest.param(defect, name, id=f"{defect.__name__}-{name}")
            for defect, noticed_by in defects.items()
            for name in noticed_by
        ],
    )


# Servers with a defect ...


async def deaf(stream: trio.abc.Stream) -> None:
    """Says nothing at all."""
    while await stream.receive_some():
        pass
    await stream.aclose()


def handling(**handlers: Callable[..., Any]) -> Serve:
    """With other handlers; each gets the service first."""

    def server_of(service: Service) -> avrpc.Server:
        methods = {name: getattr(service, name) for name in Conformance.messages}
        for name, handler in handlers.items():
            methods[name] = handler.__get__(service)
        return avrpc.Server({Conformance: methods}, compression="auto")

    return ConformanceServer(server_of).serve_stream


def ruled_by(connection_type: type[Connection]) -> Serve:
    """With another core."""

    class Server(avrpc.Server):
        def connection(self) -> Connection:
            core = super().connection()
            core.__class__ = connection_type
            return core

    return serving(Server)


def agreeing(
    on: Callable[[WireLimits, Sequence[MessageShape]], tuple[WireLimits, Sequence[MessageShape]]],
) -> Serve:
    """With a core that takes something else to be agreed on than was."""

    class Core(Connection):
        def native(
            self,
            peer_limits: WireLimits,
            shapes: Sequence[MessageShape],
            codec: Codec | None = None,
        ) -> list[Event]:
            return super().native(*on(peer_limits, shapes), codec)

    return ruled_by(Core)


def with_limits(**limits: int) -> Serve:
    """Takes the client to have announced these."""
    return agreeing(lambda announced, shapes: (replace(announced, **limits), shapes))


def with_values_of(max_value_bytes: int) -> Serve:
    """Puts together values of so many bytes, whatever it said."""
    return agreeing(
        lambda announced, shapes: (
            announced,
            [replace(shape, max_value_bytes=max_value_bytes) for shape in shapes],
        )
    )


def serving(server_type: type[avrpc.Server]) -> Serve:
    """With another server."""
    server = ConformanceServer(
        lambda service: server_type({Conformance: service}, compression="auto")
    )
    return server.serve_stream


def lenient() -> Serve:
    """With a core that drops what breaks a rule."""

    def taking_what_is_legal(receiver: Callable[..., None] | None) -> Callable[..., None]:
        def take(*frame: Any) -> None:
            with suppress(ProtocolError):
                if receiver is not None:
                    receiver(*frame)

        return take

    class Core(Connection):
        def native(
            self,
            peer_limits: WireLimits,
            shapes: Sequence[MessageShape],
            codec: Codec | None = None,
        ) -> list[Event]:
            receivers = self._incoming._RECEIVERS
            self._incoming._RECEIVERS = [*map(taking_what_is_legal, receivers)]  # type: ignore[misc]
            self._calls.limits = replace(self._calls.limits, max_frame_bytes=2**24)
            return super().native(peer_limits, shapes, codec)

    return ruled_by(Core)


def telling(change: Callable[[Event], list[Event]]) -> Serve:
    """With a core that tells of other things than came."""

    class Telling(Connection):
        def receive_data(self, data: bytes) -> list[Event]:
            return [told for event in super().receive_data(data) for told in change(event)]

    return ruled_by(Telling)


def sending(
    frame: Callable[[Frame], list[Frame]] | None = None,
    pack: Callable[[int, bytes], tuple[int, bytes]] | None = None,
) -> Serve:
    """Whose frames, or packs, are changed on their way to the client."""

    return over(lambda stream: Tampered(stream, frame=frame, pack=pack))


def over(stream_type: Callable[[trio.abc.Stream], Tampered]) -> Serve:
    """A sound server, on streams that are not."""
    server = ConformanceServer()

    async def serve(stream: trio.abc.Stream) -> None:
        await server.serve_stream(stream_type(stream))

    return serve


def _as_it_is(serial: int, content: bytes) -> tuple[int, bytes]:
    return serial, content


class Tampered(trio.abc.HalfCloseableStream):
    """A server's stream that changes what the server sends."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        *,
        frame: Callable[[Frame], list[Frame]] | None = None,
        pack: Callable[[int, bytes], tuple[int, bytes]] | None = None,
        close: bool = True,
        eof: bool = True,
    ) -> None:
        assert isinstance(stream, trio.abc.HalfCloseableStream)
        self._stream = stream
        self._frame = frame or (lambda frame: [frame])
        self._pack = pack or _as_it_is
        self._close, self._eof = close, eof
        self._cutter = Cutter()
        self._native = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        data = bytes(data)
        out = b""
        if not self._native:
            parsed = parse_pack(data, 1 << 20)
            assert not isinstance(parsed, int), "avrpc sends a pack in one go"
            (serial, content), size = parsed
            data = data[size:]
            out += encode_pack(*self._pack(serial, content))
            self._native = content[0] != 4  # not NONE
        for frame in self._cutter.feed(data):
            out += b"".join(encode_frame(*changed) for changed in self._frame(frame))
        if out:
            await self._stream.send_all(out)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_eof(self) -> None:
        if self._eof:
            await self._stream.send_eof()

    async def aclose(self) -> None:
        if self._close:
            await self._stream.aclose()


def _refusal(serial: int, content: bytes) -> tuple[int, bytes]:
    refusal = REFUSAL.encode({"code": int(GoawayCode.INCOMPATIBLE_PROTOCOL), "text": "not my text"})
    meta = {"avrpc-refused": refusal}
    response = {"match": "NONE", "serverProtocol": None, "serverHash": None, "meta": meta}
    return serial, HANDSHAKE_RESPONSE.encode(response)


# Takes no text but its own, and looks at no other.
insisting = sending(
    pack=lambda serial, content: (_refusal if serial else _as_it_is)(serial, content)
)
# Takes no text at all.
refusing = sending(pack=_refusal)
# Shakes hands, and says nothing more.
mute = sending(frame=lambda frame: [])
