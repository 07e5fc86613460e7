"""Two protocols on one server; each client says which one it means."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import trio

import avrpc
from avrpc.demo.service import VitalsService

FOLDER = Path(__file__).parent
registry = avrpc.Registry(FOLDER.parent / "schemas")
Files, Vitals = registry["demo.Files"], registry["avrpc.vitals.Vitals"]


class Shelf:
    def size(self, file: str) -> int:
        return (FOLDER / file).stat().st_size

    async def lines(self, file: str) -> AsyncIterator[str]:
        async with await trio.open_file(FOLDER / file) as opened:
            async for line in opened:
                yield line

    async def digest(self, chunks: trio.abc.ReceiveChannel[bytes]) -> str:
        sha256 = hashlib.sha256()
        async for chunk in chunks:
            sha256.update(chunk)
        return sha256.hexdigest()


async def main() -> None:
    server = avrpc.Server({Files: Shelf(), Vitals: VitalsService()})
    async with trio.open_nursery() as nursery:
        [address] = await nursery.start(server.serve, "tcp://127.0.0.1:0")
        async with avrpc.connect(address, Files) as files, avrpc.connect(address, Vitals) as vitals:
            print("this file has", await files.size("two_protocols.py"), "bytes,")
            print("this machine has", len(await vitals.devices()), "devices;")
            print("the server has", *files.protocols)
        await server.aclose()


trio.run(main)
