import io
import os
import pty
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from avrpc.cli.output import Output, give_up_stdout, json_text, printable


def set_stdout(monkeypatch: pytest.MonkeyPatch, stdout: object) -> None:
    # For this module alone: pytest puts its own sys.stdout back between fixture and test.
    monkeypatch.setattr("avrpc.cli.output.sys", SimpleNamespace(stdout=stdout))


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard output is a pipe; the end to read from."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stdout:
        set_stdout(monkeypatch, stdout)
        yield reader
    os.close(reader)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard output is a terminal; the end of who looks at it."""
    master, slave = pty.openpty()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with os.fdopen(slave, "w") as stdout:
        set_stdout(monkeypatch, stdout)
        yield master
    os.close(master)


def test_what_confuses_a_terminal_is_escaped() -> None:
    assert printable("é\tone\ntwo") == "é\tone\ntwo"
    assert printable("\x1b[2J\x9b\x7f\u202e\udc80\r") == "\\x1b[2J\\x9b\\x7f\\u202e\\udc80\\r"


def test_json_text_is_one_line_or_indented_and_leaves_terminals_alone() -> None:
    assert json_text({"a": [1, "é\x1b\x9b\n"]}) == '{"a": [1, "é\\u001b\\u009b\\n"]}'
    assert json_text({"a": 1}, pretty=True) == '{\n  "a": 1\n}'


async def test_lines_in_a_pipe_are_plain(pipe: int) -> None:
    output = Output()
    await output.put_line("a ", ("b", "bold"), "\x1b")
    await output.put_line()
    await output.put_json({"é": 1.5})
    await output.put_json([1], pretty=True)
    assert os.read(pipe, 100).decode() == 'a b\\x1b\n\n{"é": 1.5}\n[\n  1\n]\n'


async def test_a_reader_that_does_not_read_stops_nobody_else(pipe: int) -> None:
    """A write that would block waits as a task, and can be cancelled."""
    output = Output()
    text = "x" * 200_000  # a pipe holds 65,536
    came = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(output.put, text)
        await wait_all_tasks_blocked()
        while len(came) < len(text):
            await trio.lowlevel.wait_readable(pipe)
            came += os.read(pipe, 65_536)
    assert came.decode() == text
    async with trio.open_nursery() as nursery:
        nursery.start_soon(output.put, text)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_a_write_that_finds_no_room_after_all_is_tried_again(
    pipe: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [BlockingIOError()]

    def write(fd: int, data: bytes) -> int:
        if refusals:
            raise refusals.pop()
        return real(fd, data)

    real = os.write
    monkeypatch.setattr(os, "write", write)
    await Output().put("text")
    assert os.read(pipe, 100) == b"text"


async def test_a_file_is_written_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "out"
    with file.open("w") as stdout:
        set_stdout(monkeypatch, stdout)
        output = Output()
        await output.put("x" * 100_000)
        await output.put("é\udc80")
    assert file.read_text() == "x" * 100_000 + "é\\udc80"


async def test_a_closed_pipe_is_an_error_and_giving_up_makes_the_rest_harmless(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = os.pipe()
    stdout = os.fdopen(writer, "w")
    set_stdout(monkeypatch, stdout)
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        await Output().put("text")
    stdout.write("what Python would flush at its end")
    give_up_stdout()
    stdout.close()


async def test_a_stream_without_a_file_gets_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.TextIOWrapper(io.BytesIO())
    set_stdout(monkeypatch, stdout)
    await Output().put_line("é")
    give_up_stdout()
    assert stdout.buffer.getvalue() == b"\xc3\xa9\n"


async def test_no_standard_output_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    set_stdout(monkeypatch, None)
    await Output().put_line("text")
    give_up_stdout()


async def test_a_terminal_gets_colours(terminal: int) -> None:
    output = Output()
    await output.put_line("name ", ("Tick", "bold"), "\x1b[")
    await output.put_json({"price": 1.5})
    with os.fdopen(terminal, newline="\n", closefd=False) as seen:
        assert seen.readline() == "name \x1b[1mTick\x1b[0m\\x1b[\r\n"
        assert seen.readline().count("\x1b[") > 4


async def test_a_terminal_gets_plain_lines_without_rich(
    terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avrpc.cli.output.find_spec", lambda name: None)
    await Output().put_line(("Tick", "bold"))
    assert os.read(terminal, 1000) == b"Tick\r\n"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
async def test_a_terminal_gets_no_colours_where_they_are_not_wanted(
    name: str, value: str, terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    await Output().put_line(("Tick", "bold"))
    assert os.read(terminal, 1000) == b"Tick\r\n"
