"""What a command ends with when it does not end well: one line on stderr, and an exit code."""

from __future__ import annotations

import click

from avrpc import (
    AvrpcError,
    ConnectFailed,
    ConnectionClosed,
    ConnectionLost,
    CredentialsRefused,
    DeadlineExceeded,
    DeclaredError,
    Message,
    TlsFailed,
)
from avrpc.cli.output import json_text, printable
from avrpc.cli.values import to_json
from avrpc.schema.types import short


class Failure(click.ClickException):
    """Something that a user may have caused: shown as one line, with no trace-back."""

    def show(self, file: object = None) -> None:
        """Print it to stderr."""
        line = printable(self.format_message()).replace("\n", "\\n")
        click.echo(f"{self.prefix}{line}", err=True)

    prefix = "avrpc: "


class Declared(Failure):
    """An error that the protocol declares."""

    exit_code = 1
    prefix = ""


class Usage(Failure):
    """What was asked for can't be: found here, and the call was not made."""

    exit_code = 2


class NoConnection(Failure):
    """No connection came about, or it was lost."""

    exit_code = 3


class Remote(Failure):
    """The server failed, or would not."""

    exit_code = 4


class Late(Failure):
    """The time is up."""

    exit_code = 5


# What the library advises a program to write, and what that is on a command line.
_OPTIONS = {
    "tls=avrpc.client_tls(ca=FILE)": "--tls-ca FILE",
    "tls=avrpc.client_tls(certificate=FILE, key=FILE)": "--tls-cert FILE",
    "as server_hostname": "by --tls-name",
    "no credentials were given": "show a token by --token-file or AVRPC_TOKEN",
}


def failure_of(error: AvrpcError) -> Failure:
    """Make what a user sees of an error that has no better words yet."""
    kind: type[Failure] = Remote
    if isinstance(error, ConnectFailed | ConnectionLost | ConnectionClosed):
        kind = NoConnection
    elif isinstance(error, DeadlineExceeded):
        kind = Late
    text = str(error) or type(error).__name__
    if isinstance(error, TlsFailed | CredentialsRefused):
        for words, option in _OPTIONS.items():
            text = text.replace(words, option)
    return kind(text)


def declared_failure(message: Message, error: DeclaredError) -> Declared:
    """Make what a user sees of an error that a message declares."""
    record = next(one for one in message.error_types if one.name == error.full_name)
    fields = json_text(to_json(record, error.fields))
    return Declared(f"{short(error.full_name)}: {fields}")
