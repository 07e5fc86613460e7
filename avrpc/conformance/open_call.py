"""A call that the kit made, on a line that is held to the rules."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from avrpc.conformance.trace import named
from avrpc.conformance.verdict import Failed, Skipped, expect
from avrpc.errors import InvalidValue, RemoteError
from avrpc.schema import Message
from avrpc.wire import (
    Connection,
    ErrorReceived,
    ResultReceived,
    StatusCode,
    StatusReceived,
    WireLimits,
)

T = TypeVar("T")

Outcome = ResultReceived | ErrorReceived | StatusReceived


class Host(Protocol):
    """What a call needs of its line."""

    core: Connection
    limits: WireLimits

    async def flush(self) -> None:
        """Send all that the core has to send."""

    async def until(self, look: Callable[[], Awaitable[T | None]], what: str) -> T:
        """Wait for something."""


class OpenCall:
    """A call, from CALL to its outcome.

    Attributes:
        id: Its number.
        message: The message, as both versions agree on it.
        outcome: What ended it; None while it is open.
        bytes_came: Of items, all together.
        granted: The credit that the server gave back, all together.
    """

    def __init__(self, line: Host, call_id: int, message: Message) -> None:
        self.id = call_id
        self.message = message
        self.outcome: Outcome | None = None
        self.bytes_came = 0
        self.granted = 0
        self._line = line
        self._items: deque[Any] = deque()

    @property
    def items_here(self) -> int:
        """Items that came and were not taken."""
        return len(self._items)

    def feed(self, data: bytes, count: int) -> None:
        """Items came.

        Raises:
            InvalidValue: They do not decode.
        """
        codec = self.message.response_items
        assert codec is not None  # the core lets no others in
        self._items.extend(codec.decode(data, count))
        self.bytes_came += len(data)

    # What the client sends ...

    async def send(self, *items: Mapping[str, Any]) -> None:
        """Send items, each in a frame of its own, and each when there is credit for it."""
        outgoing, encode = self._line.core.outgoing, self._encode()
        for item in items:
            encoded = encode(item)
            if len(encoded) > self._line.limits.max_message_bytes:
                raise Skipped(f"the server takes no item of {len(encoded)} bytes")

            async def look(encoded: bytes = encoded) -> bool | None:
                if self.outcome is not None:
                    raise Failed(f"credit for items of call {self.id}", described(self.outcome))
                return outgoing.try_item(self.id, encoded) or None

            await self._line.until(look, "CREDIT for an item")
            await self._line.flush()

    async def send_together(self, *items: Mapping[str, Any]) -> None:
        """Send items in one frame, for which there must be credit."""
        encode = self._encode()
        for item in items:
            self._line.core.outgoing.item(self.id, encode(item))
        await self._line.flush()

    def _encode(self) -> Any:
        codec = self.message.request_items
        assert codec is not None
        return codec.encode

    @property
    def has_credit(self) -> bool:
        """Whether an item may be sent now."""
        return self._line.core.outgoing.may_start_item(self.id)

    async def end(self) -> None:
        """Send no more items."""
        self._line.core.outgoing.end(self.id)
        await self._line.flush()

    async def cancel(self) -> None:
        """Ask for its end."""
        self._line.core.outgoing.cancel(self.id)
        await self._line.flush()

    async def grant(self, size: int) -> None:
        """Give credit back."""
        self._line.core.outgoing.credit(self.id, size)
        await self._line.flush()

    # ... and what it waits for.

    async def item(self) -> Any:
        """The next item; no credit is given back for it."""
        what = f"an item of call {self.id}"

        async def look() -> deque[Any] | None:
            if not self._items and self.outcome is not None:
                raise Failed(what, described(self.outcome))
            return self._items or None

        return (await self._line.until(look, what)).popleft()

    async def items(self) -> list[Any]:
        """All items until the call's RESULT; credit is given back as they come."""
        owed = self.bytes_came
        found: list[Any] = []

        async def look() -> Outcome | None:
            nonlocal owed
            found.extend(self._items)
            self._items.clear()
            if self.outcome is None and self.bytes_came > owed:
                size, owed = self.bytes_came - owed, self.bytes_came
                await self.grant(size)
            return self.outcome

        await self._line.until(look, f"the end of the items of call {self.id}")
        await self.result()
        return found

    async def ended(self) -> Outcome:
        """The outcome, whatever it is."""

        async def look() -> Outcome | None:
            return self.outcome

        return await self._line.until(look, f"the outcome of call {self.id} ({self.message.name})")

    async def result(self) -> Any:
        """What the call results in; None where the response is streamed."""
        outcome = await self.ended()
        if not isinstance(outcome, ResultReceived):
            raise Failed(f"RESULT for call {self.id} ({self.message.name})", described(outcome))
        if self.message.response is None:
            expect("the value of RESULT where the response is streamed", b"", outcome.data)
            return None
        try:
            return self.message.response.decode(outcome.data)
        except InvalidValue as error:
            raise Failed(f"a result of {self.message.name}", str(error)) from None

    async def error(self) -> RemoteError:
        """The declared error that ends the call."""
        outcome = await self.ended()
        if not isinstance(outcome, ErrorReceived):
            raise Failed(f"ERROR for call {self.id} ({self.message.name})", described(outcome))
        try:
            return self.message.error.decode(outcome.data)
        except InvalidValue as error:
            raise Failed(f"an error of {self.message.name}", str(error)) from None

    async def status(self, code: StatusCode, *, started: bool | None = None) -> str:
        """The STATUS that ends the call; gives its text.

        Args:
            code: The code that it is to have.
            started: Whether it is to have the flag STARTED; None where the page leaves that open.
        """
        flag = "" if started is None else " with STARTED" if started else " without STARTED"
        wanted = f"STATUS {code.name}{flag} for call {self.id} ({self.message.name})"
        outcome = await self.ended()
        if (
            not isinstance(outcome, StatusReceived)
            or outcome.code != code
            or (started is not None and outcome.started != started)
        ):
            raise Failed(wanted, described(outcome))
        return outcome.text


def described(outcome: Outcome) -> str:
    """An outcome for people."""
    if isinstance(outcome, StatusReceived):
        flag = "STARTED" if outcome.started else "not STARTED"
        return f"STATUS {named(StatusCode, outcome.code)}, {flag}: {outcome.text!r}"
    kind = "RESULT" if isinstance(outcome, ResultReceived) else "ERROR"
    return f"{kind} of {len(outcome.data)} bytes"
