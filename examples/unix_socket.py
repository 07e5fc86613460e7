"""A Unix socket, and a client that brings no interface of its own: it takes the server's."""

import tempfile

import trio

import avrpc
from avrpc.demo.service import server


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with trio.open_nursery() as nursery:
            [address] = await nursery.start(server.serve, f"unix://{folder}/vitals.sock")
            print("serving on", address)

            async with avrpc.connect(address) as client:  # no protocol given
                print("the server has", client.protocol.name)
                for message in client.protocol.messages.values():
                    print(f"  {message.name:8} {message.kind.value:18} {message.doc}")
                print("devices:", *(device["name"] for device in await client.devices()))

            await server.aclose()


trio.run(main)
