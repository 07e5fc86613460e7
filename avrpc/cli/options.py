"""Arguments and options that commands share, and how their words are read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import isfinite
from typing import Any, TypeVar

import click

from avrpc.address import parse_address
from avrpc.cli.failures import Usage
from avrpc.compression import AUTO
from avrpc.wire import CODECS

_Command = TypeVar("_Command", bound=Callable[..., Any])

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""For every command."""


def check_address(text: str) -> str:
    """Give an address back.

    Raises:
        Usage: It is none; the text says what one looks like.
    """
    try:
        parse_address(text)
    except ValueError as error:
        raise Usage(f"{error}{_meant(text)}") from None
    return text


def told(error: OSError | ValueError | ImportError) -> str:
    """Say what is wrong, with the file first where it is one."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _meant(text: str) -> str:
    """Guess which address was meant where only the scheme is missing."""
    guess = f"unix://{text}" if text.startswith("/") else f"tcp://{text}"
    if "://" not in text:
        with suppress(ValueError):
            parse_address(guess)
            return f"; did you mean {guess}?"
    return ""


def _address(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    return check_address(value)


def _seconds(_ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not (isfinite(value) and value > 0):
        raise Usage(f"{param.opts[0]}: expected seconds, more than 0, got {value}")
    return value


def _metadata(
    _ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in value:
        name, equals, rest = word.partition("=")
        if not equals or not name:
            raise Usage(f"--metadata: expected NAME=VALUE, got {word!r}")
        if name in found:
            raise Usage(f"--metadata: {name!r} is there twice")
        found[name] = rest
    return found


address = click.argument("address", callback=_address)

connect_timeout = click.option(
    "--connect-timeout",
    type=float,
    metavar="SECONDS",
    default=10.0,
    show_default=True,
    callback=_seconds,
    help="How long connecting and the handshake may take together.",
)


def token_file(what: str) -> Callable[[_Command], _Command]:
    """The option for a token; ``what`` begins its help."""
    return click.option(
        "--token-file", metavar="FILE", help=f"{what}  [default: that in AVRPC_TOKEN, if set]"
    )


def compression(what: str) -> Callable[[_Command], _Command]:
    """The option for a codec; ``what`` begins its help."""
    return click.option(
        "--compression",
        type=click.Choice([AUTO, *CODECS]),
        help=f"{what} auto: any that is installed (avrpc[compression]).  [default: none]",
    )


timeout = click.option(
    "--timeout",
    type=float,
    metavar="SECONDS",
    callback=_seconds,
    help="How long the call may take; the server is told.  [default: no limit]",
)

metadata = click.option(
    "--metadata",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_metadata,
    help="Sent along with the call, for the handler to read. Repeatable.",
)
