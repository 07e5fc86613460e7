import re
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from avrpc.address import Address, TcpAddress, TlsAddress, UnixAddress, is_tls, parse_address

# As written by people: the same address has one text of its own, which may be another.
READ: list[tuple[str, Address]] = [
    ("tcp://127.0.0.1:7000", TcpAddress("127.0.0.1", 7000)),
    ("tcp://quotes.example.org:0", TcpAddress("quotes.example.org", 0)),
    ("tcp://localhost:65535/", TcpAddress("localhost", 65535)),
    ("TCP://LocalHost:80", TcpAddress("localhost", 80)),
    ("tcp://[::1]:7000", TcpAddress("::1", 7000)),
    ("tcp://[::]:0", TcpAddress("::", 0)),
    ("tcp://[fe80::1%eth0]:7000", TcpAddress("fe80::1%eth0", 7000)),
    ("tls://127.0.0.1:7000", TlsAddress("127.0.0.1", 7000)),
    ("TLS://[::1]:0/", TlsAddress("::1", 0)),
    ("unix:///run/quotes.sock", UnixAddress("/run/quotes.sock")),
    ("UNIX:///run/Quotes.sock", UnixAddress("/run/Quotes.sock")),
    ("unix://quotes.sock", UnixAddress("quotes.sock")),
    ("unix://./a/../quotes.sock", UnixAddress("./a/../quotes.sock")),
    ("unix:////run//quotes.sock", UnixAddress("//run//quotes.sock")),
    ("unix:///run/a b.sock", UnixAddress("/run/a b.sock")),
    ("unix:///run/a%20b.sock", UnixAddress("/run/a b.sock")),
    ("unix:///run/50%25.sock", UnixAddress("/run/50%.sock")),
    ("unix:///run/50%.sock", UnixAddress("/run/50%.sock")),
    ("unix:///run/a?b#c;d=e&f", UnixAddress("/run/a?b#c;d=e&f")),
    ("unix:///run/[x]:7", UnixAddress("/run/[x]:7")),
    ("unix:///run/größe.sock", UnixAddress("/run/größe.sock")),
    ("unix:///run/gr%C3%B6%C3%9Fe.sock", UnixAddress("/run/größe.sock")),
    ("unix:///run/\udcff", UnixAddress("/run/\udcff")),  # a name that is not UTF-8, as os has it
    ("unix:///run/%FF", UnixAddress("/run/\udcff")),
    ("unix:///run/a\tb\nc ", UnixAddress("/run/a\tb\nc ")),
]

WRITTEN: list[tuple[Address, str]] = [
    (TcpAddress("127.0.0.1", 7000), "tcp://127.0.0.1:7000"),
    (TcpAddress("::1", 7000), "tcp://[::1]:7000"),
    (TcpAddress("fe80::1%eth0", 1), "tcp://[fe80::1%eth0]:1"),
    (TlsAddress("localhost", 7000), "tls://localhost:7000"),
    (TlsAddress("::1", 7000), "tls://[::1]:7000"),
    (UnixAddress("/run/quotes-1.sock"), "unix:///run/quotes-1.sock"),
    (UnixAddress("quotes.sock"), "unix://quotes.sock"),
    (UnixAddress("/tmp/a:b@c+d,e=f~"), "unix:///tmp/a:b@c+d,e=f~"),
    (UnixAddress("/tmp/a b?c#d%20\n"), "unix:///tmp/a%20b%3Fc%23d%2520%0A"),
    (UnixAddress("/tmp/ß\udcff"), "unix:///tmp/%C3%9F%FF"),
]

