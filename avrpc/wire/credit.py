"""Credit: how many bytes of items one end may send on a call before the other has taken them.

Counted per call and direction, in bytes of items alone (no headers, no counts). A frame, or the
first piece of a large item, may start while the credit is above zero, and may take it below by
what it holds: so no item is ever too large for the window, and a window is overrun by one frame or
one large item at most.
"""

from __future__ import annotations

from avrpc.wire.codes import GoawayCode, ProtocolError

MAX_CREDIT = 2**31 - 1


class Credit:
    """One direction of one call, at either end."""

    __slots__ = ("available",)

    def __init__(self, window: int) -> None:
        self.available = window

    def take(self, size: int) -> None:
        """Count ``size`` bytes as sent; whether they might start is `may_start`."""
        self.available -= size

    @property
    def may_start(self) -> bool:
        """Whether a frame of items, or a large item, may begin now."""
        return self.available > 0

    def require_start(self) -> None:
        """Hold the peer to `may_start`.

        Raises:
            ProtocolError: It began with no credit left.
        """
        if self.available <= 0:
            raise ProtocolError(
                f"items began with a credit of {self.available}",
                GoawayCode.FLOW_CONTROL_ERROR,
            )

    def grant(self, size: int) -> None:
        """Add ``size`` bytes that the receiver gives back.

        Raises:
            ProtocolError: Nothing is granted, or more than a window can ever hold.
        """
        if size <= 0 or self.available + size > MAX_CREDIT:
            raise ProtocolError(
                f"a grant of {size} on a credit of {self.available} is not between"
                f" 1 and {MAX_CREDIT} in all",
                GoawayCode.FLOW_CONTROL_ERROR,
            )
        self.available += size
