"""What one end accepts, and how long it waits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import inf

from avrpc.wire import WireLimits

_KIB = 1024
_MIB = 1024 * _KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one end, in bytes, counts and seconds. The peer learns those that concern it.

    A time of `math.inf` is no limit.

    Attributes:
        max_frame_bytes: Largest frame taken; larger values come in pieces. 64 KiB: what a small
            call waits behind at most.
        max_message_bytes: Largest value (parameters, result, error, item) taken. 4 MiB, as gRPC.
        window_bytes: Credit of each call and direction: how much is sent before the application
            has taken it. 256 KiB keeps a fast stream busy and a slow reader cheap.
        max_calls: Calls open at once on a connection. Beyond, callers wait for a slot.
        max_streamed_calls: As many of them may stream; each can hold a window of memory.
        max_values_in_pieces: Large values under way at once, per direction.
        max_metadata_bytes: Largest metadata taken with a call or an answer. At most 8 KiB.
        max_contexts: Streams compressed by zstd at once on a connection, in each direction; others
            travel as they are. Each takes up to 290 KiB at its sender and 280 KiB at its receiver.
        max_pings: PINGs taken in half a minute: ten a second, where one in 30 s shows that a peer
            lives. Of one that sends more the connection ends.
        max_running_handlers: Handlers running at once in a server; beyond, calls are refused.
        max_assembly_bytes: Half values that a server holds, over all its connections.
        max_connections: Connections of a server. Beyond, new ones wait to be accepted.
        max_handshakes: Of them, those that have not shaken hands. Beyond, new ones wait.
        handshake_timeout: From accept to the end of the handshake.
        keepalive_interval: After so much silence a PING is sent. 30 s, below the minute after
            which many routers and load balancers forget a connection.
        keepalive_timeout: How long anything may take to come after it, before the connection is
            given up. Raise it where the peer's loop may stand still for longer.
        write_stall_timeout: How long a peer may take no byte of what there is to send.
        piece_timeout: How long a large value may take from one piece to the next.
        idle_timeout: A connection without a call is closed after it. Off, unless set.
        max_call_time: A server ends handlers after it, also of callers that set no deadline, or a
            longer one; these get `LimitExceeded`. Off, unless set.
        drain_timeout: How long a closing server lets calls finish before it cancels them.
        cancel_timeout: How long it then waits for handlers to end.
        close_timeout: Bound on every other step of closing a connection.

    Raises:
        ValueError: One is no number, or outside of its range; the text says which.
    """

    max_frame_bytes: int = 64 * _KIB
    max_message_bytes: int = 4 * _MIB
    window_bytes: int = 256 * _KIB
    max_calls: int = 1024
    max_streamed_calls: int = 100
    max_values_in_pieces: int = 8
    max_metadata_bytes: int = 8 * _KIB
    max_contexts: int = 16
    max_pings: int = 300
    max_running_handlers: int = 32_768
    max_assembly_bytes: int = 256 * _MIB
    max_connections: int = 10_000
    max_handshakes: int = 512
    handshake_timeout: float = 10.0
    keepalive_interval: float = 30.0
    keepalive_timeout: float = 20.0
    write_stall_timeout: float = 30.0
    piece_timeout: float = 30.0
    idle_timeout: float = inf
    max_call_time: float = inf
    drain_timeout: float = 30.0
    cancel_timeout: float = 5.0
    close_timeout: float = 5.0

    def __post_init__(self) -> None:
        ranges = {_FIELDS[name]: range_ for name, range_ in _RANGES.items()}
        for name, (lowest, highest) in (ranges | _OWN_RANGES).items():
            value = getattr(self, name)
            if type(value) is not int or not lowest <= value <= highest:
                raise ValueError(f"Limits.{name}: expected {lowest} to {highest}, got {value!r}")
        for name, least in _TIMES.items():
            value = getattr(self, name)
            if type(value) not in {int, float} or not least <= value <= inf:
                raise ValueError(f"Limits.{name}: expected {least} or more seconds, got {value!r}")

    def wire(self) -> WireLimits:
        """The part that the wire holds the peer to."""
        return WireLimits(**{field: getattr(self, field) for field in _FIELDS.values()})

    def announced(self, features: Collection[str] = ()) -> dict[str, int]:
        """The part that the peer is told, by PROTOCOL.md's names.

        Args:
            features: What the peer is offered; a limit that concerns one is told with it alone.
        """
        return {
            name: getattr(self, field)
            for name, field in _FIELDS.items()
            if name not in _OF_FEATURE or _OF_FEATURE[name] in features
        }


# PROTOCOL.md's name of each announced limit, and what is legal: below, nothing could be sent;
# above, our own memory would be at the peer's mercy.
_FIELDS = {
    "maxFrameBytes": "max_frame_bytes",
    "maxMessageBytes": "max_message_bytes",
    "windowBytes": "window_bytes",
    "maxCalls": "max_calls",
    "maxStreamedCalls": "max_streamed_calls",
    "maxValuesInPieces": "max_values_in_pieces",
    "maxMetadataBytes": "max_metadata_bytes",
    "maxContexts": "max_contexts",
}
_OF_FEATURE = {"maxContexts": "zstd"}
_LARGEST = 2**31 - 1
_RANGES = {
    "maxFrameBytes": (16 * _KIB, _MIB),
    "maxMessageBytes": (16 * _KIB, _LARGEST),
    "windowBytes": (_KIB, _LARGEST),
    "maxCalls": (1, _LARGEST),
    "maxStreamedCalls": (0, _LARGEST),
    "maxValuesInPieces": (1, _LARGEST),
    "maxMetadataBytes": (0, 8 * _KIB),
    "maxContexts": (0, _LARGEST),
}

# The same for those that concern no peer.
_OWN_RANGES = {
    "max_pings": (1, _LARGEST),
    "max_running_handlers": (1, _LARGEST),
    "max_assembly_bytes": (1, 2**63 - 1),
    "max_connections": (1, _LARGEST),
    "max_handshakes": (1, _LARGEST),
}

# And the least seconds. Where something is looked at again and again, looking takes time, too.
_TIMES = {
    "handshake_timeout": 0,
    "keepalive_interval": 0.1,
    "keepalive_timeout": 0.1,
    "write_stall_timeout": 0.1,
    "piece_timeout": 0.1,
    "idle_timeout": 0.1,
    "max_call_time": 0,
    "drain_timeout": 0,
    "cancel_timeout": 0,
    "close_timeout": 0,
}


def limits_of_peer(announced: dict[str, int]) -> WireLimits:
    """What a peer accepts, from what it announced; the default where it says nothing.

    Raises:
        ValueError: A limit is outside what PROTOCOL.md allows.
    """
    fields: dict[str, int] = {}
    for name, (lowest, highest) in _RANGES.items():
        if name in announced:
            value = announced[name]
            if not lowest <= value <= highest:
                raise ValueError(f"{name}: expected {lowest} to {highest}, got {value}")
            fields[_FIELDS[name]] = value
    return WireLimits(**fields)
