"""The protocol without IO: bytes in, events out; events in, bytes out (PROTOCOL.md is its law).

For those who bring their own IO. It knows no sockets, clock, randomness, logging or schemas:

    connection  one connection at one end; begin here
    incoming    frames in, made into events          outgoing   frames out, into one buffer
    states      the two tables that rule it          calls      the open calls, limits
    credit      flow control                         pieces     values larger than a frame
    deflating   frames made smaller                  inflating  and as they were again
    compression codecs                               contexts   what they know of a call's items
    frames      kinds, flags, header                 packs      the handshake's framing
    events      what is reported                     codes      why things end
    primitives  longs, strings and maps in Avro's binary form
"""

from avrpc.wire.calls import MessageShape, WireLimits
from avrpc.wire.codes import GoawayCode, LocalError, ProtocolError, StatusCode
from avrpc.wire.compression import CODECS, Codec, is_available, open_codec
from avrpc.wire.connection import Connection
from avrpc.wire.events import (
    CallReceived,
    CancelReceived,
    CreditReceived,
    EndReceived,
    ErrorReceived,
    Event,
    GoawayReceived,
    ItemsReceived,
    PackReceived,
    PeerViolated,
    PongReceived,
    ResultReceived,
    StatusReceived,
    ValueTooLarge,
)
from avrpc.wire.outgoing import Outgoing
from avrpc.wire.pieces import AssemblyBudget
from avrpc.wire.primitives import MAX_METADATA_ENTRIES, encode_long
from avrpc.wire.states import CallState, ConnectionState, Role

__all__ = [
    "AssemblyBudget",
    "CODECS",
    "CallReceived",
    "CallState",
    "CancelReceived",
    "Codec",
    "Connection",
    "ConnectionState",
    "CreditReceived",
    "EndReceived",
    "ErrorReceived",
    "Event",
    "GoawayCode",
    "GoawayReceived",
    "ItemsReceived",
    "LocalError",
    "MAX_METADATA_ENTRIES",
    "MessageShape",
    "Outgoing",
    "PackReceived",
    "PeerViolated",
    "PongReceived",
    "ProtocolError",
    "ResultReceived",
    "Role",
    "StatusCode",
    "StatusReceived",
    "ValueTooLarge",
    "WireLimits",
    "encode_long",
    "is_available",
    "open_codec",
]
