"""The first bytes of a connection, on trio: drives `handshake` over a transport, at either end."""

from __future__ import annotations

from typing import Any, NoReturn

import trio

from avrpc.auth import Doorkeeper
from avrpc.errors import ConnectFailed, NotAvrpc, TlsFailed
from avrpc.handshake import ClientHandshake, ServerHandshake
from avrpc.limits import Limits
from avrpc.replies import Agreement, Reply, Verdict, refusal
from avrpc.shown import shown
from avrpc.transport import Transport
from avrpc.wire import Connection, GoawayCode, PackReceived, PeerViolated
from avrpc.wire.packs import encode_pack

# How a TLS connection begins: with a record of the handshake, or with an alert.
_TLS_HANDSHAKE, _TLS_ALERT = b"\x16\x03", b"\x15\x03"


async def open_client(
    transport: Transport, connection: Connection, handshake: ClientHandshake, limits: Limits
) -> tuple[Agreement, list[Any]]:
    """Shake hands with a server, by TLS first if the transport has it.

    Gives what was agreed, and the events that came with the server's answer.

    Raises:
        ConnectFailed: The server refused, or does not speak avrpc, or hung up.
    """
    try:
        await transport.open()
    except trio.BrokenResourceError as error:
        raise _hung_up(transport, error) from error
    serial, content = 0, handshake.first()
    while True:
        connection.send_pack(serial, content)
        await _send(transport, connection)
        answer = handshake.answer(await _receive_answer(transport, connection, serial))
        if isinstance(answer, Agreement):
            shapes = answer.shapes(limits.max_message_bytes)
            return answer, list(connection.native(answer.peer_limits, shapes, answer.codec))
        if connection.again() or connection.held:
            raise NotAvrpc(f"{transport.peer}: does not speak avrpc: sent more than an answer")
        serial, content = serial + 1, answer


async def _receive_answer(transport: Transport, connection: Connection, serial: int) -> bytes:
    """The content of the answer to the pack of that serial, with which it begins."""
    expected, begun = serial.to_bytes(4), b""
    while True:
        try:
            data = await transport.receive()
        except trio.BrokenResourceError as error:
            raise _hung_up(transport, error) from error
        if not data:
            held = connection.held[:40]
            found = f"; before that came {held!r}" if held else ""
            raise ConnectFailed(f"{transport.peer}: hung up in the handshake{found}")
        begun += data[: 4 - len(begun)]
        if _TLS_ALERT.startswith(begun[:2]):
            address = transport.peer.replace("tcp:", "tls:", 1)
            raise NotAvrpc(f"{transport.peer}: the server speaks TLS there; connect to {address}")
        if not expected.startswith(begun):
            raise NotAvrpc(
                f"{transport.peer}: does not speak avrpc: expected the answer to handshake pack"
                f" {serial}, found {(connection.held + data)[:40]!r}"
            )
        for event in connection.receive_data(data):
            if isinstance(event, PeerViolated):
                raise NotAvrpc(f"{transport.peer}: does not speak avrpc: {shown(event.text)}")
            assert isinstance(event, PackReceived)
            return event.content


async def _send(transport: Transport, connection: Connection) -> None:
    try:
        await _send_all(transport, connection.data_to_send())
    except trio.BrokenResourceError as error:
        raise _hung_up(transport, error) from error


def _hung_up(transport: Transport, error: trio.BrokenResourceError) -> ConnectFailed:
    return ConnectFailed(f"{transport.peer}: hung up in the handshake: {error}")


async def _send_all(transport: Transport, data: bytearray) -> None:
    while data:
        transport.send_now(data)
        if data:
            await transport.wait_send(data)


_MORE = "the client sent more before it was answered"


class Refused(Exception):
    """This server refused a client; the text says why, for the log."""


async def open_server(
    transport: Transport,
    connection: Connection,
    handshake: ServerHandshake,
    limits: Limits,
    doorkeeper: Doorkeeper | None = None,
) -> tuple[Agreement, list[Any]]:
    """Shake hands with a client, by TLS first if the transport has it.

    Gives what was agreed, and events that came at once.

    Raises:
        Refused: There will be no calls. What the client is to know was sent.
        trio.BrokenResourceError: The client hung up.
    """
    try:
        await transport.open()
    except TlsFailed as error:
        raise Refused(str(error).removeprefix(f"{transport.peer}: ")) from error
    while True:
        pack = await _receive_request(transport, connection)
        if doorkeeper is None:
            reply = handshake.request(pack.content)
        else:
            reply = await _ask_and_answer(transport, handshake, doorkeeper, pack.content)
        connection.send_pack(pack.serial, reply.content)
        if reply.verdict is Verdict.NATIVE:
            agreement = reply.agreement
            assert agreement is not None
            shapes = agreement.shapes(limits.max_message_bytes)
            events = connection.native(agreement.peer_limits, shapes, agreement.codec)
            await _send_all(transport, connection.data_to_send())
            return agreement, list(events)
        await _send_all(transport, connection.data_to_send())
        if reply.verdict is Verdict.CLOSE:
            raise Refused(reply.refusal)
        if connection.again() or connection.held:
            raise Refused(_MORE)


async def _ask_and_answer(
    transport: Transport, handshake: ServerHandshake, doorkeeper: Doorkeeper, content: bytes
) -> Reply:
    request = handshake.read(content)
    if isinstance(request, Reply):
        return request
    if await _admits(transport, doorkeeper, request.credentials):
        return handshake.answer(request)
    return handshake.turn_away(request)


async def _admits(transport: Transport, doorkeeper: Doorkeeper, credentials: bytes | None) -> bool:
    """Ask whether a client may go on. If it leaves, or does not wait, that ends the asking."""
    admitted = False
    came: list[bytes] = []

    async def watch() -> None:
        try:
            came.append(await transport.receive())
        except trio.BrokenResourceError:
            came.append(b"")
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        admitted = await doorkeeper.admits(credentials)
        nursery.cancel_scope.cancel()
    if came == [b""]:
        raise trio.BrokenResourceError("hung up in the handshake")
    if came:
        raise Refused(_MORE)
    return admitted


async def _receive_request(transport: Transport, connection: Connection) -> PackReceived:
    begun = b""
    while True:
        data = await transport.receive()
        if not data:
            raise trio.BrokenResourceError("hung up in the handshake")
        begun += data[: 2 - len(begun)]
        for event in connection.receive_data(data):
            if isinstance(event, PeerViolated) and begun == _TLS_HANDSHAKE:
                await _refuse_tls(transport)
            if isinstance(event, PeerViolated):
                raise Refused(event.text)
            assert isinstance(event, PackReceived)
            return event


async def _refuse_tls(transport: Transport) -> NoReturn:
    """Answer a TLS client in plain, which tells it that this is not TLS."""
    text = "this address is served without TLS"
    pack = encode_pack(0, refusal(GoawayCode.PROTOCOL_ERROR, text).content)
    await _send_all(transport, bytearray(pack))
    raise Refused(
        f"the client speaks TLS, and {text}; serve a tls:// address, or let it use tcp://"
    )
