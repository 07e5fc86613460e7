"""Which items are compressed in which context: one for each call and direction, and bounded.

Never across calls: the lengths of one call's frames shall not tell of what another one carries.
"""

from __future__ import annotations

from collections.abc import Callable

from avrpc.wire.codes import ProtocolError
from avrpc.wire.compression import Buffer, Zstd

# The items of a call are compressed no more where the first so many bytes have not become smaller
# by a 16th: pictures, archives, noise.
_TRIED_BYTES = 64 * 1024
_LEAST_WON = 16


class Contexts:
    """The contexts of a connection's open calls, at one end.

    Both ends count alike: one begins with the first compressed ITEMS of a call in one direction,
    and ends with the items of that direction, as END, CANCEL or the outcome says.

    Args:
        codec: Of the connection.
        max_sent: How many the peer takes at once, and this end wants to have.
        max_received: How many this end takes at once.
    """

    def __init__(self, codec: Zstd, max_sent: int, max_received: int) -> None:
        self._codec = codec
        self._max_sent = max_sent
        self._max_received = max_received
        self._encoders: dict[int, _Encoder] = {}
        self._decoders: dict[int, Callable[[Buffer, int], bytes]] = {}

    @property
    def held(self) -> tuple[int, int]:
        """How many there are now, to send in and to receive in."""
        return len(self._encoders), len(self._decoders)

    def encoder(self, call_id: int) -> _Encoder | None:
        """That of a call's items, begun where there is none; None where none may begin."""
        encoder = self._encoders.get(call_id)
        if encoder is None and len(self._encoders) < self._max_sent:
            encoder = self._encoders[call_id] = _Encoder(self._codec.encoder())
        return encoder

    def inflate(self, call_id: int, data: Buffer, size: int) -> bytes:
        """Give back the next items of a call.

        Raises:
            ProtocolError: They are not what comes out, or this end takes no more contexts.
        """
        decoder = self._decoders.get(call_id)
        if decoder is None:
            if len(self._decoders) >= self._max_received:
                raise ProtocolError(f"more than {self._max_received} zstd contexts at once")
            decoder = self._decoders[call_id] = self._codec.decoder()
        return decoder(data, size)

    def end_sent(self, call_id: int) -> None:
        """This end sends no more items on the call."""
        self._encoders.pop(call_id, None)

    def end_received(self, call_id: int) -> None:
        """The peer sends no more items on the call."""
        self._decoders.pop(call_id, None)

    def close(self) -> None:
        """Free them all. Nothing is compressed in a context any more."""
        self._max_sent = 0
        self._encoders.clear()
        self._decoders.clear()


class _Encoder:
    """A context to send in, until it shows that there is nothing to win.

    Attributes:
        compress: Compresses the next items; None once that was given up. The context still counts,
            as the peer does not know.
    """

    __slots__ = ("_left", "_won", "compress")

    def __init__(self, compress: Callable[[Buffer], bytes]) -> None:
        self.compress: Callable[[Buffer], bytes] | None = compress
        self._left = _TRIED_BYTES  # how much more is tried
        self._won = 0

    def took(self, size: int, compressed_size: int) -> None:
        """Count items, and decide where enough of them have been tried."""
        if self._left > 0:
            self._left -= size
            self._won += size - compressed_size
            if self._left <= 0 and self._won < _TRIED_BYTES // _LEAST_WON:
                self.compress = None
