"""Bytes as a string of decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Script:
    """Reads decisions from bytes. Where they have ended, every decision is the first choice.

    `choice`, `randint`, `randrange` and `random` are those of `random.Random`, so that what takes
    one of these can be led by a fuzzer.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def ended(self) -> bool:
        return self._position >= len(self._data)

    def byte(self) -> int:
        position = self._position
        self._position = position + 1
        return self._data[position] if position < len(self._data) else 0

    def take(self, size: int) -> bytes:
        start = self._position
        self._position = start + size
        return self._data[start : self._position]

    def rest(self) -> bytes:
        return self.take(len(self._data))

    def choice(self, choices: Sequence[T]) -> T:
        return choices[self.byte() % len(choices)]

    def randrange(self, stop: int) -> int:
        return self.byte() % stop

    def randint(self, low: int, high: int) -> int:
        return low + self.byte() % (high - low + 1)

    def random(self) -> float:
        return self.byte() / 256
