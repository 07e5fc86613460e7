import click
import pytest
from click.testing import CliRunner

from avrpc.cli import options
from avrpc.cli.failures import Usage
from avrpc.cli.options import check_address


@pytest.mark.parametrize(
    "address", ["tcp://localhost:0", "tcp://[::1]:7000", "tls://a:1", "unix:///run/x"]
)
def test_an_address_is_passed_on(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize(
    ("address", "end"),
    [
        ("localhost:7000", "; did you mean tcp://localhost:7000?"),
        ("/run/x.sock", "; did you mean unix:///run/x.sock?"),
        ("localhost", "expected tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH"),
        ("http://localhost:7000", "expected tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH"),
        ("tcp://localhost", "expected tcp://HOST:PORT"),
        ("tcp://localhost:99999", "Port out of range 0-65535"),
    ],
)
def test_a_bad_address_is_told_with_what_was_meant(address: str, end: str) -> None:
    with pytest.raises(Usage) as caught:
        check_address(address)
    assert str(caught.value).startswith(f"address {address!r}: ")
    assert str(caught.value).endswith(end)


@click.command()
@options.address
@options.timeout
@options.connect_timeout
@options.metadata
def command(**values: object) -> None:
    click.echo(repr(values))


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(command, ["tcp://a:1", *words])
    return result.exit_code, result.output.strip()


def test_options_are_read() -> None:
    assert run("--timeout", "0.5", "--metadata", "a=b=c", "--metadata", "d=") == (
        0,
        repr(
            {
                "timeout": 0.5,
                "metadata": {"a": "b=c", "d": ""},
                "address": "tcp://a:1",
                "connect_timeout": 10.0,
            }
        ),
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--timeout", "0"), "--timeout: expected seconds, more than 0, got 0.0"),
        (("--timeout", "nan"), "--timeout: expected seconds, more than 0, got nan"),
        (("--connect-timeout", "inf"), "--connect-timeout: expected seconds, more than 0, got inf"),
        (("--metadata", "a"), "--metadata: expected NAME=VALUE, got 'a'"),
        (("--metadata", "=a"), "--metadata: expected NAME=VALUE, got '=a'"),
        (("--metadata", "a=1", "--metadata", "a=2"), "--metadata: 'a' is there twice"),
    ],
)
def test_options_that_mean_nothing_are_refused(words: tuple[str, ...], problem: str) -> None:
    assert run(*words) == (2, f"avrpc: {problem}")
