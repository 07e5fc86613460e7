"""Codecs for the records of the handshake. They are frozen: what is new goes into their maps.

Avro's two are those of the specification. `HELLO` and `REFUSAL` are ours; the first is
`meta["avrpc"]` both ways, the second `meta["avrpc-refused"]` of a refusal.
"""

from __future__ import annotations

from typing import Any

from .codec import Codec, prefix_decoder
from .fit import At
from .parse import Names
from .strictjson import Place
from .types import Record
from .varint import Data

_IPC = "org.apache.avro.ipc"
_MD5 = {"type": "fixed", "name": "MD5", "namespace": _IPC, "size": 16}
_META = ["null", {"type": "map", "values": "bytes"}]


class RecordCodec:
    """Encodes a record, and decodes one that other bytes may follow."""

    def __init__(self, name: str, fields: list[tuple[str, Any]], namespace: str = "avrpc") -> None:
        json = {
            "type": "record",
            "name": name,
            "namespace": namespace,
            "fields": [{"name": field, "type": of} for field, of in fields],
        }
        names = Names()
        names.collect(json, "", Place(name))
        of = names.parse(json, "", Place(name))
        names.complete()
        assert isinstance(of, Record)
        self._encode = Codec(of, At(name)).encode
        self._decode = prefix_decoder(of, At(name))

    def encode(self, value: dict[str, Any]) -> bytes:
        """Encode a record; `InvalidValue` if it does not fit."""
        return bytes(self._encode(value))

    def decode(self, data: Data, start: int = 0) -> tuple[dict[str, Any], int]:
        """Decode the record that begins at `start`; give it and the position after it.

        Raises:
            InvalidValue: There is no such record.
        """
        return self._decode(data, start)


HANDSHAKE_REQUEST = RecordCodec(
    "HandshakeRequest",
    [
        ("clientHash", _MD5),
        ("clientProtocol", ["null", "string"]),
        ("serverHash", "MD5"),
        ("meta", _META),
    ],
    _IPC,
)
HANDSHAKE_RESPONSE = RecordCodec(
    "HandshakeResponse",
    [
        (
            "match",
            {"type": "enum", "name": "HandshakeMatch", "symbols": ["BOTH", "CLIENT", "NONE"]},
        ),
        ("serverProtocol", ["null", "string"]),
        ("serverHash", ["null", _MD5]),
        ("meta", _META),
    ],
    _IPC,
)
HELLO = RecordCodec(
    "Hello",
    [
        ("minVersion", "int"),
        ("maxVersion", "int"),
        ("protocol", "string"),
        ("protocols", {"type": "array", "items": "string"}),
        ("sha256", "bytes"),
        ("features", {"type": "array", "items": "string"}),
        ("limits", {"type": "map", "values": "long"}),
    ],
)
REFUSAL = RecordCodec("Refusal", [("code", "int"), ("text", "string")])
