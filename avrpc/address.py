"""Where a server is: ``tcp://host:port``, ``tls://host:port``, ``unix:///path``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes, urlsplit

_FORMS = "tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH"

# What a path keeps as it is; all else is written as %xx, so that any path makes a text that is
# read as that path, and no text holds a line end.
_PLAIN = "/!$&'()*+,;=:@"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host (name, IPv4 or IPv6) and a port; port 0 lets the system choose when serving."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp://{_host(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class TlsAddress:
    """As `TcpAddress`, over TLS."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tls://{_host(self.host)}:{self.port}"


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a Unix socket; one that is not absolute is below the current folder."""

    path: str

    def __str__(self) -> str:
        return f"unix://{quote(os.fsencode(self.path), safe=_PLAIN)}"


Address = TcpAddress | TlsAddress | UnixAddress


def parse_address(text: str) -> Address:
    """Read an address.

    In the path of a Unix socket, ``%20`` stands for a space, and so on; every other character
    stands for itself.

    Raises:
        ValueError: It has none of the known forms; the text says which there are.
    """
    scheme, _, rest = text.partition(":")
    try:
        match scheme.lower():
            case "tcp":
                return TcpAddress(*_host_and_port(text, "tcp"))
            case "unix":
                return _unix(rest)
            case "tls":
                return TlsAddress(*_host_and_port(text, "tls"))
    except ValueError as error:
        raise ValueError(f"address {text!r}: {error}") from None
    raise ValueError(f"address {text!r}: expected {_FORMS}")


def is_tls(text: str) -> bool:
    """Whether an address is one of TLS.

    Raises:
        ValueError: It is none.
    """
    return isinstance(parse_address(text), TlsAddress)


def _host_and_port(text: str, scheme: str) -> tuple[str, int]:
    parts = urlsplit(text)
    if not parts.hostname or parts.port is None:
        raise ValueError(f"expected {scheme}://HOST:PORT")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"expected nothing but {scheme}://HOST:PORT")
    return parts.hostname, parts.port


def _unix(rest: str) -> UnixAddress:
    quoted = rest.removeprefix("//")
    if quoted == rest or not quoted:
        raise ValueError("expected unix:///PATH")
    path = os.fsdecode(unquote_to_bytes(os.fsencode(quoted)))
    if "\0" in path:
        raise ValueError("a path holds no null byte")
    return UnixAddress(path)
