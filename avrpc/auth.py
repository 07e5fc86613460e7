"""Who may call: the two hooks of a server, and how they are asked.

`authenticate` is asked once for each connection, when its first handshake pack is here and before
anything in it is looked at but the credentials: no name of a protocol, no hash, no text. So a
stranger learns nothing, whatever it names; the refusal has the same bytes. And it comes at the
same time: `REFUSAL_SECONDS` after the pack, or twice as long after it, and so on. How long the
hook took, which may tell a user that is not known from a token that is wrong, can't be seen then.
(Random delays, which are often proposed, can be averaged out.) Guessing gets slow, too; meanwhile
the guess holds one of the places of unfinished handshakes.

`authorize` is asked for each call, before its parameters are decoded. Its caller is known, so the
no goes out at once.

A hook that fails has not said yes. What it raised stands in the log, and goes nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, TypeVar

import trio

from avrpc.call_info import Caller, CallInfo
from avrpc.credentials import as_bytes
from avrpc.errors import Unauthenticated
from avrpc.log import logger
from avrpc.tls import TlsInfo
from avrpc.transport import Transport
from avrpc.wire import StatusCode

# Longer than most hooks take, a slow hash of a password included; and 2 guesses a second on a
# connection. Who has the right to call never waits for it.
REFUSAL_SECONDS = 0.5

# All that a caller is told.
NOT_AUTHENTICATED = "not authenticated"
NOT_ALLOWED = "not allowed"


@dataclass(frozen=True, slots=True)
class Presented:
    """What a client shows of itself, before anything is answered.

    Attributes:
        credentials: What it sent, as `connect` was given them; None if nothing. Compare them with
            `same_secret`. ``repr`` does not show them.
        peer: Its address, as in the log.
        tls: What TLS came to, with the certificate that it showed if the server asks for one; None
            without TLS.
    """

    credentials: bytes | None = field(repr=False)
    peer: str
    tls: TlsInfo | None = None


Authenticate = Callable[[Presented], Any]
Authorize = Callable[[CallInfo], bool | Awaitable[bool]]

_T = TypeVar("_T")


def check_hook(name: str, hook: object) -> None:
    """Find out early whether a hook can be asked; None is none, and can stay so.

    Raises:
        TypeError: It can't.
    """
    if hook is not None and (not callable(hook) or isinstance(hook, type)):
        raise TypeError(f"{name}: expected a function, or an object that is called as one: {hook}")


async def _ask(hook: Callable[[_T], Any], question: _T) -> Any:
    answer = hook(question)
    if inspect.isawaitable(answer):
        answer = await answer
    # What somebody forgot to await, or wrote a `yield` into, is true: that would be a yes.
    if inspect.isawaitable(answer) or inspect.isgenerator(answer) or inspect.isasyncgen(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError(f"expected an answer, got a {type(answer).__name__}")
    return answer


class Doorkeeper:
    """Asks a server's `authenticate` hook about one connection.

    Args:
        hook: The server's.
        transport: The connection's.

    Attributes:
        identity: What the hook gave; None before.
        asking: Whether the hook is being asked now.
    """

    def __init__(self, hook: Authenticate, transport: Transport) -> None:
        self.identity: Any = None
        self.asking = False
        self._hook = hook
        self._transport = transport
        self._admitted: bytes | None = None

    async def admits(self, credentials: bytes | None) -> bool:
        """Whether the client may go on, by the credentials in a handshake pack of its.

        The hook is asked about the first pack. A second one has to hold the same.
        """
        began = trio.current_time()
        if self.identity is not None:
            admitted = same_secret(credentials, self._admitted)
        else:
            self.asking = True
            self.identity, self._admitted = await self._identity(credentials), credentials
            self.asking = False
            admitted = self.identity is not None
        if not admitted:
            took = trio.current_time() - began
            times = max(1, ceil(took / REFUSAL_SECONDS))
            await trio.sleep_until(began + times * REFUSAL_SECONDS)
        return admitted

    async def _identity(self, credentials: bytes | None) -> Any:
        peer = self._transport.peer
        try:
            return await _ask(self._hook, Presented(credentials, peer, self._transport.tls)) or None
        except Unauthenticated:
            return None
        except Exception:
            logger.exception("%s: authenticate failed, which is a no", peer)
            return None


async def refusal_of(hook: Authorize, call: CallInfo, caller: Caller) -> StatusCode | None:
    """Ask a server's `authorize` hook about a call: why not, or None for a yes."""
    message, code = call.message.name, StatusCode.PERMISSION_DENIED
    try:
        answer = await _ask(hook, call)
        if answer is True:
            return None
        if answer is not False and answer is not None:
            raise TypeError(f"expected True or False, got {type(answer).__name__}")
    except Unauthenticated:
        code = StatusCode.UNAUTHENTICATED
    except Exception:
        logger.exception("%s: authorize failed for %s, which is a no", call.peer, message)
    # Once for each message: else who may not call could fill the log.
    if caller.told is None:
        caller.told = set()
    if message not in caller.told:
        caller.told.add(message)
        logger.warning("%s: refused: %s of %s: %s", call.peer, message, caller.protocol, code.name)
    return code


def same_secret(one: bytes | str | None, other: bytes | str | None) -> bool:
    """Whether two secrets are equal; the time it takes tells nothing of either.

    A str counts as its UTF-8. None is equal to None alone.
    """
    same = hmac.compare_digest(_digest(one), _digest(other))
    return same and (one is None) == (other is None)


def _digest(secret: bytes | str | None) -> bytes:
    return hashlib.sha256(b"" if secret is None else as_bytes(secret)).digest()


class BearerTokens:
    """An `authenticate` hook for clients that have a token each: a secret that says who they are.

    Whose token it was, and how much of it was right, can't be told from the time it takes.

    Args:
        tokens: For each name, which becomes ``current_call().identity``, a token, or several, for
            the time in which an old one is replaced. ``secrets.token_urlsafe()`` makes good ones.

    Raises:
        ValueError: A name or a token is empty, or two names have the same token.
    """

    def __init__(self, tokens: Mapping[str, bytes | str | Collection[bytes | str]]) -> None:
        self._names: dict[bytes, str] = {}
        for name, given in tokens.items():
            some = [given] if isinstance(given, bytes | str) else given
            if not name or not some or not all(some):
                raise ValueError(f"expected a name and a token, and neither empty, for {name!r}")
            for token in some:
                if self._names.setdefault(_digest(token), name) != name:
                    raise ValueError(f"the token of {name!r} is that of another name, too")

    async def __call__(self, presented: Presented) -> str | None:
        """The name whose token was presented; None if it is nobody's."""
        given, found = _digest(presented.credentials), None
        for digest, name in self._names.items():
            if hmac.compare_digest(given, digest):
                found = name
        return found

    def __repr__(self) -> str:
        return f"<avrpc.BearerTokens of {len(set(self._names.values()))} names>"
