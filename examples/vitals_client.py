"""A client: each kind of call, at a server such as vitals_server.py or avrpc.demo.server."""

import sys
from pathlib import Path

import trio

import avrpc

Vitals = avrpc.Registry(Path(__file__).parent.parent / "schemas")["avrpc.vitals.Vitals"]


async def main(address: str) -> None:
    async with avrpc.connect(address, Vitals) as vitals:
        with trio.fail_after(2):  # the server gets this deadline, too
            print("now:", await vitals.now("cpu"))

        seen = []
        async with vitals.watch("cpu", interval=0.1) as readings:  # a trio ReceiveChannel
            async for reading in readings:
                print(f"{reading['at']:%T} {reading['value']:5.1f} %")
                seen.append(reading)
                if len(seen) == 5:
                    break  # leaving the block ends the call at the server

        async with vitals.record("cpu") as call:  # a trio SendChannel with a result
            for reading in seen:
                await call.send(reading)
            print("summary:", await call.result())

        async with vitals.convert("cpu", unit="PERCENT") as call:  # both
            for reading in seen:
                await call.send(reading)
                print("converted:", (await call.receive())["value"])

        try:
            await vitals.now("toaster")
        except Vitals.errors.UnknownDevice as error:
            print(f"no {error.device}; there are:", *error.known)


trio.run(main, sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:7000")
