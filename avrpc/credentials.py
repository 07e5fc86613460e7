"""What a client wants to be known by: where it may be sent, and where it comes from.

Credentials are bytes that whoever reads them can use. So over plain TCP they go no further than
this machine, unless that is allowed by name; and no log, error or ``repr`` of this library has
them.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from avrpc.address import TcpAddress, parse_address

# The first handshake pack holds 16 KiB, and other things. Tokens are shorter: most servers of HTTP
# take headers of 8 KiB in all.
MAX_CREDENTIALS_BYTES = 8 * 1024

Given = bytes | str | None
Credentials = Given | Callable[[], Given | Awaitable[Given]]


def check_credentials(credentials: object, address: str, *, allow_plaintext: bool) -> None:
    """Find out, before anything is opened, whether credentials can go where they shall.

    Raises:
        TypeError: They are none.
        ValueError: They are too long; or others could read them on their way.
    """
    if credentials is None:
        return
    if not callable(credentials):
        _checked(credentials)
    if not allow_plaintext and is_plaintext(address):
        raise ValueError(
            f"{address}: credentials would go there in plain text, for others to read; use TLS or"
            " a Unix socket, or allow it by allow_plaintext_credentials=True"
        )


def is_plaintext(address: str) -> bool:
    """Whether others than this machine may read what is sent to an address.

    A name other than localhost counts as elsewhere, wherever it leads now.

    Raises:
        ValueError: It is none.
    """
    where = parse_address(address)
    if not isinstance(where, TcpAddress):
        return False
    try:
        return not ip_address(where.host.partition("%")[0]).is_loopback
    except ValueError:
        return where.host.rstrip(".").lower() != "localhost"


async def fetch(credentials: Credentials) -> bytes | None:
    """The bytes to send now: they are made if there is a function for it.

    Raises:
        TypeError: What it gives are none.
        ValueError: They are too long.
    """
    given: object = credentials
    if callable(credentials):
        given = credentials()
        if inspect.isawaitable(given):
            given = await given
    return None if given is None else _checked(given)


def _checked(given: object) -> bytes:
    encoded = as_bytes(given)
    if len(encoded) > MAX_CREDENTIALS_BYTES:
        raise ValueError(
            f"credentials of {len(encoded)} bytes: at most {MAX_CREDENTIALS_BYTES} can be sent"
        )
    return encoded


def as_bytes(secret: object) -> bytes:
    """A secret as it is sent and compared: a str is its UTF-8, also one from the environment.

    Raises:
        TypeError: It is neither bytes nor str.
        ValueError: It is a str that has no UTF-8.
    """
    if isinstance(secret, bytes):
        return secret
    if not isinstance(secret, str):
        raise TypeError(f"credentials: expected bytes or str, got {type(secret).__name__}")
    try:
        return secret.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        pass  # it quotes some of the secret and holds all, so it is no cause or context of ours
    raise ValueError("credentials: a str that has no UTF-8")
