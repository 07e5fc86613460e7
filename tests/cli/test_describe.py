import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import avrpc
from avrpc.cli.describe import _show
from avrpc.cli.output import Output
from tests.cli.conftest import Served
from tests.cli.desk import ADMIN_JSON, QUOTES_JSON
from tests.cli.versions import OLD, message, write

Cli = Callable[..., Result]

QUOTES = """\
protocol demo.Quotes
  Prices of currencies.

  last(string symbol, Side side = "BUY") -> Tick    unary, idempotent
    The last price
    of a symbol.
    symbol: Which one.
    throws UnknownSymbol

  watch(string symbol, int count = 3) -> stream of Tick    streamed response
    throws UnknownSymbol

  record(string symbol, stream of Tick ticks) -> long    streamed request
    throws UnknownSymbol

  convert(double rate = 2.0, stream of double amounts) -> stream of double    streamed both ways
    throws UnknownSymbol

  note(string text)    one-way

  odd(
      union {null, long} number = null,
      union {null, string} text = null,
      union {null, Id} id = null,
      union {null, long (timestamp-millis)} at = null
  ) -> map<union {null, long, string, bytes}>    unary

  caller() -> map<string>    unary

  fail()    unary

  sleep()    unary

  mirror(string self) -> string    unary

  from(string in) -> string    unary

  enum Side {BUY, SELL}
    Which way.

  fixed Id (2 bytes)

  record Tick
    string symbol
      Such as EURUSD.
    double price
    int size = 1

  error UnknownSymbol
    string symbol
"""
ADMIN = """\
protocol demo.Admin

  reload()    unary
"""


def test_everything_that_a_server_offers_is_shown(served: Served, avrpc_cli: Cli) -> None:
    result = avrpc_cli("describe", served.address)
    assert result.exit_code == 0
    assert result.stdout == f"{QUOTES}\n{ADMIN}"
    assert result.stderr == ""


@pytest.mark.parametrize("name", ["demo.Admin", "Admin"])
def test_only_the_protocol_that_is_named_is_shown(
    name: str, served: Served, avrpc_cli: Cli
) -> None:
    assert avrpc_cli("describe", served.address, name).stdout == ADMIN


def test_json_is_the_text_of_one_protocol_to_be_saved(served: Served, avrpc_cli: Cli) -> None:
    result = avrpc_cli("describe", served.address, "--json")
    assert json.loads(result.stdout) == QUOTES_JSON
    assert result.stdout.startswith('{\n  "protocol": "Quotes",\n')
    assert avrpc.Protocol.parse(result.stdout).name == "demo.Quotes"
    assert result.stderr == "avrpc: it also offers demo.Admin\n"
    result = avrpc_cli("describe", served.address, "Admin", "--json")
    assert json.loads(result.stdout)["protocol"] == "Admin"
    assert result.stderr == ""


async def test_types_of_other_namespaces_are_shown_in_full(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    protocol = avrpc.Protocol.parse(
        json.dumps(
            {
                "protocol": "Plain",
                "doc": "One.\n\nTwo.",
                "types": [
                    {
                        "type": "enum",
                        "name": "shared.Level",
                        "symbols": ["LOW", "HIGH"],
                        "default": "LOW",
                    },
                    {
                        "type": "fixed",
                        "name": "Money",
                        "size": 8,
                        "logicalType": "decimal",
                        "precision": 9,
                        "scale": 2,
                    },
                ],
            }
        )
    )
    await _show(protocol, Output())
    assert capfdbinary.readouterr().out.decode().splitlines() == [
        "protocol Plain",
        "  One.",
        "",
        "  Two.",
        "",
        "  enum shared.Level {LOW, HIGH} = LOW",
        "",
        "  fixed Money (8 bytes, decimal(9, 2))",
    ]


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["Qotes"], 2, "avrpc: the server offers no protocol 'Qotes'; did you mean 'Quotes'?\n"),
        (["--connect-timeout", "-1"], 2, "avrpc: --connect-timeout: expected seconds, more than 0"),
    ],
)
def test_what_goes_wrong_is_one_line_and_an_exit_code(
    words: list[str], code: int, problem: str, served: Served, avrpc_cli: Cli
) -> None:
    result = avrpc_cli("describe", served.address, *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(problem)


def test_no_server_is_exit_code_3(avrpc_cli: Cli) -> None:
    result = avrpc_cli("describe", "unix:///nonexistent/socket")
    assert result.exit_code == 3
    assert result.stderr.startswith("avrpc: unix:///nonexistent/socket: cannot connect: ")


def test_the_negotiation_with_a_folders_version_is_shown(
    tmp_path: Path, served: Served, avrpc_cli: Cli
) -> None:
    admin = ADMIN_JSON | {"messages": ADMIN_JSON["messages"] | {"stop": message()}}  # type: ignore[operator]
    folder = write(tmp_path / "s", quotes=QUOTES_JSON, admin=admin, shop=OLD)
    result = avrpc_cli("describe", served.address, "--with", folder)
    assert (result.exit_code, result.stderr) == (0, "")
    blocks = result.stdout.split("\n\n")
    assert blocks[0] == (
        "protocol demo.Admin\n"
        "  message  verdict\n"
        "  reload   same\n"
        "  stop     missing (breaks)\n"
        "  ! the server does not have it"
    )
    assert blocks[1].startswith("protocol demo.Quotes\n  message  verdict\n  last     same\n")
    assert blocks[2] == "protocol demo.Shop: the server does not have it (breaks)\n"
    result = avrpc_cli("describe", served.address, "Admin", "--with", folder)
    assert result.stdout == f"{blocks[0]}\n"
    result = avrpc_cli("describe", served.address, "Admin", "--with", folder, "--json")
    made = json.loads(result.stdout)
    assert (made["folder"], made["against"], made["ok"]) == (folder, served.address, False)
    (admin,) = made["protocols"]
    assert [one["new_clients"]["verdict"] for one in admin["messages"]] == ["same", "missing"]


def test_a_folder_without_a_protocol_of_the_servers_is_exit_code_2(
    tmp_path: Path, served: Served, avrpc_cli: Cli
) -> None:
    folder = write(tmp_path / "s", shop=OLD)
    result = avrpc_cli("describe", served.address, "--with", folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"avrpc: {folder} has no protocol of the server's, which offers demo.Quotes, demo.Admin\n"
    )
    result = avrpc_cli("describe", served.address, "--with", "nowhere")
    assert (result.exit_code, result.stderr) == (2, "avrpc: nowhere: no such folder\n")
