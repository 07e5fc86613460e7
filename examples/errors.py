"""What can go wrong, as exceptions; each knows whether the server may have run the call."""

import trio

import avrpc
from avrpc.demo.interface import Vitals
from avrpc.demo.service import VitalsService


class Buggy(VitalsService):
    async def devices(self) -> list[dict[str, object]]:
        return [{"name": 1 / 0}]  # not declared: the log has it, the client an id of it


async def main() -> None:
    server = avrpc.Server({Vitals: Buggy()})
    async with trio.open_nursery() as nursery:
        [address] = await nursery.start(server.serve, "tcp://127.0.0.1:0")
        async with avrpc.connect(address, Vitals) as vitals:
            for call in (
                vitals.now("toaster"),  # an error that the protocol declares
                vitals.now(device=5),  # does not fit the schema: nothing is sent
                vitals.now.using(timeout=0.01)("cpu"),  # takes 0.1 s
                vitals.devices(),  # a bug at the server
            ):
                try:
                    await call
                except avrpc.AvrpcError as error:
                    print(f"{type(error).__name__}: {error} [ran: {error.maybe_executed}]")
        await server.aclose()

    try:
        async with avrpc.connect(address, Vitals):
            pass
    except avrpc.ConnectFailed as error:  # the server is gone
        print(f"{type(error).__name__}: {error} [ran: {error.maybe_executed}]")


trio.run(main)
