"""What an end offers to compress with: the argument ``compression=``, made into features."""

from __future__ import annotations

from collections.abc import Sequence

from avrpc.wire import CODECS, is_available, open_codec

Compression = str | Sequence[str] | None
"""The name of a codec, several of them, the preferred one first, "auto", or None."""

AUTO = "auto"


def features(compression: Compression) -> tuple[str, ...]:
    """The codecs to offer in the handshake, the preferred one first.

    Raises:
        ValueError: A name is that of no codec.
        ImportError: One's package is not installed; the text says how to install it. With "auto"
            it is just not offered.
    """
    if compression is None:
        return ()
    if compression == AUTO:
        return tuple(filter(is_available, CODECS))
    names = (compression,) if isinstance(compression, str) else tuple(compression)
    for name in names:
        if name not in CODECS:
            known = ", ".join(map(repr, (*CODECS, AUTO)))
            raise ValueError(f"compression: expected {known} or None, got {name!r}")
        try:
            open_codec(name)
        except ImportError as error:
            raise ImportError(
                f"compression={name!r} needs {error.name}, which is not installed;"
                " to install it: pip install 'avrpc[compression]'",
                name=error.name,
            ) from error
    return tuple(dict.fromkeys(names))


def choose(wanted: Sequence[str], offered: Sequence[str]) -> str | None:
    """The codec to use: the first that the client wants and the server offers, if there is one."""
    return next((name for name in wanted if name in offered), None)
