"""All cases, by subject. Importing this registers them."""

from avrpc.conformance.cases import (
    bad_calls,
    bad_frames,
    bad_handshakes,
    calls,
    cancel,
    connection,
    credit,
    deadlines,
    errors,
    handshake,
    pieces,
    streams,
    unary,
    values,
    versions,
)

__all__ = [
    "bad_calls",
    "bad_frames",
    "bad_handshakes",
    "calls",
    "cancel",
    "connection",
    "credit",
    "deadlines",
    "errors",
    "handshake",
    "pieces",
    "streams",
    "unary",
    "values",
    "versions",
]
