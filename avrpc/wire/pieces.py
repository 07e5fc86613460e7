"""Values larger than a frame: cut into pieces on the way out, put together on the way in.

The pieces of different calls take turns, so that a large value holds up no other call for longer
than a frame. At most a few values are under way at a time in each direction (a limit that the
receiver announces), which bounds what half values can hold of its memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from avrpc.wire.compression import Buffer
from avrpc.wire.frames import HEADER, MORE, Kind

# A piece that is not the last holds at least this much of the value, so that a value can't be
# chopped into so many that each one's bookkeeping outweighs it.
MIN_PIECE_BYTES = 1024


Squeeze = Callable[[int, bytes, Buffer], tuple[int, bytes, Buffer]]


class OutgoingValue:
    """A value that is leaving in pieces.

    Args:
        kind: The kind of all its frames.
        flags: Those of its first frame, without MORE.
        call_id: Encoded; it begins every piece.
        fields: The header fields of the kind; in the first piece only.
        data: The value; it must not change until it has left.
        squeeze: Compresses a piece: flags, fields and piece, to send others instead.
    """

    __slots__ = ("_fields", "_flags", "_id", "_position", "_squeeze", "_view", "kind")

    def __init__(
        self,
        kind: Kind,
        flags: int,
        call_id: bytes,
        fields: bytes,
        data: Buffer,
        squeeze: Squeeze | None = None,
    ) -> None:
        self.kind = kind
        self._flags = flags
        self._id = call_id
        self._fields = fields
        self._view = memoryview(data)
        self._squeeze = squeeze
        self._position = 0

    def write_piece(self, out: bytearray, max_frame_bytes: int) -> bool:
        """Append the next piece to ``out``; whether it was the last."""
        head = self._id + self._fields
        start = self._position
        self._position = stop = start + max_frame_bytes - len(head)
        piece: Buffer = self._view[start:stop]
        last = stop >= len(self._view)
        flags = self._flags if last else self._flags | MORE
        if self._squeeze is not None:
            flags, head, piece = self._squeeze(flags, head, piece)
        out += HEADER.pack((self.kind | flags) << 24 | len(head) + len(piece))
        out += head
        out += piece
        self._fields, self._flags = b"", 0
        return last


class AssemblyBudget:
    """How many bytes of half values a whole server holds; shared by its connections.

    Args:
        max_bytes: 256 MiB by default: 64 values of the default message limit.
    """

    __slots__ = ("available", "max_bytes")

    def __init__(self, max_bytes: int = 256 * 1024 * 1024) -> None:
        self.max_bytes = max_bytes
        self.available = max_bytes

    def take(self, size: int) -> bool:
        """Reserve ``size`` bytes; False, and nothing reserved, if there are not so many."""
        if size > self.available:
            return False
        self.available -= size
        return True

    def give_back(self, size: int) -> None:
        self.available += size


class HeaderFields(NamedTuple):
    """What came in the first piece before the value; which of it counts, the kind says."""

    number: int = 0
    time_left: int | None = None
    metadata: dict[str, bytes] | None = None


NO_FIELDS = HeaderFields()


class Assembly:
    """A value that is arriving in pieces.

    Attributes:
        dropped: It grew too large: the rest is counted off and forgotten.
        over_budget: It did so because too little was left of the budget.
        skipped: How many bytes have come since it was dropped.
    """

    __slots__ = (
        "_budget",
        "_chunks",
        "_limit",
        "_size",
        "dropped",
        "fields",
        "kind",
        "over_budget",
        "skipped",
    )

    def __init__(
        self, kind: Kind, limit: int, budget: AssemblyBudget, fields: HeaderFields = NO_FIELDS
    ) -> None:
        self.kind = kind
        self.fields = fields
        self.dropped = False
        self.over_budget = False
        self.skipped = 0
        self._limit = limit
        self._budget = budget
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> bool:
        """Take the next piece. False where the value is now too large, and so was dropped."""
        if self._size + len(piece) > self._limit:
            self.discard()
            return False
        if not self._budget.take(len(piece)):
            self.over_budget = True
            self.discard()
            return False
        self._size += len(piece)
        self._chunks.append(piece)
        return True

    def join(self) -> bytes:
        """The whole value; the assembly is empty after."""
        data = b"".join(self._chunks)
        self._release()
        return data

    @property
    def size(self) -> int:
        """How many bytes of the value are held."""
        return self._size

    def discard(self) -> None:
        """Forget what came so far and whatever may follow."""
        self.dropped = True
        self._release()

    def _release(self) -> None:
        self._budget.give_back(self._size)
        self._chunks = []
        self._size = 0
