"""A handler that blocks is written as a plain ``def`` and runs in a thread; the others go on."""

from datetime import UTC, datetime
from typing import Any

import psutil
import trio

import avrpc
from avrpc.demo.interface import Vitals
from avrpc.demo.service import VitalsService


def now(device: str) -> dict[str, Any]:
    print(f"server: measuring {device} in a thread")
    return {"at": datetime.now(UTC), "value": psutil.cpu_percent(interval=0.5)}  # blocks


async def main() -> None:
    asynchronous = VitalsService()
    methods = {name: getattr(asynchronous, name) for name in Vitals.messages}
    server = avrpc.Server({Vitals: methods | {"now": now}}, threads=4)  # at most so many at once
    async with trio.open_nursery() as nursery:
        [address] = await nursery.start(server.serve, "tcp://127.0.0.1:0")
        async with avrpc.connect(address, Vitals) as vitals:

            async def once() -> None:
                print("client: the thread says", (await vitals.now("cpu"))["value"], "%")
                watching.cancel_scope.cancel()

            async with trio.open_nursery() as watching, vitals.watch("memory", 0.1) as readings:
                watching.start_soon(once)
                async for reading in readings:
                    print(f"client: meanwhile {reading['value']:,.0f} bytes of memory")
        await server.aclose()


trio.run(main)
