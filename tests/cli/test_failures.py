import json

import pytest

import avrpc
from avrpc.cli.failures import (
    Declared,
    Failure,
    Late,
    NoConnection,
    Remote,
    Usage,
    declared_failure,
    failure_of,
)
from tests.cli.desk import Quotes


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (avrpc.ConnectFailed("a"), NoConnection, 3),
        (avrpc.ConnectTimeout("a"), NoConnection, 3),
        (avrpc.ConnectionRefused("a"), NoConnection, 3),
        (avrpc.CredentialsRefused("a"), NoConnection, 3),
        (avrpc.ConnectionLost("a"), NoConnection, 3),
        (avrpc.ConnectionClosed("a"), NoConnection, 3),
        (avrpc.InternalError("a"), Remote, 4),
        (avrpc.Unavailable("a"), Remote, 4),
        (avrpc.PermissionDenied("a"), Remote, 4),
        (avrpc.Unauthenticated("a"), Remote, 4),
        (avrpc.InvalidValue("a"), Remote, 4),
        (avrpc.LimitExceeded("a"), Remote, 4),
        (avrpc.DeadlineExceeded("a"), Late, 5),
    ],
)
def test_each_error_has_its_exit_code(
    error: avrpc.AvrpcError, kind: type[Failure], code: int
) -> None:
    failure = failure_of(error)
    assert type(failure) is kind
    assert failure.exit_code == code
    assert str(failure) == "a"


def test_an_error_of_tls_or_credentials_names_the_options_of_the_command_line() -> None:
    for words, option in (
        ("trust it by tls=avrpc.client_tls(ca=FILE)", "trust it by --tls-ca FILE"),
        (
            "show one by tls=avrpc.client_tls(certificate=FILE, key=FILE)",
            "show one by --tls-cert F",
        ),
        ("or give that name as server_hostname", "or give that name by --tls-name"),
    ):
        failure = failure_of(avrpc.TlsFailed(words))
        assert isinstance(failure, NoConnection)
        assert str(failure).startswith(option)
    refused = avrpc.CredentialsRefused("refused; no credentials were given", code=33)
    assert str(failure_of(refused)) == "refused; show a token by --token-file or AVRPC_TOKEN"


def test_an_error_without_words_shows_its_name() -> None:
    assert str(failure_of(avrpc.Unavailable())) == "Unavailable"


def test_a_failure_is_shown_as_one_line_that_leaves_the_terminal_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Usage("one\ntwo \x1b[31mred\u202e").show()
    assert capsys.readouterr().err == "avrpc: one\\ntwo \\x1b[31mred\\u202e\n"


def test_a_declared_error_is_shown_by_its_name_with_its_fields_as_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    message = Quotes.messages["last"]
    failure = declared_failure(message, Quotes.errors.UnknownSymbol(symbol="X"))
    assert isinstance(failure, Declared)
    assert failure.exit_code == 1
    failure.show()
    text = capsys.readouterr().err
    assert text == 'UnknownSymbol: {"symbol": "X"}\n'
    assert json.loads(text.partition(": ")[2]) == {"symbol": "X"}
