"""One call at the client: unary and one-way calls, and what ends any call."""

from __future__ import annotations

from math import ceil, inf
from typing import Any

import trio
from trio.lowlevel import (
    Abort,
    RaiseCancelT,
    Task,
    checkpoint,
    current_task,
    reschedule,
    wait_task_rescheduled,
)

from avrpc.errors import (
    AvrpcError,
    CallCancelled,
    DeadlineExceeded,
    InternalError,
    InvalidValue,
    LimitExceeded,
    PermissionDenied,
    RemoteError,
    Unauthenticated,
    Unavailable,
    UnknownMessage,
)
from avrpc.log import logger
from avrpc.schema import Codec, Message
from avrpc.session import Outcome, Session
from avrpc.shown import MOST_IN_ERROR, shown
from avrpc.wire import ResultReceived, StatusCode, StatusReceived


def status_error(status: StatusReceived, message: Message) -> AvrpcError:
    """The exception for a call that ended with a STATUS."""
    code, started = status.code, status.started
    text = f"{message.name}: {shown(status.text, MOST_IN_ERROR)}"
    if code == StatusCode.CANCELLED:
        return CallCancelled(text, maybe_executed=started)
    if code == StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(text, maybe_executed=started)
    if code == StatusCode.INVALID_VALUE:
        return InvalidValue(text, maybe_executed=started)
    if code == StatusCode.RESOURCE_EXHAUSTED:
        return LimitExceeded(text, maybe_executed=started)
    error: AvrpcError
    if code == StatusCode.UNAVAILABLE:
        error = Unavailable(text)
    elif code == StatusCode.PERMISSION_DENIED:
        error = PermissionDenied(text)
    elif code == StatusCode.UNAUTHENTICATED:
        error = Unauthenticated(text)
    elif code == StatusCode.UNIMPLEMENTED:
        error = UnknownMessage(text)
    elif code in (StatusCode.UNKNOWN, StatusCode.INTERNAL):
        error = InternalError(text, name="avrpc.InternalError")
    else:
        error = RemoteError(f"{text} (status {code})", name=f"avrpc.Status{code}")
    error.maybe_executed = started
    return error


def outcome_error(outcome: Outcome, message: Message) -> AvrpcError:
    """The exception for a call that ended with anything but a RESULT."""
    if isinstance(outcome, StatusReceived):
        return status_error(outcome, message)
    try:
        error: AvrpcError = message.error.decode(outcome.data)
    except InvalidValue as invalid:
        error = invalid
    error.maybe_executed = True
    return error


def outcome_value(outcome: ResultReceived, codec: Codec) -> Any:
    """The value of a RESULT."""
    try:
        return codec.decode(outcome.data)
    except InvalidValue as invalid:
        invalid.maybe_executed = True
        raise


def surplus_error(outcome: ResultReceived, message: Message) -> InvalidValue | None:
    """The exception for a RESULT that has a value where its message has none for it."""
    if not outcome.data:
        return None
    return InvalidValue(
        f"{message.name}(): expected a result without a value, got {len(outcome.data)} bytes",
        path=f"{message.name}()",
        maybe_executed=True,
    )


class ClientEntry:
    """What every kind of call leaves out of `session.CallEntry`."""

    __slots__ = ()

    def on_items(self, data: bytes, count: int) -> None:
        raise AssertionError("items on a call that streams none")

    def on_end(self) -> None:
        raise AssertionError("only clients end their items")

    def on_cancel(self) -> None:
        raise AssertionError("only clients cancel")

    def on_credit(self) -> None:
        """Of no concern where nothing is streamed to the peer."""


class UnaryWait(ClientEntry):
    """The task that waits for the outcome of one unary call."""

    __slots__ = ("_call_id", "_session", "_task", "failure", "outcome")

    def __init__(self, session: Session, call_id: int) -> None:
        self._session = session
        self._call_id = call_id
        self._task: Task | None = None
        self.outcome: Outcome | None = None
        self.failure: AvrpcError | None = None

    def on_outcome(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._wake()

    def on_failure(self, error: AvrpcError) -> None:
        self.failure = error
        self._wake()

    def _wake(self) -> None:
        if self._task is not None:
            reschedule(self._task)

    async def wait(self) -> Outcome:
        """Wait for the outcome.

        Cancelled, it cancels the call at the peer, and does not wait for the answer to that.
        """
        if self.outcome is None and self.failure is None:
            self._task = current_task()
            await wait_task_rescheduled(self._abandon)
        else:
            await checkpoint()
        if self.failure is not None:
            raise self.failure
        assert self.outcome is not None
        return self.outcome

    def _abandon(self, _: RaiseCancelT) -> Abort:
        self._session.abandon(self._call_id)
        return Abort.SUCCEEDED


class OneWayWait(ClientEntry):
    """Nobody waits for a one-way call; what becomes of it is only logged."""

    __slots__ = ("_message",)

    def __init__(self, message: Message) -> None:
        self._message = message

    def on_outcome(self, outcome: Outcome) -> None:
        error: AvrpcError | None
        if isinstance(outcome, ResultReceived):
            error = surplus_error(outcome, self._message)
        else:
            error = outcome_error(outcome, self._message)
        if error is not None:
            logger.warning("one-way call failed: %s", error)

    def on_failure(self, error: AvrpcError) -> None:
        logger.warning("one-way call %s may be lost: %s", self._message.name, error)


def deadline_after(timeout: float | None) -> float:
    """The point in time that is ``timeout`` seconds away; infinitely far for None."""
    return inf if timeout is None else trio.current_time() + timeout


def time_left(deadline: float) -> int | None:
    """Milliseconds until a deadline, as CALL carries them; None where there is none.

    Rounded up: 0 says that the time is up, and is not run.
    """
    if deadline == inf:
        return None
    left = deadline - trio.current_time()
    return ceil(left * 1000) if left > 0 else 0
