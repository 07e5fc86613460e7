"""Where a server is: ``tcp://host:port``, ``unix:///path``."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

_FORMS = "tcp://HOST:PORT or unix:///PATH"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host (name, IPv4 or IPv6) and a port; port 0 lets the system choose when serving."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a Unix socket."""

    path: str

    def __str__(self) -> str:
        return f"unix://{self.path}"


Address = TcpAddress | UnixAddress


def parse_address(text: str) -> Address:
    """Read an address.

    Raises:
        ValueError: It has none of the known forms; the text says which there are.
    """
    try:
        parts = urlsplit(text)
        if parts.scheme == "tcp":
            return _tcp(parts)
        if parts.scheme == "unix":
            return _unix(parts)
    except ValueError as error:
        raise ValueError(f"address {text!r}: {error}") from None
    if parts.scheme == "tls":
        raise ValueError(f"address {text!r}: TLS is not supported in this version")
    raise ValueError(f"address {text!r}: expected {_FORMS}")


def _tcp(parts: SplitResult) -> TcpAddress:
    if parts.hostname is None or parts.port is None:
        raise ValueError("expected tcp://HOST:PORT")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ValueError("expected nothing but tcp://HOST:PORT")
    return TcpAddress(parts.hostname, parts.port)


def _unix(parts: SplitResult) -> UnixAddress:
    path = unquote(parts.netloc + parts.path)
    if not path:
        raise ValueError("expected unix:///PATH")
    return UnixAddress(path)
