from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from avrpc import BearerTokens, CredentialsRefused, server_tls
from avrpc.cli.connecting import Connecting, connecting
from avrpc.cli.failures import Usage
from tests.certificates import HOST, ca_pem, client_certificate, pem, server_certificate
from tests.desk import DESK, desk_server, tick
from tests.sockets import served


@click.command()
@click.option("--other")
@connecting
def command(**values: object) -> None:
    click.echo(repr(values))


def test_options_become_one_parameter() -> None:
    words = ["--connect-timeout", "3", "--tls-ca", "a", "--tls-cert", "b", "--tls-key", "c"]
    words += ["--tls-name", "d", "--token-file", "e", "--plaintext-token"]
    words += ["--compression", "zstd"]
    result = CliRunner().invoke(command, words)
    expected = {"connecting": Connecting(3.0, "a", "b", "c", "d", "e", True, "zstd"), "other": None}
    assert result.output.strip() == repr(expected)
    result = CliRunner().invoke(command, ["--other", "x"])
    assert result.output.strip() == repr({"connecting": Connecting(), "other": "x"})
    assert CliRunner().invoke(command, ["--connect-timeout", "0"]).exit_code == 2
    assert CliRunner().invoke(command, ["--compression", "gzip"]).exit_code == 2


async def test_options_of_tls_are_those_of_the_connection(tmp_path: Path) -> None:
    server, client = server_certificate("wrong name"), client_certificate()
    ca = ca_pem(tmp_path)
    tls = server_tls(pem(tmp_path, server, "server.pem"), client_ca=ca)
    client.cert_chain_pems[0].write_to_path(str(tmp_path / "certificate"))
    client.private_key_pem.write_to_path(str(tmp_path / "key"))
    how = Connecting(
        tls_ca=str(ca),
        tls_cert=str(tmp_path / "certificate"),
        tls_key=str(tmp_path / "key"),
        tls_name="quotes.example.org",
    )
    async with served(desk_server(), f"tls://{HOST}:0", tls) as address:
        async with how.to(address, "test.Desk") as desk:
            assert await desk.last("EURUSD") == tick()
        async with how.to(address) as found:
            assert found.protocol.text == DESK.text


async def test_without_options_the_systems_cas_are_trusted(tmp_path: Path) -> None:
    tls = server_tls(pem(tmp_path, server_certificate()))
    async with served(desk_server(), f"tls://{HOST}:0", tls) as address:
        for how in (Connecting(), Connecting(tls_name="localhost")):
            with pytest.raises(Exception, match="by no CA that is trusted here"):
                async with how.to(address):
                    pass


async def test_codec_is_that_of_the_connection(tmp_path: Path) -> None:
    async with served(desk_server(compression="auto"), f"unix://{tmp_path}/s") as address:
        for codec in (None, "snappy", "zstd"):
            async with Connecting(compression=codec).to(address) as desk:
                assert desk.compression == codec


def test_codec_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ImportError(f"no {name}", name=name)

    monkeypatch.setattr("avrpc.compression.open_codec", fail)
    with pytest.raises(Usage, match=r"needs snappy, .*pip install 'avrpc\[compression\]'"):
        Connecting(compression="snappy").to("tcp://127.0.0.1:1")


async def test_token_is_shown_to_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("s3cr3t\n")
    server = desk_server(authenticate=BearerTokens({"alice": "s3cr3t"}))
    async with served(server, f"unix://{tmp_path}/s") as address:
        async with Connecting(token_file=str(file)).to(address) as desk:
            assert await desk.last("EURUSD") == tick()
        with pytest.raises(CredentialsRefused):
            async with Connecting().to(address):
                pass
        monkeypatch.setenv("AVRPC_TOKEN", "s3cr3t")
        async with Connecting().to(address) as desk:
            assert await desk.last("EURUSD") == tick()


def test_token_does_not_go_to_another_machine_in_plain_text_unless_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVRPC_TOKEN", "s3cr3t")
    with pytest.raises(Usage) as raised:
        Connecting().to("tcp://192.0.2.1:1")
    assert str(raised.value) == (
        "tcp://192.0.2.1:1: the token of AVRPC_TOKEN would go there in plain text, for others to"
        " read; use a tls:// address, or allow it by --plaintext-token"
    )
    file = tmp_path / "token"
    file.write_text("s3cr3t")
    with pytest.raises(Usage, match="the token of --token-file would"):
        Connecting(token_file=str(file)).to("tcp://192.0.2.1:1")
    Connecting(plaintext_token=True).to("tcp://192.0.2.1:1")
    Connecting().to("tls://192.0.2.1:1")


@pytest.mark.parametrize(
    ("how", "address", "problem"),
    [
        (Connecting(token_file="nothing.txt"), "tcp://localhost:1", "nothing.txt: No such file"),
        (Connecting(tls_ca="x"), "tcp://a:1", "--tls-ca: is for a tls:// address, got tcp://a:1"),
        (Connecting(tls_name="x"), "unix:///a", "--tls-name: is for a tls:// address"),
        (Connecting(tls_ca="nothing.pem"), "tls://a:1", "nothing.pem: No such file"),
        (Connecting(tls_key="x"), "tls://a:1", "a key without its certificate"),
        (Connecting(tls_name=""), "tls://a:1", "won't do for a client of ''"),
    ],
)
def test_options_that_do_not_fit_are_told(how: Connecting, address: str, problem: str) -> None:
    with pytest.raises(Usage, match=problem):
        how.to(address)
