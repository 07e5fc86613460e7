"""The protocol of the cases, and the values that it fixes: conformance.avdl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import avrpc

Conformance = avrpc.Registry(Path(__file__).resolve().parent)["avrpc.conformance.Conformance"]

# The defaults of Everything, as `sample` gives them ...
SAMPLE: dict[str, Any] = {
    "nothing": None,
    "truth": True,
    "number": -1234567,
    "large": 9007199254740993,
    "single": -0.15625,
    "precise": 1234.5678,
    "data": b"\x00\x7f\x80\xff",
    "text": "na\u00efve \u2192 \N{SLIGHTLY SMILING FACE}",
    "color": "GREEN",
    "four": b"\x01\x02\x03\xfe",
    "list": [1, -1, 300],
    "map": {"key": "value"},
    "choice": "first",
    "point": {"x": 64, "y": -65},
    "chain": {"number": 1, "next": None},
}

# ... and in Avro's encoding, written down by hand: a codec that is wrong both ways does not
# agree with this.
SAMPLE_BYTES = bytes.fromhex(
    # nothing takes no byte | truth | number | large
    "01 8dda9601 8280808080808020"
    # single: sign, exponent 124, 1.25 | precise
    "000020be adfa5c6d454a9340"
    # data: 4 bytes | text: 15 bytes
    "08 007f80ff 1e 6e61c3af766520e2869220f09f9982"
    # color: symbol 1 | four
    "02 010203fe"
    # list: a block of 3, the end | map: a block of 1, the end
    "06 02 01 d804 00 02 06 6b6579 0a 76616c7565 00"
    # choice: branch 0, a string of 5 bytes | point | chain: 1, branch 0
    "00 0a 6669727374 8001 8101 02 00"
)


def body(size: int) -> bytes:
    """What `blob` answers, and what items hold: byte n is n modulo 251, a prime."""
    whole, rest = divmod(size, 251)
    return bytes(range(251)) * whole + bytes(range(rest))


def item(number: int, size: int) -> dict[str, Any]:
    """An item as `source` makes it."""
    return {"number": number, "body": body(size)}


def everything(**fields: Any) -> dict[str, Any]:
    """The sample, but for some fields."""
    return SAMPLE | fields
