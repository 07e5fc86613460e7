"""Leaving a block ends the call: the handler is cancelled, and its ``finally`` runs."""

from collections.abc import AsyncIterator
from typing import Any

import trio

import avrpc
from avrpc.demo.interface import Vitals
from avrpc.demo.service import VitalsService


class Watched(VitalsService):
    def __init__(self) -> None:
        super().__init__()
        self.done = trio.Event()

    async def watch(self, device: str, interval: float) -> AsyncIterator[dict[str, Any]]:
        print("server: begins to watch", device)
        try:
            while True:
                yield await self.now(device)
        finally:
            print("server: nobody watches any more")
            self.done.set()


async def main() -> None:
    service = Watched()
    server = avrpc.Server({Vitals: service})
    async with trio.open_nursery() as nursery:
        [address] = await nursery.start(server.serve, "tcp://127.0.0.1:0")
        async with avrpc.connect(address, Vitals) as vitals:
            async with vitals.watch("cpu") as readings:
                async for reading in readings:
                    print(f"client: {reading['value']:.1f} %, and that is enough")
                    break
            await service.done.wait()
            memory = await vitals.now("memory")
            print(f"client: the connection goes on: {memory['value']:,.0f} bytes of memory")
        await server.aclose()


trio.run(main)