FORMS = "expected tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH"
BAD = [
    ("", FORMS),
    ("localhost:7000", FORMS),
    ("127.0.0.1:7000", FORMS),
    ("http://localhost:7000", FORMS),
    ("/run/quotes.sock", FORMS),
    ("unix:/run/quotes.sock", "expected unix:///PATH"),
    ("unix:", "expected unix:///PATH"),
    ("unix://", "expected unix:///PATH"),
    ("unix:///run/a%00b", "a path holds no null byte"),
    ("unix:///run/a\0b", "a path holds no null byte"),
    ("tls://localhost", "expected tls://HOST:PORT"),
    ("tls://localhost:7000/quotes", "expected nothing but tls://HOST:PORT"),
    ("tcp:localhost:7000", "expected tcp://HOST:PORT"),
    ("tcp://", "expected tcp://HOST:PORT"),
    ("tcp://localhost", "expected tcp://HOST:PORT"),
    ("tcp://localhost:", "expected tcp://HOST:PORT"),
    ("tcp://:7000", "expected tcp://HOST:PORT"),
    ("tcp://::1:7000", "expected tcp://HOST:PORT"),
    ("tcp://[::1]", "expected tcp://HOST:PORT"),
    ("tcp://localhost:7000/quotes", "expected nothing but tcp://HOST:PORT"),
    ("tcp://localhost:7000?a=b", "expected nothing but tcp://HOST:PORT"),
    ("tcp://localhost:7000#a", "expected nothing but tcp://HOST:PORT"),
    ("tcp://me@localhost:7000", "expected nothing but tcp://HOST:PORT"),
    ("tcp://:secret@localhost:7000", "expected nothing but tcp://HOST:PORT"),
    ("tcp://localhost:65536", "Port out of range 0-65535"),
    ("tcp://localhost:-1", "Port could not be cast to integer value as '-1'"),
    ("tcp://localhost:http", "Port could not be cast to integer value as 'http'"),
    ("tcp://[::1:7000", "Invalid IPv6 URL"),
]


@pytest.mark.parametrize(("text", "address"), READ)
def test_text_is_read_as_the_address_and_that_writes_itself_readably(
    text: str, address: Address
) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(("address", "text"), WRITTEN)
def test_address_is_written_as_text_that_is_read_as_the_address(
    address: Address, text: str
) -> None:
    assert str(address) == text
    assert parse_address(text) == address


@pytest.mark.parametrize(("text", "address"), READ)
def test_address_tells_whether_it_is_one_of_tls(text: str, address: Address) -> None:
    assert is_tls(text) is isinstance(address, TlsAddress)


@pytest.mark.parametrize(("text", "problem"), BAD)
def test_bad_address_is_refused_with_the_words(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)) as raised:
        parse_address(text)
    assert str(raised.value) == f"address {text!r}: {problem}"


@given(st.text(min_size=1))
def test_any_path_of_a_unix_socket_comes_back_from_its_text(name: str) -> None:
    try:
        path = "/" + name.replace("\0", "").encode().decode()
    except UnicodeEncodeError:
        return  # half of a surrogate pair: no path
    assert parse_address(str(UnixAddress(path))) == UnixAddress(path)


@given(st.binary(min_size=1))
def test_any_bytes_of_a_unix_path_come_back_from_its_text(name: bytes) -> None:
    path = name.replace(b"\0", b"/").decode(errors="surrogateescape")
    assert parse_address(str(UnixAddress(path))) == UnixAddress(path)


@given(st.text())
def test_any_other_text_is_an_address_or_a_value_error(text: str) -> None:
    for each in (text, f"tcp://{text}:1", f"unix://{text}", f"tcp://[{text}]:1"):
        try:
            address = parse_address(each)
        except ValueError as error:
            assert str(error).startswith(f"address {each!r}: ")  # noqa: PT017
        else:
            assert parse_address(str(address)) == address


async def test_socket_whose_name_has_odd_characters_is_reached_by_its_text(tmp_path: Path) -> None:
    path = str(tmp_path / "a b?c#d%41 ß")
    listener = trio.socket.socket(trio.socket.AF_UNIX)
    await listener.bind(path)
    listener.listen(1)
    found = parse_address(str(UnixAddress(path)))
    assert isinstance(found, UnixAddress)
    (await trio.open_unix_socket(found.path)).socket.close()
    listener.close()
