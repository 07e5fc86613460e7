"""Text as programs write it to each other: names again and again, and values that differ."""

import itertools
import random

SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY", "AUDUSD")


def of(size: int) -> bytes:
    """Make so many bytes of it, the same ones each time."""
    chance = random.Random(size)  # noqa: S311 - no secret
    lines = (
        f'{{"symbol": "{chance.choice(SYMBOLS)}", "price": {chance.uniform(1, 2):.5f}, "size": '
        f'{chance.randrange(64)}, "at": {1_763_700_000_000_000_000 + chance.randrange(10**9)}}}\n'
        for _ in itertools.count()
    )
    made = bytearray()
    while len(made) < size:
        made += next(lines).encode()
    return bytes(made[:size])
