"""How a command that calls a server connects to it: its options, and what they come to."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any

import click

from avrpc import Client, Protocol, client_tls, connect
from avrpc.address import is_tls
from avrpc.cli import options
from avrpc.cli.failures import Usage
from avrpc.cli.tokens import VARIABLE, read_token
from avrpc.credentials import is_plaintext


@dataclass(frozen=True)
class Connecting:
    """What the options say.

    Attributes:
        connect_timeout: Seconds, for each connection.
        tls_ca: File of the CAs to trust.
        tls_cert: File of this end's certificate.
        tls_key: File of its key.
        tls_name: Whom the server's certificate has to be for.
        token_file: File of the token to show; None for that of the environment, if it has one.
        plaintext_token: Show it also where others may read it on its way.
        compression: What to compress with, if the server offers it.
    """

    connect_timeout: float = 10.0
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_name: str | None = None
    token_file: str | None = None
    plaintext_token: bool = False
    compression: str | None = None

    def to(
        self, address: str, protocol: Protocol | str | None = None
    ) -> AbstractAsyncContextManager[Client]:
        """Connect, for the length of an ``async with``.

        Raises:
            Usage: The options do not go with the address, or a file is not what it should be, or a
                codec is not installed.
            ConnectFailed: No connection came about.
        """
        try:
            tls, token = self._context(address), self._token(address)
            return connect(
                address,
                protocol,
                timeout=self.connect_timeout,
                tls=tls,
                server_hostname=self.tls_name,
                credentials=token,
                allow_plaintext_credentials=self.plaintext_token,
                compression=self.compression,
            )
        except (OSError, ValueError, ImportError) as error:
            raise Usage(options.told(error)) from None

    def _token(self, address: str) -> bytes | None:
        token = read_token(self.token_file)
        if token is not None and not self.plaintext_token and is_plaintext(address):
            source = VARIABLE if self.token_file is None else "--token-file"
            raise Usage(
                f"{address}: the token of {source} would go there in plain text, for others to"
                " read; use a tls:// address, or allow it by --plaintext-token"
            )
        return token

    def _context(self, address: str) -> ssl.SSLContext | None:
        given = [
            f"--{name.replace('_', '-')}"
            for name in ("tls_ca", "tls_cert", "tls_key", "tls_name")
            if getattr(self, name) is not None
        ]
        if given and not is_tls(address):
            raise Usage(f"{given[0]}: is for a tls:// address, got {address}")
        if given in ([], ["--tls-name"]):
            return None
        return client_tls(ca=self.tls_ca, certificate=self.tls_cert, key=self.tls_key)


_OPTIONS = (
    click.option(
        "--tls-name",
        metavar="NAME",
        help="For tls://: whom the server's certificate has to be for, if not the host in ADDRESS.",
    ),
    click.option(
        "--tls-key", metavar="FILE", help="For tls://: the key of --tls-cert, if not in that file."
    ),
    click.option(
        "--tls-cert",
        metavar="FILE",
        help="For tls://: a certificate to show to a server that asks for one, in PEM.",
    ),
    click.option(
        "--tls-ca",
        metavar="FILE",
        help="For tls://: the CAs to trust, in PEM.  [default: the system's]",
    ),
    click.option(
        "--plaintext-token",
        is_flag=True,
        help="Show the token also over tcp:// to another machine, where others may read it.",
    ),
    options.compression("Compress what is sent, if the server offers it."),
    options.token_file("Show the server the token in FILE."),
    options.connect_timeout,
)


def connecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options, and what they come to as its parameter ``connecting``."""
    names = [field.name for field in fields(Connecting)]

    @wraps(command)
    def with_options(**given: Any) -> Any:
        made = Connecting(**{name: given.pop(name) for name in names})
        return command(connecting=made, **given)

    for option in _OPTIONS:
        with_options = option(with_options)
    return with_options
