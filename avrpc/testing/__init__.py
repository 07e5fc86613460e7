"""For tests of programs that use avrpc: a client and a server face to face in memory.

    async with avrpc.testing.open_pair(avrpc.Server({Quotes: Desk()}), Quotes) as quotes:
        assert await quotes.last("EURUSD") == ...

No sockets and no ports; it runs under the autojump clock. With a `Link` of your own between the
two you can hold bytes back, cut them off, slow them down and count them.
"""

from avrpc.testing.link import Direction, Link
from avrpc.testing.pair import open_pair

__all__ = [
    "Direction",
    "Link",
    "open_pair",
]
