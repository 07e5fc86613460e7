"""Streams towards a peer whose version of the message does not stream: the array travels whole.

`ItemCollector` takes the place of `ItemSender` at the end that streams, so that its user notices
nothing: items are encoded as they are sent, and leave together, as one Avro array.
"""

from __future__ import annotations

from typing import Any

import trio
from trio.lowlevel import checkpoint, checkpoint_if_cancelled

from avrpc.errors import LimitExceeded, fresh
from avrpc.schema import ItemsCodec
from avrpc.wire import encode_long

ITEMS_PER_CHECKPOINT = 64


class ItemCollector(trio.abc.SendChannel[Any]):
    """Items that are gathered until the last one is there.

    Args:
        codec: Of the items.
        max_bytes: How long the array may be: the largest value that the peer takes.
    """

    def __init__(self, codec: ItemsCodec, max_bytes: int) -> None:
        self._encode = codec.encode
        self._items: list[bytes | bytearray] = []
        self._size = 0
        self._max_bytes = max_bytes
        self._error: Exception | None = None
        self.refused: LimitExceeded | None = None
        """What was wrong with the last item, if there was no room for it."""

    def array(self) -> bytes:
        """The items, as one Avro array."""
        items = self._items
        return b"".join((encode_long(len(items)), *items, b"\0")) if items else b"\0"

    def credit_came(self) -> None:
        """Of no concern: nothing here waits for credit."""

    def finish(self, error: Exception) -> None:
        """From here on every send raises ``error``. The first one counts."""
        self._error = self._error or error

    def close(self) -> None:
        """From here on every send raises ClosedResourceError."""
        self._error = trio.ClosedResourceError("this side of the call was closed")

    @property
    def finished(self) -> bool:
        """Whether a send can only fail."""
        return self._error is not None

    async def send(self, value: Any) -> None:
        """Add one item.

        Raises:
            InvalidValue: It does not fit the schema; the call goes on.
            LimitExceeded: All items together are more than the peer takes; the call goes on.
            trio.ClosedResourceError: This side has ended its items.
            AvrpcError: What ended the call.
        """
        item = self._encode(value)
        if len(self._items) % ITEMS_PER_CHECKPOINT == 0:
            await checkpoint()
        else:
            await checkpoint_if_cancelled()
        if self._error is not None:
            raise fresh(self._error)
        if self._size + len(item) + 16 > self._max_bytes:
            self.refused = LimitExceeded(
                f"more than {self._max_bytes} bytes of items (the peer's"
                " Limits.max_message_bytes), which travel whole: the peer's version of the"
                " message does not stream them"
            )
            raise self.refused
        self._items.append(item)
        self._size += len(item)

    async def aclose(self) -> None:
        """Add no more items. Does not end the call."""
        self.close()
        await checkpoint()

    async def wait_left(self) -> None:
        """Nothing has to leave before the rest."""
        await checkpoint()
