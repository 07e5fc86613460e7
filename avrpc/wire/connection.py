"""One connection, without its socket: bytes in, events out; calls in, bytes out.

The life of a connection (`ConnectionState`) begins with one or two handshake packs each way, which
this module delivers and sends without knowing what is in them. After each, nothing is parsed until
the owner has decided: `again`, `native` or `close`. From `native` on both ends speak frames, and
`outgoing` is there to send them.

    connection = Connection(Role.SERVER)
    for event in connection.receive_data(received): ...
    connection.send_pack(0, answer)
    connection.native(peer_limits, shapes)
    connection.outgoing.result(call_id, value)
    sent = sock.send(connection.data_to_send())
    connection.sent(sent)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from avrpc.wire.calls import CallTable, MessageShape, WireLimits
from avrpc.wire.codes import GoawayCode, LocalError, ProtocolError
from avrpc.wire.compression import MAX_GROWTH_BYTES, Codec, Zstd
from avrpc.wire.contexts import Contexts
from avrpc.wire.deflating import Deflater
from avrpc.wire.events import Event, PackReceived, PeerViolated
from avrpc.wire.incoming import Incoming
from avrpc.wire.inflating import Inflater
from avrpc.wire.outgoing import MAX_BUFFERED_PIECES, Outgoing
from avrpc.wire.packs import encode_pack, parse_pack
from avrpc.wire.pieces import AssemblyBudget
from avrpc.wire.states import ConnectionState, Role, Step, next_connection_state

# A first request carries no text, and fits easily; everything else in a handshake may carry one.
MAX_FIRST_PACK_BYTES = 16 * 1024
MAX_TEXT_PACK_BYTES = 288 * 1024

_DECIDING = frozenset({ConnectionState.DECIDING, ConnectionState.DECIDING_AGAIN})
_OPEN = frozenset({ConnectionState.NATIVE, ConnectionState.DRAINING})


class Connection:
    """The rules of one connection, at one end.

    Args:
        role: Which end this is.
        limits: What this end accepts. It must be what the handshake announces.
        budget: Shared by the connections of a server; by default a connection's own.

    Attributes:
        outgoing: Sends frames, once `native` was called.
        state: Where in its life the connection is.
    """

    def __init__(
        self,
        role: Role,
        limits: WireLimits | None = None,
        budget: AssemblyBudget | None = None,
    ) -> None:
        self.role = role
        self.limits = limits or WireLimits()
        self.state = ConnectionState.HELLO
        self._calls = CallTable(role, self.limits, budget or AssemblyBudget())
        self.outgoing = Outgoing(self._calls)
        self._incoming = Incoming(self._calls, self.outgoing)
        # Bytes of a frame or pack that is not complete, and how many it takes: looked at only
        # when they are there, so that bytes that trickle in are not parsed again and again. In
        # one array, since small chunks would each take 40 bytes more.
        self._held = bytearray()
        self._need = 0

    # Bytes in ...

    def receive_data(self, data: bytes) -> list[Event]:
        """Take bytes from the peer, in whatever chunks they come, and tell what they mean.

        Never raises for what a peer sends: a violation is the last event, `PeerViolated`, with a
        GOAWAY for it in the bytes to send where one can be sent. After it, and after `close`,
        bytes are ignored.

        The events are all that the bytes mean, before anything was answered: one may be of a call
        that a later one ends, or that the owner ended on account of an earlier one. `is_open`
        tells whether there is still something to answer.
        """
        state = self.state
        is_open = state is ConnectionState.NATIVE or state is ConnectionState.DRAINING
        if state is ConnectionState.CLOSED:
            return []
        events: list[Event] = []
        try:
            if not is_open and state in _DECIDING:
                self._hold(data)
                return events
            if self._held:
                self._held += data
                if len(self._held) < self._need:
                    return events
                data = self._take_held()
            if is_open:
                position = self._receive_frames(data, events)
            else:
                position = self._receive_pack(data, events)
        except ProtocolError as error:
            events.append(self._violated(error))
            return events
        if position < len(data):
            self._held += data[position:]
        return events

    def _hold(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > MAX_TEXT_PACK_BYTES:
            raise ProtocolError(
                f"{len(self._held)} bytes came before the handshake was decided",
                GoawayCode.ENHANCE_YOUR_CALM,
            )

    def _take_held(self) -> bytes:
        data, self._held = bytes(self._held), bytearray()
        return data

    @property
    def held(self) -> bytes:
        """Received and not yet understood: for telling what it was that came."""
        return bytes(self._held)

    def _receive_frames(self, data: bytes, events: list[Event]) -> int:
        position = self._incoming.parse(data, 0, events)
        self._need = self._incoming.needed
        if self._calls.draining and self.state is ConnectionState.NATIVE:
            self._step(Step.GOAWAY)
        return position

    def _receive_pack(self, data: bytes, events: list[Event]) -> int:
        first = self.role is Role.SERVER and self.state is ConnectionState.HELLO
        parsed = parse_pack(data, MAX_FIRST_PACK_BYTES if first else MAX_TEXT_PACK_BYTES)
        if isinstance(parsed, int):
            self._need = parsed
            return 0
        pack, position = parsed
        self._step(Step.PACK)
        events.append(PackReceived(pack.serial, pack.content))
        return position

    def _violated(self, error: ProtocolError) -> PeerViolated:
        if self.state in _OPEN:
            self.outgoing.goaway(self._accepted_last(), error.code, str(error))
            for call in self._calls:
                self.outgoing.forget(call)
        self.close()
        return PeerViolated(error.code, str(error))

    # ... decisions on the handshake ...

    def send_pack(self, serial: int, content: bytes) -> None:
        """Send a handshake pack."""
        if self.state in _OPEN:
            raise LocalError("handshake packs come before frames")
        self.outgoing.data += encode_pack(serial, content)

    def again(self) -> list[Event]:
        """Expect one more handshake pack; possible once."""
        self._step(Step.AGAIN)
        return self._go_on()

    def native(
        self,
        peer_limits: WireLimits,
        shapes: Sequence[MessageShape],
        codec: Codec | None = None,
    ) -> list[Event]:
        """Speak frames from here on; tells what has come already.

        Args:
            peer_limits: What the peer announced.
            shapes: By message number, of the client's protocol.
            codec: What both ends compress with, where they have agreed on it.
        """
        self._step(Step.NATIVE)
        max_frame_bytes = min(peer_limits.max_frame_bytes, MAX_BUFFERED_PIECES)
        if codec is not None:
            max_frame_bytes -= MAX_GROWTH_BYTES
            self._compress(codec, min(peer_limits.max_contexts, self.limits.max_contexts))
        self._calls.set_peer_limits(replace(peer_limits, max_frame_bytes=max_frame_bytes))
        self._calls.shapes = shapes
        if self.role is Role.SERVER and self._held:
            error = ProtocolError("the client sent frames before the handshake was answered")
            return [self._violated(error)]
        return self._go_on()

    def _compress(self, codec: Codec, max_sent: int) -> None:
        contexts = None
        if isinstance(codec, Zstd):
            contexts = Contexts(codec, max_sent, self.limits.max_contexts)
        self._calls.contexts = contexts
        self.outgoing.deflater = Deflater(codec, contexts)
        self._incoming.inflater = Inflater(codec, contexts, self._calls)

    def close(self) -> None:
        """Parse nothing more. What is queued may still be sent."""
        if self._calls.contexts is not None:
            self.outgoing.seal()
            self._calls.contexts.close()
        for call in list(self._calls):
            self._calls.drop_assembly(call)
        self._held.clear()
        self._step(Step.CLOSE)

    def _go_on(self) -> list[Event]:
        """Look at what came while the decision was open."""
        return self.receive_data(self._take_held())

    def _step(self, step: Step) -> None:
        try:
            self.state = next_connection_state(self.state, step)
        except ProtocolError as error:
            raise LocalError(str(error)) from None

    # ... the end ...

    def goaway(self, code: GoawayCode, text: str) -> None:
        """Accept no more calls than there are; they go on.

        Sent by a client, it only says goodbye: a client accepts no calls anyway. It opens no
        more after it.
        """
        self._step(Step.GOAWAY)
        self._calls.draining = True
        self._incoming.accepted_last = self._accepted_last()
        self.outgoing.goaway(self._incoming.accepted_last, code, text)

    def _accepted_last(self) -> int:
        """The last call that was accepted: never one above what an earlier GOAWAY said."""
        accepted = self._incoming.accepted_last
        return self._calls.last_id if accepted is None else accepted

    # ... what the owner may want to know, and bytes out.

    @property
    def open_calls(self) -> int:
        """Calls that have not ended; a cancelled one counts until its answer."""
        return len(self._calls)

    def is_open(self, call_id: int) -> bool:
        """Whether the call has not ended."""
        return self._calls.get(call_id) is not None

    def has_slot(self, *, streamed: bool) -> bool:
        """Whether the peer takes one more call now; a client waits until it does.

        After a GOAWAY, whoever sent it, the answer is no and stays so.
        """
        return not self._calls.draining and self._calls.has_slot(
            self._calls.peer_limits, streamed=streamed
        )

    @property
    def peer_limits(self) -> WireLimits:
        """What the peer announced; for its frames, no more than this end ever uses."""
        return self._calls.peer_limits

    @property
    def last_call(self) -> int:
        """The id of the call opened last; 0 before the first."""
        return self._calls.last_id

    @property
    def has_half_values(self) -> bool:
        """Whether values are arriving in pieces."""
        return self._calls.assembling > 0

    def half_values(self) -> dict[int, int]:
        """How many bytes are held of each value that is arriving in pieces, by call."""
        if not self._calls.assembling:
            return {}
        return {
            call.id: call.assembly.size
            for call in self._calls
            if call.assembly is not None and not call.assembly.dropped
        }

    def drop_half_value(self, call_id: int) -> None:
        """Forget what came of a value; what follows of it is counted off, and forgotten too."""
        call = self._calls.get(call_id)
        if call is not None and call.assembly is not None:
            call.assembly.discard()

    @property
    def pings(self) -> int:
        """How many PINGs have come since this was set, which the owner may do."""
        return self._incoming.pings

    @pings.setter
    def pings(self, count: int) -> None:
        self._incoming.pings = count

    def data_to_send(self) -> bytearray:
        """The bytes to send next: `outgoing.data`, itself. Report to `sent` what was taken."""
        return self.outgoing.seal_and_fill()

    def sent(self, count: int) -> None:
        """Drop ``count`` bytes from the front of the bytes to send."""
        del self.outgoing.data[:count]
