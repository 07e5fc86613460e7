from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio

import avrpc
from avrpc.conformance.dial import opener_of, problem
from avrpc.conformance.interface import Conformance
from avrpc.conformance.registry import CASES
from avrpc.conformance.runner import Verdict, run_case
from avrpc.conformance.service import Keys, Service
from avrpc.conformance.serving import ConformanceServer
from tests.certificates import ca_pem, server_context


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_plain_addresses_are_connected_to(kind: str, tmp_path: Path) -> None:
    where = {"tcp": "tcp://127.0.0.1:0", "unix": f"unix://{tmp_path / 'socket'}"}[kind]
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(ConformanceServer().serve, where)
        async with avrpc.connect_stream(await opener_of(address)(), Conformance) as client:
            await client.empty()
        nursery.cancel_scope.cancel()


CASES_OVER_TLS = {
    "large_unary": Verdict.PASSED,
    "ping_pong": Verdict.PASSED,
    "frame_that_is_too_long": Verdict.PASSED,
    "no_ping": Verdict.PASSED,
    "lost_connection_is_no_end": Verdict.PASSED,
    "end_of_the_clients_direction": Verdict.SKIPPED,
}


async def test_cases_run_over_tls(tmp_path: Path) -> None:
    """With trio's TLS at the client, so that avrpc's own is tried as well."""
    server = avrpc.Server({Conformance: Service(Keys(), lambda: None)})
    async with trio.open_nursery() as nursery:
        serve = partial(server.serve, tls=server_context())
        (address,) = await nursery.start(serve, "tls://127.0.0.1:0")
        opener = opener_of(address, str(ca_pem(tmp_path)))
        for name, verdict in CASES_OVER_TLS.items():
            ending = await run_case(CASES[name], opener, 5)
            assert ending.verdict is verdict, ending
        nursery.cancel_scope.cancel()


async def test_certificate_of_a_ca_that_is_not_trusted_is_told(tmp_path: Path) -> None:
    server = avrpc.Server({Conformance: Service(Keys(), lambda: None)})
    async with trio.open_nursery() as nursery:
        serve = partial(server.serve, tls=server_context())
        (address,) = await nursery.start(serve, "tls://127.0.0.1:0")
        with pytest.raises(OSError, match="certificate verify failed"):
            await opener_of(address)()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FileNotFoundError(2, "gone"), "No such file or directory"),
        (trio.TooSlowError(), "no answer in time"),
        (OSError("no TLS: bad"), "no TLS: bad"),
    ],
)
def test_problems_are_told_in_words(error: Exception, told: str) -> None:
    assert problem(error) == told


def test_problem_of_many_attempts_is_that_of_the_first() -> None:
    error = OSError("all attempts failed")
    error.__cause__ = ExceptionGroup("", [ConnectionRefusedError(111, "no"), OSError("other")])
    assert problem(error) == "Connection refused"
