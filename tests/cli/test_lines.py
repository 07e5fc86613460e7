import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from avrpc.cli.failures import Usage
from avrpc.cli.lines import Items, Lines
from tests.cli.desk import Quotes


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.FileIO]:
    """Standard input is a pipe; the end to write to."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as stdin, os.fdopen(writer, "wb", buffering=0) as typed:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield typed


def set_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


async def all_lines() -> list[bytes]:
    lines = Lines()
    found = []
    while (line := await lines.next()) is not None:
        found.append(line)
    assert lines.number == len(found)
    assert await lines.next() is None
    return found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"\n\nb", [b"", b"", b"b"]),
        (b"a\r\nb\r\n", [b"a\r", b"b\r"]),
    ],
)
async def test_lines_of_a_file_a_pipe_and_a_stream_are_the_same(
    data: bytes,
    expected: list[bytes],
    pipe: io.FileIO,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipe.write(data)
    pipe.close()
    assert await all_lines() == expected
    (tmp_path / "file").write_bytes(data)
    with (tmp_path / "file").open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert await all_lines() == expected
    set_stdin(monkeypatch, data)
    assert await all_lines() == expected
    monkeypatch.setattr(sys, "stdin", None)
    assert await all_lines() == []


async def test_a_line_is_given_when_it_is_whole_and_not_before(pipe: io.FileIO) -> None:
    lines = Lines()
    found: list[bytes | None] = []

    async def read() -> None:
        found.append(await lines.next())
        found.append(await lines.next())
        found.append(await lines.next())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        for part, whole in [(b"a", 0), (b"b", 0), (b"c\nd", 1), (b"e\n", 2)]:
            pipe.write(part)
            await wait_all_tasks_blocked(0.01)
            assert len(found) == whole
        pipe.close()
    assert found == [b"abc", b"de", None]


async def test_waiting_for_a_line_can_be_cancelled(pipe: io.FileIO) -> None:
    with trio.move_on_after(0):
        await Lines().next()
    pipe.write(b"a\n")
    assert await Lines().next() == b"a"


async def test_input_that_another_program_took_first_is_waited_for_again(
    pipe: io.FileIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [BlockingIOError()]

    def read(fd: int, size: int) -> bytes:
        if refusals:
            raise refusals.pop()
        return real(fd, size)

    real = os.read
    monkeypatch.setattr(os, "read", read)
    pipe.write(b"a\n")
    assert await Lines().next() == b"a"


async def read_items(message: str, name: str) -> list[Any]:
    codec = Quotes.messages[message].request_items
    assert codec is not None
    return [item async for item in Items(codec, name)]


async def test_items_are_read_from_json_and_empty_lines_are_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_stdin(monkeypatch, b'{"symbol": "A", "price": 1}\n\n \n{"symbol": "B", "price": 2.5}')
    assert await read_items("record", "record.ticks[]") == [
        {"symbol": "A", "price": 1.0},
        {"symbol": "B", "price": 2.5},
    ]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'\n{"symbol": "A"}', "line 2: Tick.price: missing"),
        (b'{"symbol": 5, "price": 1}', "line 1: Tick.symbol: expected string, got int"),
        (b"{", "line 1: not JSON: line 1, column 2: "),
        (b'{"symbol": "A", "symbol": "B", "price": 1}', 'line 1: $: key "symbol" is there twice'),
        (b'"\xff"', "line 1: not UTF-8: byte 1 is 0xff"),
    ],
)
async def test_a_line_that_is_no_item_is_refused_with_its_number(
    data: bytes, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_stdin(monkeypatch, data)
    with pytest.raises(Usage) as caught:
        await read_items("record", "record.ticks[]")
    assert str(caught.value).startswith(f"standard input, {problem}")


async def test_an_item_that_is_no_record_is_called_by_its_parameter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_stdin(monkeypatch, b'"NaN"\n"x"')
    with pytest.raises(Usage, match=r"line 2: convert\.amounts\[\]: expected double, got str"):
        await read_items("convert", "convert.amounts[]")
