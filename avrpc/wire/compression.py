"""Codecs: what makes the value of a frame smaller, and what bounds it when it comes back.

Two, of which one is agreed for a connection (PROTOCOL.md, "Compression"):

    zstd    the standard library's from Python 3.14 on, else the package backports.zstd
    snappy  the package cramjam; half the ratio for half the CPU, and no contexts

A value *alone* depends on nothing that was sent before. In a *context* the compressed values are
one stream, so that each may refer to those before it: 25-byte records gain by nothing else.

Both directions are bounded before anything is allocated: a frame says how much comes out, which is
at most `MAX_INFLATED_BYTES`, and no more than that is ever taken out.

Memory of zstd, which Python does not see (measured, RSS): a context takes up to 290 KiB at its
sender and 280 KiB at its receiver; alone, a value takes as much at its receiver while it is
inflated, and one compressor serves all values of this process. Level 1, as level 3 won 1 % of size
for 10 % more CPU; a window of 64 KiB, as 128 KiB won 2 % for 100 KiB more at each end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from typing import Any

from avrpc.wire.codes import ProtocolError

Buffer = bytes | bytearray | memoryview

MAX_INFLATED_BYTES = 64 * 1024
"""What one frame holds at most when inflated. No frame of ours is larger, compressed or not."""

MAX_GROWTH_BYTES = 64
"""By how much a frame may grow that does not get smaller: in a context it can't be taken back."""

_WINDOW_LOG = 16
_LEVEL = 1

_ZSTD_MODULE = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
_MODULES = {"zstd": _ZSTD_MODULE, "snappy": "cramjam"}

CODECS = tuple(_MODULES)
"""Names of the codecs, as features of the handshake; the one to prefer first."""


def is_available(name: str) -> bool:
    """Whether this process has what the codec needs."""
    try:
        open_codec(name)
    except ImportError:
        return False
    return True


@cache
def open_codec(name: str) -> Codec:
    """The codec of that name; one for the whole process.

    Raises:
        ImportError: Its package is not installed.
    """
    module = import_module(_MODULES[name])
    return Zstd(module) if name == "zstd" else Snappy(module)


def _garbled(codec: str, size: int, found: object) -> ProtocolError:
    return ProtocolError(f"expected {size} bytes compressed by {codec}, found {found}")


class Zstd:
    """A value alone is a zstd frame; a context is one that is flushed behind each value."""

    name = "zstd"

    def __init__(self, module: Any) -> None:
        self._zstd = module
        self._made_with = {
            module.CompressionParameter.compression_level: _LEVEL,
            module.CompressionParameter.window_log: _WINDOW_LOG,
        }
        self._taken_with = {module.DecompressionParameter.window_log_max: _WINDOW_LOG}
        # A zstd frame is made by one call, which holds the compressor's lock: so this one may
        # serve every connection, of all threads.
        self._alone = self._compressor()

    def compress(self, data: Buffer) -> bytes:
        """Compress a value alone."""
        compressed: bytes = self._alone.compress(data, self._alone.FLUSH_FRAME)
        return compressed

    def inflate(self, data: Buffer, size: int) -> bytes:
        """Give back a value that was compressed alone, of ``size`` bytes.

        Raises:
            ProtocolError: That is not what comes out.
        """
        decompressor = self._decompressor()
        inflated = self._inflate(decompressor, data, size)
        if not decompressor.eof:
            raise _garbled("zstd", size, "no end of it")
        if decompressor.unused_data:
            raise _garbled("zstd", size, f"{len(decompressor.unused_data)} more behind it")
        return inflated

    def encoder(self) -> Callable[[Buffer], bytes]:
        """Begin a context to send in: a function that compresses the next value."""
        compressor = self._compressor()
        return partial(compressor.compress, mode=compressor.FLUSH_BLOCK)

    def decoder(self) -> Callable[[Buffer, int], bytes]:
        """Begin a context to receive in: a function that gives back the next value, of that size.

        It raises ProtocolError, as `inflate` does.
        """
        decompressor = self._decompressor()

        def inflate(data: Buffer, size: int) -> bytes:
            inflated = self._inflate(decompressor, data, size)
            if decompressor.eof:
                raise _garbled("zstd", size, "the end of the context's stream")
            return inflated

        return inflate

    def _compressor(self) -> Any:
        return self._zstd.ZstdCompressor(options=self._made_with)

    def _decompressor(self) -> Any:
        return self._zstd.ZstdDecompressor(options=self._taken_with)

    def _inflate(self, decompressor: Any, data: Buffer, size: int) -> bytes:
        try:
            # One more than is due: so it shows where more would come, and where the end is.
            inflated: bytes = decompressor.decompress(data, size + 1)
        except self._zstd.ZstdError as error:
            raise _garbled("zstd", size, error) from error
        if len(inflated) != size:
            raise _garbled("zstd", size, "more" if len(inflated) > size else len(inflated))
        return inflated


class Snappy:
    """Each value is a raw block, which begins with its length when inflated. No contexts."""

    name = "snappy"

    def __init__(self, module: Any) -> None:
        self._snappy = module.snappy
        self._error = module.DecompressionError

    def compress(self, data: Buffer) -> bytes:
        """Compress a value."""
        return bytes(self._snappy.compress_raw(data))

    def inflate(self, data: Buffer, size: int) -> bytes:
        """Give back a value of ``size`` bytes.

        Raises:
            ProtocolError: That is not what comes out.
        """
        try:
            # By this length it allocates, so that is looked at first.
            length = self._snappy.decompress_raw_len(data)
            if length != size:
                raise _garbled("snappy", size, length)
            return bytes(self._snappy.decompress_raw(data))
        except self._error as error:
            raise _garbled("snappy", size, error) from error


Codec = Zstd | Snappy
