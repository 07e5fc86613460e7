"""docs/errors.md is true: every code of PROTOCOL.md comes out as the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.handshake import ClientHandshake
from avrpc.limits import Limits
from avrpc.memory import ServerMemory
from avrpc.schema.handshake_records import HANDSHAKE_RESPONSE, REFUSAL
from avrpc.wire import GoawayCode, StatusCode
from avrpc.wire.frames import STARTED, Kind
from tests.desk import DESK, open_raw_server
from tests.wire.pair import frame

PAGE = (Path(__file__).parent.parent / "docs" / "errors.md").read_text()

# Numbers that PROTOCOL.md has not, too.
STATUS_CODES = [*map(int, StatusCode), 0, 5, 99, -1, 2**31]
GOAWAY_CODES = [*map(int, GoawayCode), 5, 99, -1, 2**31]
REFUSAL_CODES = [*map(int, GoawayCode), 5, 99, -1]


def table(heading: str) -> dict[str, tuple[str, ...]]:
    """The rows of the table below a heading, by code."""
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    rows = [line[1:-1].split("|") for line in found[1].splitlines() if line.startswith("|")]
    return {cells[0].strip(): tuple(map(str.strip, cells[1:])) for cells in rows[2:]}


STATUSES = table("A call that ends with a STATUS")
GOAWAYS = table("A connection that ends with a GOAWAY")
REFUSALS = table("A handshake that is refused")


def row(rows: dict[str, tuple[str, ...]], code: int) -> tuple[str, ...]:
    return rows.get(str(code), rows["any other"])


def raised(cell: str) -> type[avrpc.AvrpcError]:
    """The class that a cell names."""
    named = re.match(r"`(\w+)`", cell)
    assert named, cell
    error: type[avrpc.AvrpcError] = getattr(avrpc, named[1])
    return error


def test_tables_have_the_names_of_the_codes() -> None:
    codes = {str(code.value): code.name for code in StatusCode}
    assert {code: cells[0] for code, cells in STATUSES.items()} == codes | {"any other": ""}
    for rows in (GOAWAYS, REFUSALS):
        for code, (name, *_) in rows.items():
            assert code == "any other" or GoawayCode(int(code)).name == name


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("code", STATUS_CODES)
async def test_status_raises_what_the_page_says(code: int, started: bool) -> None:
    _, cell = row(STATUSES, code)
    async with open_raw_server() as (client, server), trio.open_nursery() as nursery:
        caught: list[avrpc.AvrpcError] = []
        nursery.start_soon(fails, client, caught)
        await server.receive()
        await server.send(frame(Kind.STATUS, 1, code, "so it is", flags=started * STARTED))
        await wait_all_tasks_blocked()
        (error,) = caught
        assert type(error) is raised(cell)
        assert str(error).startswith("load: so it is")
        assert error.maybe_executed is started
        assert ("number in its text" not in cell) or str(code) in str(error)


async def fails(client: Any, caught: list[avrpc.AvrpcError]) -> None:
    """Make a call that fails."""
    try:
        await client.load(b"x")
    except avrpc.AvrpcError as error:
        caught.append(error)


@pytest.mark.parametrize("code", GOAWAY_CODES)
async def test_goaway_does_to_calls_what_the_page_says(
    code: int, autojump_clock: MockClock
) -> None:
    _, accepted, new = row(GOAWAYS, code)
    async with open_raw_server() as (client, server), trio.open_nursery() as nursery:
        first: list[avrpc.AvrpcError] = []
        second: list[avrpc.AvrpcError] = []
        third: list[avrpc.AvrpcError] = []
        for caught in (first, second):
            nursery.start_soon(fails, client, caught)
            await wait_all_tasks_blocked()
        await server.send(frame(Kind.GOAWAY, 1, code, "so it is"))
        await wait_all_tasks_blocked()
        await fails(client, third)
        assert [type(error) for error in second] == [avrpc.Unavailable]
        assert [type(error) for error in third] == [raised(new)]
        assert not second[0].maybe_executed
        assert not third[0].maybe_executed
        if accepted == "goes on":
            assert first == []
            await server.send(frame(Kind.RESULT, 1, b"\x02x"))
        else:
            assert [type(error) for error in first] == [raised(accepted)]
            assert first[0].maybe_executed
            assert f"(code {code})" in str(first[0])
        assert all("so it is" in str(error) for error in first + second + third)


@pytest.mark.parametrize("code", REFUSAL_CODES)
def test_refusal_raises_what_the_page_says(code: int) -> None:
    _, cell = row(REFUSALS, code)
    client = ClientHandshake(
        DESK, DESK.name, address="there", limits=Limits(), memory=ServerMemory()
    )
    client.first()
    refusal = REFUSAL.encode({"code": code, "text": "so it is"})
    content = HANDSHAKE_RESPONSE.encode(
        {
            "match": "NONE",
            "serverProtocol": None,
            "serverHash": None,
            "meta": {"avrpc-refused": refusal},
        }
    )
    with pytest.raises(avrpc.ConnectFailed, match="there: the server refused: so it is") as caught:
        client.answer(content)
    assert type(caught.value) is raised(cell)
    assert not caught.value.maybe_executed
    if isinstance(caught.value, avrpc.ConnectionRefused):
        assert caught.value.code == code
