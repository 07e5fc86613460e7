"""What a handler may know of the call that it handles."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from avrpc.schema import Message
from avrpc.tls import TlsInfo
from avrpc.transport import Transport


@dataclass(slots=True)
class Caller:
    """Who is at the other end of one of a server's connections.

    Attributes:
        protocol: Full name of the server's protocol that was agreed on.
        identity: What the server's `authenticate` hook gave.
        transport: The connection's.
        told: Names of the messages of which it is in the log that they were refused; None, which
            takes an idle connection no memory, before the first.
    """

    protocol: str = ""
    identity: Any = None
    transport: Transport | None = None
    told: set[str] | None = None


class CallInfo:
    """What a handler may know of the call that it handles: see `current_call`.

    Attributes:
        message: The message called.
        peer: Where the caller is.
        metadata: What the caller sent along, by name; empty if nothing.
        deadline: On trio's clock; infinitely far if the caller set none.
        attempt: 0 for a call's first try.
    """

    __slots__ = ("_caller", "attempt", "deadline", "message", "metadata", "peer")

    message: Message
    peer: str
    metadata: Mapping[str, bytes]
    deadline: float
    attempt: int
    _caller: Caller

    @property
    def identity(self) -> Any:
        """What the server's `authenticate` hook gave for the caller; None if there is no hook."""
        return self._caller.identity

    @property
    def tls(self) -> TlsInfo | None:
        """What TLS came to on the caller's connection, and its certificate; None without TLS."""
        transport = self._caller.transport
        return None if transport is None else transport.tls

    @property
    def protocol(self) -> str:
        """Full name of the server's protocol that the message is of."""
        return self._caller.protocol


_current: ContextVar[CallInfo] = ContextVar("avrpc.current_call")
set_current_call = _current.set


def current_call() -> CallInfo:
    """The call that this task (or thread) handles.

    Tasks that a handler starts have it too.

    Raises:
        RuntimeError: This is not called from a handler.
    """
    try:
        return _current.get()
    except LookupError:
        raise RuntimeError("current_call() works in a handler only") from None
