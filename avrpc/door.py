"""How many connections a server lets in: the rest waits in the system's queue.

Not accepting is kinder than accepting and refusing: a client behind it waits, under its own
timeout, and is served when another has gone.
"""

from __future__ import annotations

import trio

from avrpc.limits import Limits
from avrpc.log import logger

# Descriptors that are left to the rest of the program: handlers have files and sockets, too.
_RESERVE = 256


def most_connections(limits: Limits) -> int:
    """`Limits.max_connections`, or what the process may have open, less a reserve for others."""
    try:
        import resource
    except ImportError:  # pragma: no cover - not on Windows
        return limits.max_connections
    may_open, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if may_open == resource.RLIM_INFINITY:
        return limits.max_connections
    room = max(1, may_open - min(_RESERVE, may_open // 4))
    if room < limits.max_connections:
        logger.info(
            "the process may open %d files, so it takes %d connections at once, not %d"
            " (Limits.max_connections)",
            may_open,
            room,
            limits.max_connections,
        )
    return min(limits.max_connections, room)


class Door:
    """The places of one server.

    Args:
        limits: The server's.
    """

    def __init__(self, limits: Limits) -> None:
        self._places = trio.Semaphore(most_connections(limits))
        self._handshakes = trio.Semaphore(limits.max_handshakes)

    async def enter(self) -> None:
        """Wait for a place, and for one among those that have not shaken hands."""
        await self._places.acquire()
        try:
            await self._handshakes.acquire()
        except BaseException:
            self._places.release()
            raise

    def turn_away(self) -> None:
        """Nobody came in after all: give both places back."""
        self._handshakes.release()
        self._places.release()

    def shaken_hands(self) -> None:
        """A handshake is over, in whatever way."""
        self._handshakes.release()

    def leave(self) -> None:
        """A connection that had shaken hands, or failed to, has ended."""
        self._places.release()
