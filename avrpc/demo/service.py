"""The handlers of the protocol Vitals, for the machine that they run on.

``avrpc serve avrpc.demo.service:server`` serves them.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import trio

import avrpc
from avrpc.demo.interface import Vitals
from avrpc.demo.machine import Device, Meter, this_machine
from avrpc.demo.units import factor
from avrpc.shown import shown

logger = logging.getLogger("avrpc.demo")

Readings = trio.abc.ReceiveChannel[dict[str, Any]]

# What a counter rises by in less says more about the counter than about the machine.
_LEAST_INTERVAL = 0.01
_NOW_SECONDS = 0.1


class VitalsService:
    """One method for each message.

    Args:
        devices: What can be watched, by name; else this machine's.
    """

    def __init__(self, devices: Mapping[str, Device] | None = None) -> None:
        self._devices = this_machine() if devices is None else devices

    async def devices(self) -> list[dict[str, Any]]:
        return [device.describe() for device in self._devices.values()]

    async def now(self, device: str) -> dict[str, Any]:
        found = self._find(device)
        meter = Meter(found)
        if found.counts:
            await trio.sleep(_NOW_SECONDS)
        return meter.read()

    async def watch(self, device: str, interval: float) -> AsyncIterator[dict[str, Any]]:
        meter = Meter(self._find(device))
        interval = max(_LEAST_INTERVAL, interval)
        due = trio.current_time()
        while True:
            # A slow reader makes readings late, and then fewer; never a crowd of them at once.
            due = max(due + interval, trio.current_time())
            await trio.sleep_until(due)
            yield meter.read()

    async def record(self, device: str, readings: Readings) -> dict[str, Any]:
        self._find(device)
        count = missing = 0
        total, lowest, highest = 0.0, None, None
        async for reading in readings:
            count += 1
            value = reading["value"]
            if value is None:
                missing += 1
                continue
            total += value
            lowest = value if lowest is None else min(lowest, value)
            highest = value if highest is None else max(highest, value)
        return {
            "count": count,
            "missing": missing,
            "lowest": lowest,
            "mean": total / (count - missing) if count > missing else None,
            "highest": highest,
        }

    async def convert(
        self, device: str, unit: str, readings: Readings
    ) -> AsyncIterator[dict[str, Any]]:
        found = self._find(device)
        times = factor(found.unit, unit, found.capacity)
        if times is None:
            raise Vitals.errors.CannotConvert(device=device, unit=unit)
        async for reading in readings:
            value = reading["value"]
            yield {**reading, "value": None if value is None else value * times}

    async def note(self, text: str) -> None:
        logger.info("note from %s: %s", avrpc.current_call().peer, shown(text))

    def _find(self, device: str) -> Device:
        found = self._devices.get(device)
        if found is None:
            raise Vitals.errors.UnknownDevice(device=device, known=list(self._devices))
        return found


server = avrpc.Server({Vitals: VitalsService()})
