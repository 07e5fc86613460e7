"""Schema-negotiating, streaming RPC for trio programs whose interface is an Avro protocol.

    registry = avrpc.Registry("schemas")
    Quotes = registry["demo.Quotes"]

    server = avrpc.Server({Quotes: Desk()})
    addresses = await nursery.start(server.serve, "tcp://127.0.0.1:7000")

    async with avrpc.connect(addresses[0], Quotes) as quotes:
        async with quotes.watch("EURUSD") as ticks:
            async for tick in ticks: ...

A map of the package; imports only go down (tests/test_layering.py):

    cli, demo, testing          what is built with all below;  conformance: cases for any peer
    client         server       connect, and Server;  server_connection: one of its connections
    client_message handlers     messages: what a client calls, what a service answers with
    client_call    server_call  one call, at either end;  client_stream: a streamed one
    call                        streamed items as trio channels
    workers                     the tasks that run handlers, of which one reads
    session                     one connection on trio: its calls, and how it ends
    reader, writer              its two halves;  watch, lookout: what is done when nothing comes
    opening, handshake          how a connection begins;  replies, memory: what is said, and kept
    auth, call_info             who may call, and what a handler knows of its call
    compression                 what an end offers to compress with
    transport, listen, address  sockets and streams, at what address;  limits: how much
    tls_transport, tls          the same, over TLS;  tls_errors: why not
    wire       schema           the protocol without IO; Avro types, protocols and codecs
    errors, groups              what can go wrong;  shown, log: what is said of it
"""

from avrpc.auth import BearerTokens, Presented, same_secret
from avrpc.call_info import CallInfo, current_call
from avrpc.client import Client, connect, connect_stream
from avrpc.errors import (
    AvrpcError,
    CallCancelled,
    ConnectFailed,
    ConnectionClosed,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimeout,
    CredentialsRefused,
    DeadlineExceeded,
    DeclaredError,
    IncompatibleMessage,
    IncompatibleProtocol,
    InternalError,
    InvalidValue,
    LimitExceeded,
    NotAvrpc,
    PermissionDenied,
    RemoteError,
    SchemaError,
    TlsFailed,
    Unauthenticated,
    Unavailable,
    UnknownMessage,
)
from avrpc.limits import Limits
from avrpc.schema import Branch, Kind, Message, Protocol
from avrpc.schema.registry import Registry
from avrpc.server import Server
from avrpc.tls import Certificate, TlsInfo, client_tls, server_tls

__version__ = "0.1.0"

__all__ = [
    "AvrpcError",
    "BearerTokens",
    "Branch",
    "CallCancelled",
    "CallInfo",
    "Certificate",
    "Client",
    "ConnectFailed",
    "ConnectTimeout",
    "ConnectionClosed",
    "ConnectionLost",
    "ConnectionRefused",
    "CredentialsRefused",
    "DeadlineExceeded",
    "DeclaredError",
    "IncompatibleMessage",
    "IncompatibleProtocol",
    "InternalError",
    "InvalidValue",
    "Kind",
    "LimitExceeded",
    "Limits",
    "Message",
    "NotAvrpc",
    "PermissionDenied",
    "Presented",
    "Protocol",
    "Registry",
    "RemoteError",
    "SchemaError",
    "Server",
    "TlsFailed",
    "TlsInfo",
    "Unauthenticated",
    "Unavailable",
    "UnknownMessage",
    "__version__",
    "client_tls",
    "connect",
    "connect_stream",
    "current_call",
    "same_secret",
    "server_tls",
]
