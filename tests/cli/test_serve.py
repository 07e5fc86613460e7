import logging
import socket
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import trio
from click.testing import Result

import avrpc
from tests.certificates import ca_pem, pem, server_certificate
from tests.cli.conftest import Served

Cli = Callable[..., Result]
Module = Callable[[str], str]

# A server that a signal ends as soon as it serves.
ENDING = """
import signal
import avrpc
from tests.cli.desk import Admin, Desk, Quotes

class Ending(avrpc.Server):
    async def run_until_signal(self, ready, *addresses, tls):
        def announce(bound):
            ready(bound)
            signal.raise_signal(signal.SIGTERM)
        await super().run_until_signal(announce, *addresses, tls=tls)

def make():
    desk = Desk(print)
    return Ending({Quotes: desk, Admin: desk})

server = make()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Module:
    """Write a module to the current folder, which is an empty one, and give its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    numbers = count()

    def write(text: str) -> str:
        name = f"made_{tmp_path.name}_{next(numbers)}".replace("-", "_")
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


@pytest.mark.parametrize("attribute", ["server", "make", "Nested.make"])
def test_a_server_says_where_it_serves_and_a_signal_ends_it_well(
    attribute: str, module: Module, avrpc_cli: Cli, tmp_path: Path
) -> None:
    name = module(f"{ENDING}\nclass Nested:\n    make = make\n")
    words = ["--bind", "tcp://127.0.0.1:0", "--bind", f"unix://{tmp_path}/s"]
    result = avrpc_cli("serve", f"{name}:{attribute}", *words)
    first, second = result.stdout.splitlines()
    assert first.startswith("serving demo.Quotes, demo.Admin on tcp://127.0.0.1:")
    assert not first.endswith(":0")
    assert second == f"serving demo.Quotes, demo.Admin on unix://{tmp_path}/s"
    assert (result.exit_code, result.stderr) == (0, "")


def test_tls_is_served_with_the_files_that_are_named(
    module: Module, avrpc_cli: Cli, tmp_path: Path
) -> None:
    certificate, ca = pem(tmp_path, server_certificate()), ca_pem(tmp_path)
    words = ["--bind", "tls://127.0.0.1:0", "--bind", f"unix://{tmp_path}/s"]
    options = ["--tls-cert", str(certificate), "--tls-key", str(certificate)]
    for more in ([], ["--tls-client-ca", str(ca)]):
        result = avrpc_cli("serve", f"{module(ENDING)}:server", *words, *options, *more)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.startswith("serving demo.Quotes, demo.Admin on tls://127.0.0.1:")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--bind", "tls://127.0.0.1:0"], "--bind tls://127.0.0.1:0: needs --tls-cert"),
        (["--tls-cert", "x"], "--tls-cert: is for a tls:// address, and none is served"),
        (["--tls-client-ca", "x"], "--tls-client-ca: is for a tls:// address, and none is"),
        (["--bind", "tls://a:0", "--tls-cert", "nothing.pem"], "nothing.pem: No such file"),
        (["--bind", "tls://a:0", "--tls-cert", "text.pem"], "text.pem: expected a certificate"),
    ],
)
def test_options_of_tls_that_do_not_fit_are_told(
    words: list[str], problem: str, module: Module, avrpc_cli: Cli
) -> None:
    Path("text.pem").write_text("hello")
    result = avrpc_cli("serve", f"{module(ENDING)}:server", *words)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"avrpc: {problem}")


def identities(name: str) -> list[object]:
    """Who a server that was served takes for whom."""
    hook = sys.modules[name].server.authenticate

    async def ask() -> list[object]:
        given = (None, b"another", b"s3cr3t")
        return [await hook(avrpc.Presented(one, "there")) for one in given]

    found: list[object] = trio.run(ask) if hook is not None else []
    return found


CODED = """
class Coded(Ending):
    async def run_until_signal(self, ready, *addresses, tls):
        print("offers", *self.features)
        await super().run_until_signal(ready, *addresses, tls=tls)

server = Coded({Quotes: Desk(print)}, compression="snappy")
"""


@pytest.mark.parametrize(
    ("option", "offers"),
    [
        ([], "snappy"),
        (["--compression", "zstd"], "zstd"),
        (["--compression", "auto"], "zstd snappy"),
    ],
)
def test_codecs_are_offered_as_the_module_says_or_the_option(
    option: list[str], offers: str, module: Module, avrpc_cli: Cli
) -> None:
    words = [f"{module(ENDING + CODED)}:server", "--bind", "tcp://127.0.0.1:0"]
    result = avrpc_cli("serve", *words, *option)
    assert result.exit_code == 0
    assert f"offers {offers}\n" in result.stdout


