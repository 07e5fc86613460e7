"""A flood of handshakes, each with another protocol.

The first number given is of handshakes in memory, the second of those over sockets.
"""

import json
import resource
import sys
from pathlib import Path

import trio

import avrpc
from avrpc.client import connect
from avrpc.handshake import ClientHandshake, ServerHandshake
from avrpc.memory import ServerMemory, TextCache
from avrpc.replies import Agreement
from tests.torture.figures import Run

MAX_GROWTH = 32  # MB


class Echo:
    async def echo(self, text: str) -> str:
        return text


def protocol(number: int = -1) -> avrpc.Protocol:
    """The same interface in another text."""
    message = {"request": [{"name": "text", "type": "string"}], "response": "string"}
    made = {"protocol": "P", "doc": f"{number:05}" * 400, "messages": {"echo": message}}
    return avrpc.Protocol.parse(json.dumps(made))


def resident() -> int:
    """What the process has in memory, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


def in_memory(count: int) -> int:
    """Shake hands; give by how many MB the process grew."""
    ours, texts, memory = protocol(), TextCache(), ServerMemory()
    before = 0
    for number in range(count):
        mine = protocol(number)
        client = ClientHandshake(mine, "", address="a", limits=avrpc.Limits(), memory=memory)
        server = ServerHandshake({"P": ours}, limits=avrpc.Limits(), texts=texts)
        answer: Agreement | bytes = client.first()
        while isinstance(answer, bytes):
            answer = client.answer(server.request(answer).content)
        if number == 600:  # the caches are full
            before = resident()
    return resident() - before


async def over_sockets(count: int) -> int:
    """The same with connections, each for a call."""
    server = avrpc.Server({protocol(): Echo()})
    before = 0
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
        for number in range(count):
            async with connect(address, protocol(number)) as client:
                assert await client.echo("x") == "x"
            if number == min(300, count // 2):
                before = resident()
        nursery.cancel_scope.cancel()
    return resident() - before


def main(count: int = 100_000, connections: int = 5000) -> int:
    with Run("flood", "in memory") as first:
        first.add("handshakes", count)
        first.add("growth", in_memory(count), "MB", at_most=MAX_GROWTH)
    with Run("flood", "over sockets") as second:
        second.add("connections", connections)
        second.add("growth", trio.run(over_sockets, connections), "MB", at_most=MAX_GROWTH)
    return first.exit_code or second.exit_code


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
