import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
import trio
from click.testing import Result

from avrpc import ConnectionLost, LimitExceeded
from avrpc.cli import call as call_module
from avrpc.cli.failures import Usage
from tests.cli.conftest import Served

Cli = Callable[..., Result]

TICK = '{"symbol": "E", "price": 1}\n'


def lines(result: Result) -> list[Any]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_unary_call_prints_its_response_on_one_line(served: Served, avrpc_cli: Cli) -> None:
    result = avrpc_cli("call", served.address, "last", "symbol=EURUSD", "side=SELL")
    assert result.exit_code == 0
    assert result.stdout == '{"symbol": "EURUSD", "price": 1.25, "size": 1}\n'
    assert result.stderr == ""


def test_a_unary_call_is_indented_on_request(served: Served, avrpc_cli: Cli) -> None:
    result = avrpc_cli("call", "--pretty", served.address, "last", '{"symbol": "X1"}')
    assert result.stdout == '{\n  "symbol": "X1",\n  "price": 1.5,\n  "size": 1\n}\n'


def test_a_call_that_gives_nothing_prints_null_and_a_one_way_call_prints_nothing(
    served: Served, avrpc_cli: Cli
) -> None:
    assert avrpc_cli("call", served.address, "Admin.reload").stdout == "null\n"
    result = avrpc_cli("call", served.address, "note", "text=hello")
    assert (result.exit_code, result.stdout) == (0, "")
    assert served.next_note() == "noted hello"


def test_values_of_every_kind_come_back(served: Served, avrpc_cli: Cli) -> None:
    words = ["number=5", "text=5", "id=aGk=", "at=2026-11-21T02:00:00+02:00"]
    result = avrpc_cli("call", served.address, "odd", *words)
    assert lines(result) == [
        {
            "number": {"long": 5},
            "text": {"string": "5"},
            "id": {"bytes": "aGk="},
            "at": {"string": "2026-11-21T00:00:00+00:00"},
        }
    ]


def test_a_parameter_that_is_a_python_keyword_has_its_own_name(
    served: Served, avrpc_cli: Cli
) -> None:
    assert avrpc_cli("call", served.address, "from", "in=x").stdout == '"x"\n'


def test_a_parameter_may_have_the_name_self(served: Served, avrpc_cli: Cli) -> None:
    assert avrpc_cli("call", served.address, "mirror", "self=x").stdout == '"x"\n'


def test_a_streamed_response_prints_a_line_for_each_item(served: Served, avrpc_cli: Cli) -> None:
    result = avrpc_cli("call", served.address, "watch", "symbol=E", "count=2")
    assert lines(result) == [{"symbol": "E", "price": 1.5, "size": number} for number in range(2)]


def test_items_before_an_error_are_printed(served: Served, avrpc_cli: Cli) -> None:
    result = avrpc_cli("call", served.address, "watch", "symbol=LATE", "count=2")
    assert len(lines(result)) == 2
    assert result.exit_code == 1
    assert result.stderr == 'UnknownSymbol: {"symbol": "LATE"}\n'


def test_a_streamed_request_reads_a_line_for_each_item(served: Served, avrpc_cli: Cli) -> None:
    result = avrpc_cli("call", served.address, "record", "symbol=E", stdin=TICK * 3)
    assert (result.exit_code, result.stdout) == (0, "3\n")


def test_a_streamed_request_that_is_answered_early_prints_the_answer(
    served: Served, avrpc_cli: Cli
) -> None:
    result = avrpc_cli("call", served.address, "record", "symbol=ONE", stdin=TICK * 10_000)
    assert (result.exit_code, result.stdout) == (0, "1\n")
    result = avrpc_cli("call", served.address, "record", "symbol=X", stdin=TICK * 10_000)
    assert (result.exit_code, result.stderr) == (1, 'UnknownSymbol: {"symbol": "X"}\n')


def test_both_ways_reads_and_prints(served: Served, avrpc_cli: Cli) -> None:
    result = avrpc_cli("call", served.address, "convert", "rate=2.5", stdin="1\n2\n")
    assert (result.exit_code, lines(result)) == (0, [2.5, 5.0])


def test_both_ways_ends_when_the_server_ends(served: Served, avrpc_cli: Cli) -> None:
    result = avrpc_cli("call", served.address, "convert", stdin="1\n0\n" + "1\n" * 10_000)
    assert (result.exit_code, lines(result)) == (0, [2.0, 0.0])
    result = avrpc_cli("call", served.address, "convert", stdin="-1\n" + "1\n" * 10_000)
    assert (result.exit_code, result.stderr) == (1, 'UnknownSymbol: {"symbol": "negative"}\n')


