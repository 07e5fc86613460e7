import pytest

from avrpc import ConnectFailed
from avrpc.cli.connecting import Connecting
from avrpc.cli.failures import Usage
from avrpc.cli.offered import connected_to_message, pick_protocol
from tests.cli.conftest import Served

OFFERED = ("demo.Quotes", "demo.Admin", "other.Admin", "Plain")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("demo.Admin", "demo.Admin"), ("Quotes", "demo.Quotes"), ("Plain", "Plain")],
)
def test_a_protocol_is_found_by_its_full_name_or_the_last_part(wanted: str, found: str) -> None:
    assert pick_protocol(wanted, OFFERED) == found


@pytest.mark.parametrize(
    ("wanted", "offered", "problem"),
    [
        ("Admin", OFFERED, "'Admin' is short for demo.Admin and other.Admin; use the full name"),
        ("quotes", OFFERED, "the server offers no protocol 'quotes'; did you mean 'Quotes'?"),
        (
            "x",
            OFFERED,
            "the server offers no protocol 'x'; there is demo.Quotes, demo.Admin, other.Adm",
        ),
        ("x", (), "the server offers no protocol 'x'; there is none"),
    ],
)
def test_a_protocol_that_is_not_offered_is_refused(
    wanted: str, offered: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(Usage) as caught:
        pick_protocol(wanted, offered)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("words", "protocol"),
    [
        ("last", "demo.Quotes"),
        ("demo.Quotes.last", "demo.Quotes"),
        ("Quotes.last", "demo.Quotes"),
        ("reload", "demo.Admin"),
        ("Admin.reload", "demo.Admin"),
    ],
)
async def test_a_message_is_found_in_the_protocol_named_or_the_first_that_has_it(
    words: str, protocol: str, served: Served
) -> None:
    async with connected_to_message(served.address, words, Connecting(5)) as (client, message):
        assert client.protocol.name == protocol
        assert message.name == words.rpartition(".")[2]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("lst", "no message 'lst' in demo.Quotes, demo.Admin; did you mean 'last'?"),
        ("relod", "no message 'relod' in demo.Quotes, demo.Admin; did you mean 'reload'?"),
        ("Admin.last", "no message 'last' in demo.Admin; there is reload"),
        ("Quotes.zzz", "no message 'zzz' in demo.Quotes; there is last, watch, record, convert"),
        ("Qotes.last", "the server offers no protocol 'Qotes'; did you mean 'Quotes'?"),
        (
            "demo.Quotes",
            "demo.Quotes is a protocol; its message is missing: avrpc describe unix://",
        ),
    ],
)
async def test_a_message_that_is_not_there_is_refused_with_what_was_meant(
    words: str, problem: str, served: Served
) -> None:
    with pytest.raises(Usage) as caught:
        async with connected_to_message(served.address, words, Connecting(5)):
            pass
    assert str(caught.value).startswith(problem)


async def test_nothing_to_connect_to_is_a_connect_failed() -> None:
    with pytest.raises(ConnectFailed):
        async with connected_to_message("unix:///nonexistent", "last", Connecting(5)):
            pass
