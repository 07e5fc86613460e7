"""A hundred calls at once on one connection. Each takes 0.1 s at the server; so do all of them."""

import trio

import avrpc
from avrpc.demo.interface import Vitals
from avrpc.demo.service import server

CALLS = 100


async def main() -> None:
    readings = []
    async with trio.open_nursery() as nursery:
        [address] = await nursery.start(server.serve, "tcp://127.0.0.1:0")
        async with avrpc.connect(address, Vitals) as vitals:

            async def measure() -> None:
                readings.append(await vitals.now("cpu"))

            start = trio.current_time()
            async with trio.open_nursery() as calls:
                for _ in range(CALLS):
                    calls.start_soon(measure)
            print(f"{len(readings)} readings in {trio.current_time() - start:.2f} s")
        await server.aclose()


trio.run(main)
