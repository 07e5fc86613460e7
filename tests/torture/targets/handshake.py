"""Contents of handshake packs, at either end.

An input is an end, a round and a content: as it is, or a record of decisions with some bytes
changed. A server answers whatever comes; a client agrees, asks again or raises `ConnectFailed`.
"""

from __future__ import annotations

from typing import Any

from avrpc.errors import ConnectFailed
from avrpc.handshake import ClientHandshake, ServerHandshake
from avrpc.limits import Limits
from avrpc.memory import ServerMemory, TextCache
from avrpc.replies import Verdict
from avrpc.schema import Protocol
from avrpc.schema.handshake_records import (
    HANDSHAKE_REQUEST,
    HANDSHAKE_RESPONSE,
    HELLO,
    REFUSAL,
)
from tests.torture.targets.script import Script

PING = b"\0\0"
OURS = Protocol.parse('{"protocol":"P","namespace":"n","messages":{}}')
OTHER = Protocol.parse('{"protocol":"P","namespace":"n","doc":"Another.","messages":{}}')
TEXTS = [None, OURS.text, OTHER.text, "", "{}", '{"protocol":"P","messages":{}}', "x" * 300]
HASHES = [OURS.md5, OTHER.md5, bytes(16)]
SHA256S = [OURS.sha256, OTHER.sha256, bytes(32), b"", b"x"]
INTS = [1, 0, 2, -1, 2**31 - 1, -(2**31)]
LONGS = [65_536, 0, 1, -1, 2**31 - 1, 2**31, 2**63 - 1, -(2**63)]
NAMES = ["", "n.P", "n.Q", "é", "\n", "x" * 300]


def hello(script: Script) -> bytes:
    """Our record, of the input's decisions."""
    limits = [*Limits().announced(), "unknown"]
    return HELLO.encode(
        {
            "minVersion": script.choice(INTS),
            "maxVersion": script.choice(INTS),
            "protocol": script.choice(NAMES),
            "protocols": [script.choice(NAMES) for _ in range(script.randrange(3))],
            "sha256": script.choice(SHA256S),
            "features": [script.choice(NAMES) for _ in range(script.randrange(3))],
            "limits": {
                script.choice(limits): script.choice(LONGS) for _ in range(script.randrange(4))
            },
        }
    )


def meta(script: Script) -> dict[str, bytes] | None:
    """What goes beside Avro's fields."""
    if script.byte() == 255:
        return None
    made = {}
    for _ in range(1 + script.randrange(2)):
        match script.randrange(4):
            case 0:
                made["avrpc"] = hello(script)
            case 1:
                made["avrpc"] = script.take(script.randrange(40))
            case 2:
                refusal = {"code": script.choice(INTS), "text": script.choice(NAMES)}
                made["avrpc-refused"] = REFUSAL.encode(refusal)
            case _:
                made[script.choice(["avrpc-refused", "avrpc-auth", "x"])] = script.take(9)
    return made


def content_of(script: Script, *, to_server: bool) -> bytes:
    """The content that an input means."""
    if script.randrange(4) == 3:
        return script.rest()
    fields: dict[str, Any] = {"serverHash": script.choice(HASHES), "meta": meta(script)}
    text = script.choice(TEXTS)
    if to_server:
        fields |= {"clientHash": script.choice(HASHES), "clientProtocol": text}
        content = HANDSHAKE_REQUEST.encode(fields) + script.choice([PING, b"", b"\0", b"\0\0\0"])
    else:
        fields |= {"match": script.choice(["BOTH", "CLIENT", "NONE"]), "serverProtocol": text}
        content = HANDSHAKE_RESPONSE.encode(fields)
    bent = bytearray(content)
    while not script.ended:
        at = (script.byte() << 8 | script.byte()) % len(bent)
        bent[at] ^= script.byte()
    return bytes(bent)


def run(data: bytes) -> None:
    """Do what the bytes say."""
    script = Script(data)
    first = script.byte()
    if first & 1:
        _to_server(script, again=bool(first & 2))
    else:
        _to_client(script, again=bool(first & 2), knows=bool(first & 4))


def _to_server(script: Script, *, again: bool) -> None:
    server = ServerHandshake({OURS.name: OURS}, limits=Limits(), texts=TextCache())
    if again:
        asks = ClientHandshake(OTHER, "", address="a", limits=Limits(), memory=ServerMemory())
        assert server.request(asks.first()).verdict is Verdict.AGAIN
    reply = server.request(content_of(script, to_server=True))
    assert (reply.verdict is Verdict.NATIVE) == (reply.agreement is not None)
    assert (reply.verdict is Verdict.CLOSE) == (reply.refusal != "")
    assert len(reply.content) < 16_384
    assert not (again and reply.verdict is Verdict.AGAIN)


def _to_client(script: Script, *, again: bool, knows: bool) -> None:
    mine = OURS if knows else None
    client = ClientHandshake(mine, "", address="a", limits=Limits(), memory=ServerMemory())
    server = ServerHandshake({OTHER.name: OTHER}, limits=Limits(), texts=TextCache())
    first = client.first()
    if again:
        assert isinstance(client.answer(server.request(first).content), bytes)
    try:
        client.answer(content_of(script, to_server=False))
    except ConnectFailed as error:
        assert len(str(error)) < 5000, error  # noqa: PT017 - it is no test


def seeds() -> list[bytes]:
    """Each end and round, with each choice of its fields."""
    made = []
    for first in range(8):
        for at in range(8):
            made.append(bytes([first, 0, 0, 0, 0, 0, *([0] * 9), 0, 0]))
            made.append(bytes([first, 0, at, 0, 0, 0, at, at, at, 0, at, 0, 1, at, at, at, at]))
        made.append(bytes([first, 3]) + bytes(range(40)))
    return made
