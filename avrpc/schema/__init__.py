"""Interfaces and values: what an Avro protocol says, and values to bytes and back by it.

Pure: no trio, no sockets; only `registry` reads files. The only importer of fastavro.

    registry           a folder of .avpr and .avsc files
    protocol           Protocol, Message, Parameter; over `messages`, which reads their JSON
    parse              JSON to types, with errors by JSON path; over `strictjson` and `defaults`
    types              our model of a type
    text               the one function that makes the text that we send and hash
    compare            where two protocols differ, in words
    declared           classes for declared errors, and the codec that carries them
    codec              Codec and ItemsCodec: fastavro, and what is around it:
      plan, fast         how our values differ from fastavro's; schemas for fastavro
      fit, check         the rules of values, explained slowly and checked quickly
      logical, scan      dates and decimals; walking over bytes that fastavro can't be given
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
