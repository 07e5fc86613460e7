"""The command: ``python -m avrpc.conformance``. It needs no extra."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from math import inf

import trio

from avrpc.conformance import cases as _cases  # noqa: F401  # registers them
from avrpc.conformance.dial import opener_of, problem
from avrpc.conformance.interface import Conformance
from avrpc.conformance.kit import Known, Opener
from avrpc.conformance.registry import Case, chosen
from avrpc.conformance.report import (
    ending_lines,
    list_json,
    list_lines,
    report_json,
    summary_line,
)
from avrpc.conformance.runner import Verdict, run_case
from avrpc.conformance.serving import ConformanceServer, server_that_is, where_to_serve
from avrpc.credentials import MAX_CREDENTIALS_BYTES, as_bytes

_PASSED, _FAILED = 0, 1
_PATIENCE = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; give its exit code.

    0: no case failed. 1: one did, or the server can't be reached, or nothing be served. 2, as
    `SystemExit`: usage.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        wanted = chosen(options.case)
        opener = opener_of(options.address, options.tls_ca) if options.address else None
        if options.serve:
            where_to_serve(options.serve)
    except (LookupError, ValueError, OSError) as error:
        parser.error(str(error))
    if options.text:
        sys.stdout.write(Conformance.text)
    elif options.list:
        print(list_json(wanted) if options.json else "\n".join(list_lines(wanted)))
    elif opener is not None:
        return trio.run(_run, wanted, opener, options)
    else:
        return trio.run(_serve, options)
    return _PASSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m avrpc.conformance",
        description="Try a server against what PROTOCOL.md promises: docs/conformance.md.",
        epilog="Exit codes: 0 no case failed, 1 one did, or the server can't be reached, 2 usage.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--address", help="try the server at tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH"
    )
    what.add_argument("--serve", metavar="ADDRESS", help="serve the protocol, for trying clients")
    what.add_argument("--list", action="store_true", help="show the cases")
    what.add_argument(
        "--text",
        action="store_true",
        help="print the protocol's text, byte for byte as it is hashed",
    )
    parser.add_argument(
        "--case",
        action="append",
        default=[],
        metavar="NAME",
        help="this case or group only, such as cancel_* or streams; may be given again",
    )
    parser.add_argument(
        "--tls-ca", metavar="FILE", help="trust these CAs, in PEM, instead of the system's"
    )
    about = parser.add_argument_group(
        "what the server does",
        "The cases that need it are skipped unless it is said. --serve does so itself.",
    )
    about.add_argument(
        "--credentials",
        metavar="TEXT",
        type=_credentials,
        help="it asks for credentials, and these are right; of a test, as others see them here",
    )
    about.add_argument(
        "--handshake-timeout",
        metavar="SECONDS",
        type=_seconds,
        help="a handshake may take so long",
    )
    about.add_argument(
        "--keepalive",
        metavar="SECONDS",
        type=_seconds,
        help="a client that is silent, and does not answer a PING, is given up after so long",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=_PATIENCE,
        metavar="SECONDS",
        help=f"how long anything may take to come (default {_PATIENCE:g})",
    )
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < inf:
        raise ValueError
    return value


def _credentials(text: str) -> bytes:
    given = as_bytes(text)
    if not 0 < len(given) <= MAX_CREDENTIALS_BYTES:
        raise ValueError
    return given


def _known(options: argparse.Namespace) -> Known:
    return Known(options.credentials, options.handshake_timeout, options.keepalive)


async def _run(wanted: Sequence[Case], opener: Opener, options: argparse.Namespace) -> int:
    try:
        with trio.fail_after(options.timeout):
            await trio.aclose_forcefully(await opener())
    except (OSError, trio.TooSlowError) as error:
        print(f"cannot connect to {options.address}: {problem(error)}", file=sys.stderr)
        return _FAILED
    begin, endings, known = trio.current_time(), [], _known(options)
    for one in wanted:
        endings.append(await run_case(one, opener, options.timeout, known))
        if not options.json:
            print("\n".join(ending_lines(endings[-1])), flush=True)
    seconds = trio.current_time() - begin
    if options.json:
        print(report_json(options.address, endings, seconds))
    else:
        print(summary_line(endings, seconds))
    return _FAILED if any(each.verdict is Verdict.FAILED for each in endings) else _PASSED


async def _serve(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; what clients do wrong is told on standard error."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    address, server = options.serve, ConformanceServer(server_that_is(_known(options)))
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            try:
                bound = await nursery.start(server.serve, address)
            except OSError as error:
                print(f"cannot serve at {address}: {error}", file=sys.stderr)
                return _FAILED
            print(*bound, flush=True)
            await anext(signals)
            nursery.cancel_scope.cancel()
    return _PASSED
