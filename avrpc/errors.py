"""What can go wrong, and what it means for the caller.

    AvrpcError
    ├── SchemaError               a protocol's file or text is not valid (also a ValueError)
    ├── ConnectFailed             no connection came about; nothing was sent but the handshake
    │   ├── ConnectTimeout        ... within the timeout (also a trio.TooSlowError)
    │   ├── TlsFailed             the two ends do not agree on TLS: a certificate, a version, ...
    │   ├── NotAvrpc              something answered, and it does not speak this protocol
    │   ├── IncompatibleProtocol  the two ends' protocols differ
    │   └── ConnectionRefused     the peer refused the handshake, and said why
    │       └── CredentialsRefused    ... does not know who this is (also an Unauthenticated)
    ├── ConnectionLost            the connection ended under a call (also trio.BrokenResourceError)
    ├── ConnectionClosed          this end closed it before the call (also trio.ClosedResourceError)
    ├── Unavailable               the peer takes no new calls (it is shutting down, or full)
    ├── UnknownMessage            the peer's protocol has no such message
    ├── IncompatibleMessage       both have it, and the two versions do not fit
    ├── InvalidValue              a value does not fit its schema (also a ValueError)
    ├── PermissionDenied          the peer does not let this caller make this call
    ├── Unauthenticated           the peer does not know, or not any more, who is calling
    ├── LimitExceeded             a value or a count is beyond a limit that one side set
    ├── CallCancelled             the peer ended the call as cancelled, though nobody here asked
    ├── DeadlineExceeded          the call's time is up (also a trio.TooSlowError)
    └── RemoteError               the handler failed
        ├── DeclaredError         ... with an error of the protocol: base of Protocol.errors.*
        └── InternalError         ... with anything else; the peer logged it under ``error_id``

Every error has ``maybe_executed``: whether the peer's handler may have begun to run. Where it is
False, the same call can be made again without running twice. No group among them: what
leaves a public function is one plain exception, unless the caller's own nursery made a group.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import trio

from avrpc.shown import MOST_IN_ERROR, shown

_E = TypeVar("_E", bound=BaseException)


class AvrpcError(Exception):
    """Base of every error of this library.

    Attributes:
        maybe_executed: False where the peer's handler has certainly not begun; True where it may
            have, or has.
    """

    maybe_executed: bool = False


class SchemaError(AvrpcError, ValueError):
    """An interface file or text is not valid. Mend the text; trying again can't help.

    Attributes:
        source: The file, or where the text came from.
        path: JSON path of the place, such as ``$.messages.watch.request[0].type``; empty in IDL.
        line: Of the place in a text in Avro IDL, from 1; None elsewhere.
        column: In characters, from 1; None where there is no line.
    """

    def __init__(
        self,
        problem: str,
        *,
        source: str = "",
        path: str = "",
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        numbers = [str(number) for number in (line, column) if number is not None]
        where = ":".join(part for part in (source, *numbers) if part)
        where = ": ".join(part for part in (where, path) if part)
        super().__init__(f"{where}: {problem}" if where else problem)
        self.problem = problem
        self.source = source
        self.path = path
        self.line = line
        self.column = column


class ConnectFailed(AvrpcError):
    """No connection came about. Nothing ran at the peer; trying again may help."""


class ConnectTimeout(ConnectFailed, trio.TooSlowError):
    """The connection was not ready within the timeout given to `connect`."""


class TlsFailed(ConnectFailed):
    """The two ends do not agree on TLS. The text says what is wrong, and what to do about it.

    Trying again can't help until it is done.

    Attributes:
        reason: ``wrong-name``, ``expired``, ``untrusted`` or ``invalid-certificate``: what is wrong
            with the other end's certificate. ``refused``: it did not take this end's;
            ``no-certificate``: it wants one, and there is none. ``not-tls``: it does not speak TLS.
            ``no-common-version``, ``wrong-alpn`` or, for all else, ``handshake-failure``.
    """

    def __init__(self, text: str, *, reason: str = "handshake-failure") -> None:
        super().__init__(text)
        self.reason = reason


class NotAvrpc(ConnectFailed):
    """Something answered at the address, and it does not speak avrpc. Check the address."""


class IncompatibleProtocol(ConnectFailed):
    """The two ends hold protocols that do not fit; the text names the first difference.

    Trying again can't help until one side has another version.
    """


class ConnectionRefused(ConnectFailed):
    """The peer refused the handshake.

    Attributes:
        code: The peer's number for why (PROTOCOL.md lists them).
    """

    def __init__(self, text: str, *, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


class PermissionDenied(AvrpcError):
    """The peer knows who is calling, and does not let this caller make this call. It has not run.

    Trying again can't help until the peer thinks otherwise.
    """


class Unauthenticated(AvrpcError):
    """The peer does not know who is calling, or not any more. The call has not run.

    Another connection, with other credentials, may help. A server's hook raises it to say so.
    """


class CredentialsRefused(ConnectionRefused, Unauthenticated):
    """The peer refused the handshake, as the credentials are missing, wrong or out of date."""


class ConnectionLost(AvrpcError, trio.BrokenResourceError):
    """The connection ended while a call was open, or had ended before one was made.

    Every call on it ends so. A new connection may help; whether the call may be repeated,
    ``maybe_executed`` tells.
    """

    def __init__(self, text: str, *, maybe_executed: bool = True) -> None:
        super().__init__(text)
        self.maybe_executed = maybe_executed


class ConnectionClosed(AvrpcError, trio.ClosedResourceError):
    """The client was closed (its ``async with`` was left) before the call was made."""


class Unavailable(AvrpcError):
    """The peer takes no new calls: it is draining, or too busy.

    The call has not run; or it had begun, and was ended when the time for draining was over.
    ``maybe_executed`` tells which.
    """


class UnknownMessage(AvrpcError):
    """The protocol has no message of that name. Nothing was run."""


class IncompatibleMessage(AvrpcError):
    """Both ends have the message, and their versions of it do not fit. Nothing was sent."""


class InvalidValue(AvrpcError, ValueError):
    """A value does not fit its schema.

    Raised at the end that gave the value, before anything is sent: the call, if there is one,
    goes on. Raised for a value that *came*, it ends that call; the connection stands.

    Attributes:
        path: Where in the value, from the message or type that holds it: ``echo.tick.price``.
    """

    def __init__(self, problem: str, *, path: str = "", maybe_executed: bool = False) -> None:
        super().__init__(problem)
        self.path = path
        self.maybe_executed = maybe_executed


class LimitExceeded(AvrpcError):
    """Something is larger, or there is more of it, than a limit allows; the text names both."""

    def __init__(self, text: str, *, maybe_executed: bool = False) -> None:
        super().__init__(text)
        self.maybe_executed = maybe_executed


class CallCancelled(AvrpcError):
    """The peer ended the call as cancelled, and nobody at this end had asked for it."""

    def __init__(self, text: str, *, maybe_executed: bool = True) -> None:
        super().__init__(text)
        self.maybe_executed = maybe_executed


class DeadlineExceeded(AvrpcError, trio.TooSlowError):
    """The call's time is up, by a limit other than the caller's own cancel scope.

    A trio deadline of the caller's ends the call as trio does it; this is raised for an explicit
    ``timeout`` and for a limit that the peer set.
    """

    def __init__(self, text: str, *, maybe_executed: bool = True) -> None:
        super().__init__(text)
        self.maybe_executed = maybe_executed


class RemoteError(AvrpcError):
    """The handler at the peer ran and failed.

    Attributes:
        name: Full name of the error, or of the failure's kind. An error that the peer's version of
            the protocol declares, and ours does not, is a plain `RemoteError` of that name.
        fields: Its fields by name; empty where it is no declared error.
    """

    maybe_executed = True

    def __init__(self, text: str, *, name: str = "", fields: dict[str, Any] | None = None) -> None:
        super().__init__(text)
        self.name = name
        self.fields: dict[str, Any] = fields or {}


class DeclaredError(RemoteError):
    """An error that the protocol declares; each has its own class below ``Protocol.errors``.

    A handler raises one with its fields as keywords, and the caller catches it by the same class:
    ``raise Quotes.errors.UnknownSymbol(symbol="X")``. A field is an attribute too, unless
    `Exception` uses the name, or Python may (``__x__``); ``fields`` has them all.

    """

    full_name: ClassVar[str] = ""

    def __init__(self, /, **fields: Any) -> None:
        given = ", ".join(f"{name}={shown(repr(value))}" for name, value in fields.items())
        text = f"{self.full_name}({given})"
        super().__init__(shown(text, 2 * MOST_IN_ERROR), name=self.full_name, fields=fields)
        for name, value in fields.items():
            if not (hasattr(BaseException, name) or name in _RESERVED or _is_dunder(name)):
                setattr(self, name, value)

    if TYPE_CHECKING:  # the fields, which only the protocol knows

        def __getattr__(self, name: str) -> Any: ...

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_declared, (type(self), self.fields), self.__dict__


class InternalError(RemoteError):
    """The handler failed with something that its message does not declare.

    What it was stands in the peer's log, under the id in the text; the peer tells nothing else.
    """


def lost(text: str) -> ConnectionLost:
    """A connection that ended, for those who had not sent anything on it."""
    return ConnectionLost(text, maybe_executed=False)


def fresh(error: _E) -> _E:
    """A copy of an error, for one that is raised more than once: each with its own traceback."""
    return copy.copy(error)


def _rebuild_declared(cls: type[DeclaredError], fields: dict[str, Any]) -> DeclaredError:
    return cls(**fields)


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


_RESERVED = frozenset({"fields", "full_name", "maybe_executed", "name"})
