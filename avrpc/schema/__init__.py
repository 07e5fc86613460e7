"""Interfaces and values: what an Avro protocol says, and values to bytes and back by it.

Pure: no trio, no sockets; only `registry` reads files. The only importer of fastavro.

    registry           a folder of .avdl, .avpr and .avsc files
    idl                Avro IDL to the JSON of these; over `idl_types` and `idl_tokens`
    idl_link           imports, and the order of types, of files in IDL
    protocol           Protocol, Message, Parameter: what the rest of avrpc uses
    messages           a protocol's JSON to the signatures of its messages
    parse              JSON to types, with errors by JSON path; over `strictjson` and `defaults`
    gate               limits on what a schema may be, and how much work its values can make
    types              our model of a type, and what follows from its shape
    text               the one function that makes the text that we send and hash
    compare            where two protocols differ, in words
    declared           classes for declared errors, and the codec that carries them
    codec              Codec and ItemsCodec, values to bytes and back:
      fit, encode        what values may be, explained slowly; the same compiled, and writing
      fast, plan, arrive fastavro's schemas; where its values differ from ours, and converting them
      logical, varint    dates, decimals and UUIDs; numbers
      scan               walking over bytes, for depth and to say what is wrong with them
    handshake_records  codecs for the frozen records of the handshake
"""

from .codec import Codec, ItemsCodec
from .declared import ErrorCodec, Errors
from .messages import Kind
from .protocol import Message, Parameter, Protocol
from .registry import Registry, UnknownProtocol
from .types import Branch

__all__ = [
    "Branch",
    "Codec",
    "ErrorCodec",
    "Errors",
    "ItemsCodec",
    "Kind",
    "Message",
    "Parameter",
    "Protocol",
    "Registry",
    "UnknownProtocol",
]