def test_codec_that_is_not_installed_is_told(
    module: Module, avrpc_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise ImportError(f"no {name}", name=name)

    monkeypatch.setattr("avrpc.compression.open_codec", fail)
    result = avrpc_cli("serve", f"{module(ENDING)}:server", "--compression", "zstd")
    assert result.exit_code == 2
    assert "pip install 'avrpc[compression]'" in result.stderr


def test_token_is_asked_of_clients_from_a_file_or_the_environment(
    module: Module, avrpc_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("token").write_text("s3cr3t\n")
    words = ["--bind", f"unix://{tmp_path}/s"]
    for option, variable in ((["--token-file", "token"], None), ([], "s3cr3t"), ([], None)):
        name = module(ENDING)
        monkeypatch.delenv("AVRPC_TOKEN", raising=False)
        if variable:
            monkeypatch.setenv("AVRPC_TOKEN", variable)
        result = avrpc_cli("serve", f"{name}:server", *words, *option)
        assert result.exit_code == 0
        assert "s3cr3t" not in result.output
        if variable:
            assert result.stderr == "avrpc: clients have to show the token in AVRPC_TOKEN\n"
        expected = [None, None, "token"] if option or variable else []
        assert identities(name) == expected


def test_server_with_a_hook_of_its_own_keeps_it(
    module: Module, avrpc_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("token").write_text("s3cr3t\n")
    name = module(f"{ENDING}\nserver.authenticate = hook = lambda presented: 'x'\n")
    words = ["serve", f"{name}:server", "--bind", f"unix://{tmp_path}/s"]
    result = avrpc_cli(*words, "--token-file", "token")
    assert result.exit_code == 2
    assert result.stderr.endswith("the server has an authenticate hook of its own\n")
    monkeypatch.setenv("AVRPC_TOKEN", "s3cr3t")
    result = avrpc_cli(*words)
    assert (result.exit_code, result.stderr) == (0, "")
    assert sys.modules[name].server.authenticate is sys.modules[name].hook


def test_nobody_has_to_read_where_it_serves(
    module: Module, avrpc_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(text: str) -> None:
        raise BrokenPipeError

    given_up = []
    monkeypatch.setattr("avrpc.cli.serve.click.echo", fail)
    monkeypatch.setattr("avrpc.cli.serve.give_up_stdout", lambda: given_up.append(1))
    result = avrpc_cli("serve", f"{module(ENDING)}:server", "--bind", f"unix://{tmp_path}/s")
    assert (result.exit_code, given_up) == (0, [1])


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("desk", "expected MODULE:SERVER, such as server:server, got 'desk'"),
        (":x", "expected MODULE:SERVER, such as server:server, got ':x'"),
        ("nonsense:x", "no module 'nonsense' in {folder} or where Python looks"),
        ("json.nonsense:x", "no module 'json.nonsense' in {folder} or where Python looks"),
        ("tests.cli.desk:servr", "tests.cli.desk has no 'servr'; did you mean 'server'?"),
        (
            "tests.cli.desk:Quotes.name.uper",
            "tests.cli.desk has no 'Quotes.name.uper'; did you mean",
        ),
        ("tests.cli.desk:server.nonsense", "tests.cli.desk has no 'server.nonsense'"),
        (
            "tests.cli.desk:Quotes",
            "tests.cli.desk:Quotes: expected an avrpc.Server, found Protocol",
        ),
        ("tests.cli.desk:Quotes.name", "tests.cli.desk:Quotes.name: expected an avrpc.Server, fou"),
        ("builtins:dict", "builtins:dict: expected an avrpc.Server, found dict"),
        ("tests.cli.desk:Desk", "tests.cli.desk:Desk: expected no parameters, found note"),
        ("..x:y", "cannot import ..x: TypeError: "),
    ],
)
def test_what_is_no_server_is_refused_in_one_line(
    words: str, problem: str, module: Module, avrpc_cli: Cli
) -> None:
    result = avrpc_cli("serve", words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"avrpc: {problem.format(folder=Path.cwd())}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "attribute", "problem"),
    [
        ("import nonsense", "x", "cannot import {name}: ModuleNotFoundError: No module named"),
        ("x = 1\n1 / 0", "x", "cannot import {name}: ZeroDivisionError: division by zero ({file}"),
        ("def (", "x", "cannot import {name}: SyntaxError: "),
        (
            "def x():\n    1 / 0",
            "x",
            "{name}:x failed: ZeroDivisionError: division by zero ({file}, line 2); -v shows more",
        ),
        (
            "import avrpc\nfrom tests.cli.desk import Admin\nserver = avrpc.Server({{Admin: 1}})",
            "server",
            "cannot import {name}: TypeError: int does not implement demo.Admin: reload: there is",
        ),
    ],
)
def test_a_module_that_fails_is_told_in_one_line_with_its_place(
    text: str, attribute: str, problem: str, module: Module, avrpc_cli: Cli, tmp_path: Path
) -> None:
    name = module(text.format())
    result = avrpc_cli("serve", f"{name}:{attribute}")
    expected = problem.format(name=name, file=tmp_path / f"{name}.py")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"avrpc: {expected}")
    assert result.stderr.count("\n") == 1


def test_verbose_shows_the_trace_back_of_a_module_that_fails(
    module: Module, avrpc_cli: Cli
) -> None:
    result = avrpc_cli("serve", "-v", f"{module('1 / 0')}:x")
    assert result.exit_code == 2
    assert "Traceback (most recent call last):" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("avrpc: cannot import ")
    assert "-v" not in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("bind", ["localhost:7000", "http://x", "tcp://127.0.0.1"])
def test_a_bad_address_is_refused_before_anything_is_imported(bind: str, avrpc_cli: Cli) -> None:
    result = avrpc_cli("serve", "nonsense:server", "--bind", bind)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"avrpc: address {bind!r}: ")
    assert result.stderr.count("\n") == 1


def test_an_address_in_use_is_told_in_one_line(
    served: Served, module: Module, avrpc_cli: Cli
) -> None:
    name = module(ENDING)
    result = avrpc_cli("serve", f"{name}:server", "--bind", served.address)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == f"avrpc: cannot serve on {served.address}: Address already in use\n"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        result = avrpc_cli("serve", f"{name}:make", "--bind", address)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == f"avrpc: cannot serve on {address}: Address already in use\n"


def test_verbose_logs_everything(
    module: Module, avrpc_cli: Cli, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("avrpc")
    assert logger.level == logging.NOTSET
    try:
        words = ["-v", f"{module(ENDING)}:server", "--bind", f"unix://{tmp_path}/s"]
        assert avrpc_cli("serve", *words).exit_code == 0
        assert logger.level == logging.DEBUG
    finally:
        logger.setLevel(logging.NOTSET)
    assert f"serving on unix://{tmp_path}/s" in caplog.messages
