"""Who may call: a token says who a client is, and a function what it may do."""

import secrets

import trio

import avrpc
from avrpc.demo.interface import Vitals
from avrpc.demo.service import VitalsService

# In earnest they come from a file that nobody else can read.
TOKENS = {"alice": secrets.token_urlsafe(), "guest": secrets.token_urlsafe()}


def authorize(call: avrpc.CallInfo) -> bool:
    return call.identity == "alice" or call.message.name == "devices"


async def use(address: str, token: str | None) -> None:
    async with avrpc.connect(address, Vitals, credentials=token) as vitals:
        print("there are", len(await vitals.devices()), "devices")
        print("memory:", (await vitals.now("memory"))["value"], "bytes")


async def main() -> None:
    authenticate = avrpc.BearerTokens(TOKENS)
    server = avrpc.Server({Vitals: VitalsService()}, authenticate=authenticate, authorize=authorize)
    async with trio.open_nursery() as nursery:
        [address] = await nursery.start(server.serve, "tcp://127.0.0.1:0")
        for name in ("alice", "guest", "stranger"):
            print(f"-- {name}")
            try:
                await use(address, TOKENS.get(name))
            except avrpc.AvrpcError as error:
                print(f"{type(error).__name__}: {error}")
        await server.aclose()


trio.run(main)
