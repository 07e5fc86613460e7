"""What this machine counts, as devices that have one number each.

psutil knows most of it as counters that only rise: processor seconds, bytes. A `Meter` makes
readings of them, each about the time since the one before, so that two who watch the same device
do not disturb each other.

A machine may be without any of it (a container without disks, a system that hides its counters).
Then the device is there all the same, and its readings have no value.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import psutil

Sample = tuple[float, float]
_T = TypeVar("_T")

# How psutil says that a counter is not there, besides giving None.
_ABSENT = (OSError, RuntimeError, AttributeError)


@dataclass(frozen=True, slots=True)
class Device:
    """A part of the machine that has one number at a time.

    Attributes:
        name: Its name in the protocol.
        unit: The protocol's unit of its readings.
        sample: Gives an amount and what it is to be divided by; None where there is no counter.
        counts: Whether both only rise, so that a reading is about what they rose by.
        capacity: The most that it can have; None where nobody knows.
    """

    name: str
    unit: str
    sample: Callable[[], Sample | None]
    counts: bool = True
    capacity: float | None = None

    def describe(self) -> dict[str, Any]:
        """A Device of the protocol."""
        return {"name": self.name, "unit": self.unit, "capacity": self.capacity}


class Meter:
    """Readings of one device, each about the time since the one before, or since it was made."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._last = device.sample()

    def read(self) -> dict[str, Any]:
        """A Reading of the protocol."""
        return {"at": datetime.now(UTC), "value": self._value()}

    def _value(self) -> float | None:
        before, self._last = self._last, self._device.sample()
        if self._last is None:
            return None
        amount, over = self._last
        if self._device.counts:
            if before is None:
                return None
            amount, over = amount - before[0], over - before[1]
        # Nothing has passed, or a counter began anew, as one does when its network goes away.
        return max(0.0, amount / over) if over > 0 else 0.0


def this_machine() -> Mapping[str, Device]:
    """The devices of this machine, by name."""
    memory = _quiet(lambda: float(psutil.virtual_memory().total))
    devices = [
        Device("cpu", "PERCENT", _maybe(_cpu), capacity=100.0),
        Device("memory", "BYTES", _maybe(_memory), counts=False, capacity=memory),
        Device("disk-read", "BYTES_PER_SECOND", _maybe(lambda: _disk("read_bytes"))),
        Device("disk-write", "BYTES_PER_SECOND", _maybe(lambda: _disk("write_bytes"))),
        Device("net-in", "BYTES_PER_SECOND", _maybe(lambda: _network("bytes_recv"))),
        Device("net-out", "BYTES_PER_SECOND", _maybe(lambda: _network("bytes_sent"))),
    ]
    return {device.name: device for device in devices}


def _cpu() -> Sample:
    """Percent of all processors: a hundred times the busy seconds, over all seconds."""
    times = psutil.cpu_times()._asdict()
    # Linux counts the time of guests among user and nice, too.
    total = sum(times.values()) - times.get("guest", 0) - times.get("guest_nice", 0)
    idle = times["idle"] + times.get("iowait", 0)
    return 100 * (total - idle), total


def _memory() -> Sample:
    memory = psutil.virtual_memory()
    return memory.total - memory.available, 1.0


def _disk(counter: str) -> Sample | None:
    return _per_second(psutil.disk_io_counters(), counter)


def _network(counter: str) -> Sample | None:
    return _per_second(psutil.net_io_counters(), counter)


def _per_second(counters: object, name: str) -> Sample | None:
    return None if counters is None else (getattr(counters, name), time.perf_counter())


def _maybe(sample: Callable[[], Sample | None]) -> Callable[[], Sample | None]:
    return lambda: _quiet(sample)


def _quiet(read: Callable[[], _T]) -> _T | None:
    try:
        return read()
    except _ABSENT:
        return None
