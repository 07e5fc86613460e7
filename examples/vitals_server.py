"""A server: an object with one method for each message of ../schemas/vitals.avdl."""

import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import psutil
import trio

import avrpc

Vitals = avrpc.Registry(Path(__file__).parent.parent / "schemas")["avrpc.vitals.Vitals"]
Reading = dict[str, Any]


class Processors:
    async def devices(self) -> list[dict[str, Any]]:
        return [{"name": "cpu", "unit": "PERCENT", "capacity": 100.0}]

    async def now(self, device: str) -> Reading:
        if device != "cpu":
            raise Vitals.errors.UnknownDevice(device=device, known=["cpu"])
        return {"at": datetime.now(UTC), "value": psutil.cpu_percent()}

    async def watch(self, device: str, interval: float) -> AsyncIterator[Reading]:
        while True:
            yield await self.now(device)  # sends it; ends here when the client stops watching
            await trio.sleep(interval)

    async def record(self, device: str, readings: trio.abc.ReceiveChannel[Reading]) -> Reading:
        values = [reading["value"] async for reading in readings]  # until the client ends them
        if not values:
            return {"count": 0, "missing": 0, "lowest": None, "mean": None, "highest": None}
        summary = {"lowest": min(values), "mean": fmean(values), "highest": max(values)}
        return {"count": len(values), "missing": 0, **summary}

    async def convert(
        self, device: str, unit: str, readings: trio.abc.ReceiveChannel[Reading]
    ) -> AsyncIterator[Reading]:
        async for reading in readings:  # percent to percent: there is nothing to do
            yield reading

    def note(self, text: str) -> None:  # a plain function runs in a thread
        print("note:", text, flush=True)


server = avrpc.Server({Vitals: Processors()})

if __name__ == "__main__":
    address = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:7000"
    server.run(address, ready=lambda bound: print("serving on", *bound, flush=True))
