"""The numbers that say why a call or a connection ended (PROTOCOL.md, "Codes")."""

from __future__ import annotations

from enum import IntEnum


class StatusCode(IntEnum):
    """Why a call ended without a result or a declared error. gRPC's numbers where one fits."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_VALUE = 3
    DEADLINE_EXCEEDED = 4
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class GoawayCode(IntEnum):
    """Why a connection ends, or a handshake is refused. HTTP/2's numbers where one fits."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    HANDSHAKE_TIMEOUT = 4
    FRAME_SIZE_ERROR = 6
    ENHANCE_YOUR_CALM = 11
    SCHEMA_REJECTED = 32
    UNAUTHENTICATED = 33
    IDLE = 34
    KEEPALIVE_TIMEOUT = 35
    WRITE_STALLED = 36
    SHUTDOWN = 37
    TOO_MANY_CONNECTIONS = 38
    UNKNOWN_PROTOCOL = 39
    INCOMPATIBLE_PROTOCOL = 40
    UNSUPPORTED_VERSION = 41


class ProtocolError(Exception):
    """The peer broke a rule of PROTOCOL.md. The connection can't go on.

    Attributes:
        code: What GOAWAY tells the peer.
    """

    def __init__(self, text: str, code: GoawayCode = GoawayCode.PROTOCOL_ERROR) -> None:
        super().__init__(text)
        self.code = code


class LocalError(Exception):
    """This end asked for what the rules do not allow: a bug above `avrpc.wire`, not the peer's."""
