"""Credentials at the client: what they may be, and where they may go."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio

from avrpc.credentials import as_bytes, check_credentials, fetch, is_plaintext

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("tcp://127.0.0.1:7000", False),
        ("tcp://127.8.9.10:7000", False),
        ("tcp://[::1]:7000", False),
        ("tcp://localhost:7000", False),
        ("tcp://LOCALHOST.:7000", False),
        ("unix:///run/quotes.sock", False),
        ("tcp://10.0.0.1:7000", True),
        ("tcp://0.0.0.0:7000", True),
        ("tcp://[::]:7000", True),
        ("tcp://[fe80::1%25eth0]:7000", True),
        ("tcp://[2001:db8::1]:7000", True),
        ("tcp://quotes.example:7000", True),
        ("tcp://localhost.example:7000", True),
        ("tcp://notlocalhost:7000", True),
        ("tcp://127.0.0.1.example:7000", True),
    ],
)
def test_plain_tcp_is_for_this_machine(address: str, expected: bool) -> None:
    assert is_plaintext(address) is expected
    if expected:
        with pytest.raises(ValueError, match="allow_plaintext_credentials=True") as caught:
            check_credentials(SECRET, address, allow_plaintext=False)
        assert SECRET not in str(caught.value)
        with pytest.raises(ValueError, match="plain text"):
            check_credentials(lambda: SECRET, address, allow_plaintext=False)
    else:
        check_credentials(SECRET, address, allow_plaintext=False)
    check_credentials(SECRET, address, allow_plaintext=True)
    check_credentials(None, address, allow_plaintext=False)


@pytest.mark.parametrize("bad", [7, ["s3cr3t"], object(), bytearray(b"s3cr3t"), {"s3cr3t": 1}])
async def test_what_is_no_text_is_refused_by_its_type_alone(bad: Any) -> None:
    with pytest.raises(TypeError) as caught:
        check_credentials(bad, "unix:///x", allow_plaintext=False)
    assert str(caught.value) == f"credentials: expected bytes or str, got {type(bad).__name__}"
    with pytest.raises(TypeError, match="expected bytes or str"):
        await fetch(lambda: bad)


async def test_credentials_are_at_most_8_kib() -> None:
    check_credentials("x" * 8192, "unix:///x", allow_plaintext=False)
    for too_long in (b"x" * 8193, "é" * 4097):
        with pytest.raises(ValueError, match=r"^credentials of \d+ bytes: at most 8192"):
            check_credentials(too_long, "unix:///x", allow_plaintext=False)
        with pytest.raises(ValueError, match="at most 8192"):
            await fetch(lambda given=too_long: given)  # type: ignore[misc]


def test_text_from_the_environment_is_the_bytes_that_it_was_made_of() -> None:
    assert as_bytes(b"\xff\x00") == b"\xff\x00"
    assert as_bytes("é") == "é".encode()
    assert as_bytes(b"\xff".decode(errors="surrogateescape")) == b"\xff"


def test_text_that_is_none_is_refused_and_quoted_nowhere() -> None:
    with pytest.raises(ValueError, match="a str that has no UTF-8") as caught:
        as_bytes(f"{SECRET}\ud800")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


class Tokens:
    """Gives another token each time."""

    def __init__(self) -> None:
        self.count = 0

    def now(self) -> str:
        self.count += 1
        return f"token {self.count}"

    async def later(self) -> bytes:
        await trio.lowlevel.checkpoint()
        return self.now().encode()


async def test_function_is_asked_each_time() -> None:
    tokens = Tokens()
    function: Callable[[], Any]
    for function, expected in (
        (tokens.now, b"token 1"),
        (tokens.later, b"token 2"),
        (tokens.now, b"token 3"),
        (partial(tokens.later), b"token 4"),
        (lambda: None, None),
    ):
        assert await fetch(function) == expected


async def test_plain_credentials_are_encoded_once() -> None:
    assert await fetch(None) is None
    assert await fetch("") == b""
    assert await fetch("é") == "é".encode()
    assert await fetch(b"\0") == b"\0"


async def test_what_a_function_raises_is_raised_as_it_is() -> None:
    async def fail() -> str:
        raise LookupError("no token there")

    with pytest.raises(LookupError, match="no token there"):
        await fetch(fail)
