"""`avrpc serve`: run a server that a module makes."""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import ssl
import sys
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import click
import trio

import avrpc
from avrpc import BearerTokens, Server, server_tls
from avrpc.address import is_tls
from avrpc.cli import options
from avrpc.cli.failures import NoConnection, Usage
from avrpc.cli.output import give_up_stdout
from avrpc.cli.tokens import VARIABLE, read_token
from avrpc.compression import features
from avrpc.schema.names import suggest

# Where the frames of a trace-back stand that are not of the user's own code.
_NOT_THEIRS = (
    "<frozen",
    f"{Path(avrpc.__file__).parent}{os.sep}",
    f"{Path(importlib.__file__).parent}{os.sep}",
)


def _addresses(
    _ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    return tuple(map(options.check_address, value))


@click.command(context_settings=options.SETTINGS, short_help="Run a server.")
@click.argument("server", metavar="MODULE:SERVER")
@click.option(
    "--bind",
    multiple=True,
    metavar="ADDRESS",
    default=["tcp://127.0.0.1:7000"],
    show_default=True,
    callback=_addresses,
    help="Where to serve: tcp://HOST:PORT (port 0 for a free one), tls://HOST:PORT or unix:///PATH."
    " Repeatable.",
)
@click.option(
    "--tls-cert",
    metavar="FILE",
    help="For tls://: the server's certificate and the chain above it, in PEM.",
)
@click.option(
    "--tls-key", metavar="FILE", help="For tls://: the key of --tls-cert, if not in that file."
)
@click.option(
    "--tls-client-ca",
    metavar="FILE",
    help="For tls://: take only clients with a certificate by one of these CAs, in PEM.",
)
@options.token_file("Let in only clients that show the token in FILE.")
@options.compression("Compress for clients that ask for it.")
@click.option("-v", "--verbose", is_flag=True, help="Log more; show trace-backs of MODULE.")
def serve(
    server: str,
    bind: tuple[str, ...],
    tls_cert: str | None,
    tls_key: str | None,
    tls_client_ca: str | None,
    token_file: str | None,
    compression: str | None,
    verbose: bool,
) -> None:
    """Serve SERVER of MODULE until SIGTERM or Ctrl-C.

    MODULE is imported, with the current folder on the path; SERVER in it is an avrpc.Server, or a
    function without parameters that gives one. One line is printed for each address once clients
    can connect. The first signal lets the calls that run finish, the second one ends them.

    \b
    Examples:
      avrpc serve server:server
      avrpc serve shop.quotes:make_server --bind tcp://127.0.0.1:0 --bind unix:///run/quotes.sock
      avrpc serve server:server --bind tls://0.0.0.0:7000 --tls-cert server.pem --token-file token
    """  # noqa: D301 - for click, which does not wrap what follows it
    tls = _tls(bind, tls_cert, tls_key, tls_client_ca)
    found = _load(server, verbose=verbose)
    _ask_for_token(found, token_file)
    _compress(found, compression)
    _log(verbose=verbose)
    names = ", ".join(protocol.name for protocol in found.protocols)

    def announce(addresses: list[str]) -> None:
        try:
            for address in addresses:
                click.echo(f"serving {names} on {address}")
        except BrokenPipeError:  # who started it may not want to know
            give_up_stdout()

    try:
        trio.run(partial(found.run_until_signal, announce, *bind, tls=tls))
    except OSError as error:
        where = error.filename or ", ".join(bind)
        raise NoConnection(f"cannot serve on {where}: {error.strerror or error}") from error


def _tls(
    bind: tuple[str, ...], cert: str | None, key: str | None, client_ca: str | None
) -> ssl.SSLContext | None:
    """What TLS addresses are served with; None where there are none.

    Raises:
        Usage: The options and the addresses do not go together, or a file is not what it should be.
    """
    encrypted = [one for one in bind if is_tls(one)]
    given = {"--tls-cert": cert, "--tls-key": key, "--tls-client-ca": client_ca}
    if encrypted and cert is None:
        raise Usage(f"--bind {encrypted[0]}: needs --tls-cert")
    if encrypted and cert is not None:
        try:
            return server_tls(cert, key, client_ca=client_ca)
        except (OSError, ValueError) as error:
            raise Usage(options.told(error)) from None
    for option, value in given.items():
        if value is not None:
            raise Usage(f"{option}: is for a tls:// address, and none is served")
    return None


def _ask_for_token(server: Server, file: str | None) -> None:
    """Have a server ask for a token, if there is one.

    Raises:
        Usage: The server has a hook of its own; one of the environment's is left to clients then.
    """
    if server.authenticate is None:
        token = read_token(file)
        if token is not None:
            server.authenticate = BearerTokens({"token": token})
        if token is not None and file is None:
            click.echo(f"avrpc: clients have to show the token in {VARIABLE}", err=True)
    elif file is not None:
        raise Usage("--token-file: the server has an authenticate hook of its own")


def _compress(server: Server, compression: str | None) -> None:
    """Have a server offer what the option says, if it is given, and not what it is made with.

    Raises:
        Usage: The codec is not installed.
    """
    if compression is not None:
        try:
            server.features = features(compression)
        except ImportError as error:
            raise Usage(options.told(error)) from None


def _log(*, verbose: bool) -> None:
    """Log to stderr, unless the module has set logging up its own way."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if verbose:
        logging.getLogger("avrpc").setLevel(logging.DEBUG)


def _load(words: str, *, verbose: bool) -> Server:
    """Import a server.

    Raises:
        Usage: There is none; the text says why.
    """
    name, _, attribute = words.partition(":")
    if not name or not attribute:
        raise Usage(f"expected MODULE:SERVER, such as server:server, got {words!r}")
    found = _import(name, verbose=verbose)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            known = [one for one in dir(found) if not one.startswith("_")]
            raise Usage(f"{name} has no {attribute!r}{suggest(part, known)}") from None
    if callable(found) and not isinstance(found, Server):
        found = _make(found, words, verbose=verbose)
    if not isinstance(found, Server):
        raise Usage(f"{words}: expected an avrpc.Server, found {type(found).__name__}")
    return found


def _import(name: str, *, verbose: bool) -> Any:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise Usage(f"no module {name!r} in {folder} or where Python looks") from None
        raise _broken(f"cannot import {name}", error, verbose=verbose) from error
    except Exception as error:
        raise _broken(f"cannot import {name}", error, verbose=verbose) from error


def _make(function: Any, words: str, *, verbose: bool) -> Any:
    with suppress(TypeError, ValueError):  # what has no signature is called all the same
        wanted = [
            parameter.name
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        if wanted:
            raise Usage(f"{words}: expected no parameters, found {', '.join(wanted)}")
    try:
        return function()
    except Exception as error:
        raise _broken(f"{words} failed", error, verbose=verbose) from error


def _broken(what: str, error: Exception, *, verbose: bool) -> Usage:
    """Say in one line how the user's own code failed, and where."""
    if verbose:
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_NOT_THEIRS)]
    where = f" ({theirs[-1].filename}, line {theirs[-1].lineno})" if theirs else ""
    hint = "" if verbose else "; -v shows more"
    return Usage(f"{what}: {type(error).__name__}: {error}{where}{hint}")
