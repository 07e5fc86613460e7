"""A deadline that is handed on: the client's 300 ms hold at the server behind the server, too.

Ten readings take a second. Nobody measures on when nobody waits any more.
"""

import trio

import avrpc
from avrpc.demo.interface import Vitals
from avrpc.demo.service import VitalsService


class Back(VitalsService):
    async def now(self, device: str) -> dict[str, object]:
        left = avrpc.current_call().deadline - trio.current_time()
        print(f"back: {left * 1000:.0f} ms left; measuring")
        try:
            readings = [await VitalsService.now(self, device) for _ in range(10)]
            return max(readings, key=lambda reading: reading["value"])
        except trio.Cancelled:
            print("back: cancelled")
            raise


class Front(VitalsService):
    def __init__(self, back: avrpc.Client) -> None:
        super().__init__()
        self.back = back

    async def now(self, device: str) -> dict[str, object]:
        print("front: asking the server behind")
        reading: dict[str, object] = await self.back.now(device)  # nothing to be done for it
        return reading


async def main() -> None:
    back = avrpc.Server({Vitals: Back()})
    async with trio.open_nursery() as nursery:
        [behind] = await nursery.start(back.serve, "tcp://127.0.0.1:0")
        async with avrpc.connect(behind, Vitals) as client:
            front = avrpc.Server({Vitals: Front(client)})
            [address] = await nursery.start(front.serve, "tcp://127.0.0.1:0")
            async with avrpc.connect(address, Vitals) as vitals:
                with trio.move_on_after(0.3) as scope:
                    print("client: got", await vitals.now("cpu"))
                if scope.cancelled_caught:
                    print("client: the time is up")
            await front.aclose()
        await back.aclose()


trio.run(main)