@pytest.mark.parametrize("message", ["record", "convert"])
def test_a_line_that_does_not_fit_is_a_usage_error_and_cancels_the_call(
    message: str, served: Served, avrpc_cli: Cli
) -> None:
    words = ["symbol=E"] if message == "record" else []
    result = avrpc_cli("call", served.address, message, *words, stdin="\n[]\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("avrpc: standard input, line 2: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("message", ["record", "convert"])
def test_an_item_that_the_server_takes_not_is_told(
    message: str, served: Served, avrpc_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avrpc.call.ItemSender.send", too_large)
    words, item = (["symbol=E"], TICK) if message == "record" else ([], "1")
    result = avrpc_cli("call", served.address, message, *words, stdin=item)
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == "avrpc: an item of 5 bytes; the peer takes 4\n"


async def too_large(*args: object) -> None:
    raise LimitExceeded("an item of 5 bytes; the peer takes 4")


def test_a_value_that_the_server_takes_not_is_told(served: Served, avrpc_cli: Cli) -> None:
    large = "x" * 5_000_000
    item = json.dumps({"symbol": large, "price": 1})
    result = avrpc_cli("call", served.address, "record", "symbol=E", stdin=item)
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr.startswith("avrpc: an item of 5000013 bytes; the peer takes 4194304")
    result = avrpc_cli("call", served.address, "from", f"in={large}")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "5000004 bytes" in result.stderr


def test_metadata_is_sent(served: Served, avrpc_cli: Cli) -> None:
    words = ["--metadata", "user=me", "--metadata", "trace=1"]
    result = avrpc_cli("call", served.address, "caller", *words)
    assert lines(result) == [{"user": "me", "trace": "1"}]


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["last", "symbol=X"], 1, 'UnknownSymbol: {"symbol": "X"}'),
        (["watch", "symbol=X"], 1, 'UnknownSymbol: {"symbol": "X"}'),
        (["last"], 2, "avrpc: last.symbol: missing, and it has no default"),
        (["lst"], 2, "avrpc: no message 'lst' in demo.Quotes, demo.Admin; did you mean 'last'?"),
        (["caller", "--metadata", f"a={'x' * 9000}"], 2, "avrpc: metadata of 1 entries and about"),
        (["fail"], 4, "avrpc: fail: internal error "),
        (["sleep", "--timeout", "0.05"], 5, "avrpc: sleep: not answered within 0.05 s"),
        (["watch", "symbol=SLOW", "count=0", "--timeout", "0.05"], 5, "avrpc: "),
    ],
)
def test_what_goes_wrong_is_one_line_and_an_exit_code(
    words: list[str], code: int, problem: str, served: Served, avrpc_cli: Cli
) -> None:
    result = avrpc_cli("call", served.address, *words)
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith(problem)
    assert result.stderr.count("\n") == 1


def test_no_server_is_exit_code_3(avrpc_cli: Cli) -> None:
    result = avrpc_cli("call", "unix:///nonexistent/socket", "last")
    assert result.exit_code == 3
    assert result.stderr.startswith("avrpc: unix:///nonexistent/socket: cannot connect: ")


def test_a_deadline_ends_the_waiting_for_input_and_not_the_items(
    served: Served, avrpc_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*args: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(call_module, "_send", never)
    result = avrpc_cli("call", served.address, "record", "symbol=E", "--timeout", "0.05")
    assert result.exit_code == 5
    assert result.stderr == "avrpc: record: not all items came within 0.05 s\n"
    assert served.next_note() == "record broke off"


def test_a_person_who_has_to_type_the_items_is_told(
    served: Served, avrpc_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    # CliRunner puts its own stdin there, whose type is none of a terminal's.
    class Terminal:
        def isatty(self) -> bool:
            return True

        def __getattr__(self, name: str) -> Any:
            return getattr(sys.stdin, name)

    class System:
        stdin = Terminal()

    monkeypatch.setattr(call_module, "sys", System)
    result = avrpc_cli("call", served.address, "convert", stdin="1")
    assert lines(result) == [2.0]
    assert result.stderr == "amounts: one line of JSON each; Ctrl-D ends them\n"


async def test_of_two_errors_at_once_the_one_about_the_input_is_told() -> None:
    class Call:
        def __aiter__(self) -> "Call":
            return self

        async def __anext__(self) -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise ConnectionLost("gone")

    class Input:
        def __aiter__(self) -> "Input":
            return self

        async def __anext__(self) -> None:
            raise Usage("line 1")

    with pytest.raises(Usage):
        await call_module._both(Call(), Input(), None)  # type: ignore[arg-type]
