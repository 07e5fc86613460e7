"""What a connection is watched for while nothing happens on it: silence, stalls, half values.

Nothing here waits. The run's `lookout` has the reader ask `check`, when `Watch.due` has come, what
there is to do; so a connection needs no task for it, and a busy one is looked at as seldom as an
idle one. A receive costs a look at the clock (0.2 µs), a send that need not wait costs nothing.

Times that other ends make pass are counted from the last sign of them, exactly. Half values and
idleness are noticed only at a look, and so up to a quarter of their time late.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from math import inf
from typing import NamedTuple

from avrpc.limits import Limits
from avrpc.wire import GoawayCode

# Seconds until a peer that has sent PINGs may send as many again.
_PINGS = 30.0


class Ask(Enum):
    """Something to do that does not end the connection."""

    PING = "ping"


class GiveUp(NamedTuple):
    """A half value that is to be dropped, with its call."""

    call_id: int
    text: str


class End(NamedTuple):
    """Why the connection is to end."""

    code: GoawayCode
    text: str


Finding = Ask | GiveUp | End


class Watch:
    """One connection's times.

    Args:
        limits: Of this end.
        now: When the watch begins.

    Attributes:
        heard_at: When bytes came last. The reader sets it.
        ping_at: When a PING was sent that nothing has come after. The reader resets it.
        blocked_at: Since when the peer takes nothing of what there is to send; None while it does.
            The reader sets it.
    """

    def __init__(self, limits: Limits, now: float) -> None:
        self.heard_at = now
        self.ping_at: float | None = None
        self.blocked_at: float | None = None
        self._limits = limits
        self._looked_at = now
        self._idle_at: float | None = now
        self._last_call = 0
        self._half: dict[int, tuple[int, float]] = {}  # by call: how much had come, since when

    @property
    def due(self) -> float:
        """When to look next, if nothing happens until then."""
        limits = self._limits
        if self.blocked_at is not None:  # silence has no consequences meanwhile
            sign = self.due_if_blocked
        elif self.ping_at is not None:
            sign = self.ping_at + limits.keepalive_timeout
        else:
            sign = self.heard_at + limits.keepalive_interval
        return min(
            sign,
            self._looked_at + limits.idle_timeout / 4,
            self.due_with_half_values if self._half else inf,
        )

    @property
    def due_if_blocked(self) -> float:
        """When to look next while `blocked_at` is set."""
        return (self.blocked_at or 0.0) + self._limits.write_stall_timeout

    @property
    def due_with_pings(self) -> float:
        """When to look next after the peer has sent PINGs, to allow it more."""
        return self._looked_at + _PINGS

    @property
    def due_with_half_values(self) -> float:
        """When to look next while a value is arriving in pieces."""
        return self._looked_at + self._limits.piece_timeout / 4

    def check(
        self, now: float, *, busy: bool, last_call: int, half_values: Mapping[int, int]
    ) -> list[Finding]:
        """Look at the times, and tell what there is to do.

        Args:
            now: The time.
            busy: Whether a call is open.
            last_call: The id of the last one that was opened.
            half_values: How many bytes have come of each value in pieces, by call.
        """
        self._looked_at = now
        end = self._silence(now) or self._stall(now) or self._idleness(now, busy, last_call)
        if isinstance(end, End):
            return [end]
        findings: list[Finding] = [*self._stale(now, half_values)]
        if end is not None:
            findings.append(end)
        return findings

    def _silence(self, now: float) -> Finding | None:
        limits = self._limits
        if self.blocked_at is not None:
            return None  # what it sends may not have been looked at; the stall has its own time
        if self.ping_at is not None:
            if now < self.ping_at + limits.keepalive_timeout:
                return None
            return End(
                GoawayCode.KEEPALIVE_TIMEOUT,
                f"no sign of life for {now - self.heard_at:.3g} s, nor an answer to a PING"
                " (Limits.keepalive_interval, keepalive_timeout)",
            )
        if now < self.heard_at + limits.keepalive_interval:
            return None
        self.ping_at = now
        return Ask.PING

    def _stall(self, now: float) -> End | None:
        if self.blocked_at is None or now < self.due_if_blocked:
            return None
        return End(
            GoawayCode.WRITE_STALLED,
            f"took no byte for {now - self.blocked_at:.3g} s (Limits.write_stall_timeout)",
        )

    def _idleness(self, now: float, busy: bool, last_call: int) -> End | None:
        if busy or last_call != self._last_call:
            self._last_call = last_call
            self._idle_at = None if busy else now
        elif self._idle_at is None:
            self._idle_at = now
        if self._idle_at is None or now < self._idle_at + self._limits.idle_timeout:
            return None
        return End(
            GoawayCode.IDLE, f"no call for {now - self._idle_at:.3g} s (Limits.idle_timeout)"
        )

    def _stale(self, now: float, half_values: Mapping[int, int]) -> list[GiveUp]:
        known, self._half = self._half, {}
        found = []
        for call_id, size in half_values.items():
            size_before, since = known.get(call_id, (-1, now))
            if size != size_before:
                since = now
            self._half[call_id] = (size, since)
            if now >= since + self._limits.piece_timeout:
                text = f"no piece of a value for {now - since:.3g} s (Limits.piece_timeout)"
                found.append(GiveUp(call_id, text))
        return found
