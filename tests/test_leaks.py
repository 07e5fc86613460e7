"""What goes wrong in a server is its own business: a peer gets an id, and no byte of the rest."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio
import trio.testing

import avrpc
from avrpc.testing import Link, open_pair
from tests.desk import DESK, desk_server, tick

SECRET = "s3cr3t"

OTHER = avrpc.Protocol.parse(
    '{"protocol": "Other", "types": [{"type": "error", "name": "Secret", "fields":'
    ' [{"name": "text", "type": "string"}]}]}'
)

# Errors with the secret in each of their parts.


def with_note() -> Exception:
    error = ValueError("plain")
    error.add_note(SECRET)
    return error


def with_cause() -> Exception:
    error = ValueError("plain")
    error.__cause__ = KeyError(SECRET)
    error.__context__ = RuntimeError(SECRET)
    return error


def of_a_telling_class() -> Exception:
    return type(f"Is{SECRET}", (Exception,), {"__module__": SECRET, "__doc__": SECRET})()  # type: ignore[no-any-return]


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError(SECRET)

    __repr__ = __str__


ERRORS: dict[str, Callable[[], BaseException]] = {
    "text": lambda: ValueError(SECRET),
    "key": lambda: KeyError(SECRET),
    "os": lambda: FileNotFoundError(2, SECRET, f"/etc/{SECRET}"),
    "note": with_note,
    "cause": with_cause,
    "class": of_a_telling_class,
    "mute": Mute,
    "group": lambda: ExceptionGroup(SECRET, [ValueError(SECRET)]),
    "groups": lambda: ExceptionGroup(SECRET, [ValueError(SECRET), KeyError(SECRET)]),
    "trio": lambda: trio.BrokenResourceError(SECRET),
    "value": lambda: avrpc.InvalidValue(SECRET, path=SECRET),
    "limit": lambda: avrpc.LimitExceeded(SECRET),
    "unavailable": lambda: avrpc.Unavailable(SECRET),
    "denied": lambda: avrpc.PermissionDenied(SECRET),
    "late": lambda: avrpc.DeadlineExceeded(SECRET),
    "another server's": lambda: avrpc.RemoteError(SECRET, name=SECRET, fields={SECRET: SECRET}),
    "another protocol's": lambda: OTHER.errors.Secret(text=SECRET),
    "schema": lambda: avrpc.SchemaError(SECRET, source=SECRET, path=SECRET),
    "a generator's end": lambda: StopAsyncIteration(SECRET),
}

# Values that do not fit, with the secret in each of their parts.
VALUES: dict[str, Any] = {
    "a text": SECRET,
    "a field": tick(symbol=SECRET) | {"price": SECRET},
    "a key": tick() | {SECRET: 1},
    "bytes": SECRET.encode(),
    "an object": Mute(),
}


def failing(error: Callable[[], BaseException]) -> dict[str, Any]:
    """Handlers of every kind that raise."""

    async def coroutine(**parameters: Any) -> Any:
        raise error()

    async def generator(**parameters: Any) -> AsyncIterator[Any]:
        for _ in ():
            yield
        raise error()

    def function(**parameters: Any) -> Any:
        raise error()

    return {
        "last": coroutine,
        "note": coroutine,
        "push": coroutine,
        "quote": function,
        "watch": generator,
        "swap": generator,
    }


def giving(value: Any) -> dict[str, Any]:
    """Handlers of every kind that answer so."""

    async def coroutine(**parameters: Any) -> Any:
        return value

    async def generator(**parameters: Any) -> AsyncIterator[Any]:
        yield value

    def function(**parameters: Any) -> Any:
        return value if not isinstance(value, str) else {SECRET: value}

    return {
        "last": coroutine,
        "push": coroutine,
        "quote": function,
        "watch": generator,
        "swap": generator,
    }


async def call(client: avrpc.Client, name: str) -> None:
    """Call a message to its end."""
    message = client[name]
    match name:
        case "last":
            await message("EURUSD")
        case "quote":
            await message(tick())
        case "watch":
            async with message("EURUSD") as items:
                [one async for one in items]
        case "push":
            async with message() as stream:
                await stream.result()
        case "swap":
            async with message() as stream:
                await stream.receive()


def assert_told_an_id_alone(error: avrpc.AvrpcError, name: str, log: str) -> None:
    assert isinstance(error, avrpc.InternalError)
    found = re.fullmatch(rf"{name}: internal error ([0-9a-f]{{16}})", str(error))
    assert found
    assert log.count(f"the handler of {name} failed; the caller was told: {found[0][-31:]}") == 1


CALLED = ("last", "quote", "watch", "push", "swap")


@pytest.mark.parametrize("part", ERRORS)
async def test_what_a_handler_raises_stays_here(
    part: str, caplog: pytest.LogCaptureFixture
) -> None:
    link = Link(record=True)
    async with open_pair(desk_server(**failing(ERRORS[part])), DESK, link=link) as client:
        for name in CALLED:
            with pytest.raises(avrpc.AvrpcError) as caught:
                await call(client, name)
            assert_told_an_id_alone(caught.value, name, caplog.text)
        await client.note("x")
    assert SECRET.encode() not in link.to_client.record
    assert SECRET in caplog.text or part == "mute"


@pytest.mark.parametrize("part", VALUES)
async def test_value_of_a_handler_that_does_not_fit_stays_here(
    part: str, caplog: pytest.LogCaptureFixture
) -> None:
    link = Link(record=True)
    async with open_pair(desk_server(**giving(VALUES[part])), DESK, link=link) as client:
        for name in CALLED:
            if part == "bytes" and name == "swap":
                continue  # it fits
            with pytest.raises(avrpc.AvrpcError) as caught:
                await call(client, name)
            assert_told_an_id_alone(caught.value, name, caplog.text)
    assert SECRET.encode() not in link.to_client.record


async def test_declared_error_that_does_not_fit_stays_here(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def made() -> BaseException:
        return DESK.errors.UnknownSymbol(symbol=SECRET.encode())

    def changed() -> BaseException:
        error = DESK.errors.UnknownSymbol(symbol="X")
        error.fields["symbol"] = {SECRET: 1}
        return error

    for error in (made, changed):
        link = Link(record=True)
        async with open_pair(desk_server(**failing(error)), DESK, link=link) as client:
            for name in ("last", "watch"):
                with pytest.raises(avrpc.AvrpcError) as caught:
                    await call(client, name)
                assert_told_an_id_alone(caught.value, name, caplog.text)
        assert SECRET.encode() not in link.to_client.record


async def test_answer_that_is_too_large_stays_here() -> None:
    async def load(data: bytes) -> bytes:
        return SECRET.encode() * 10_000

    async def pull(count: int, size: int) -> AsyncIterator[bytes]:
        yield SECRET.encode() * 10_000

    link = Link(record=True)
    limits = avrpc.Limits(max_message_bytes=16 * 1024)
    server = desk_server(load=load, pull=pull)
    async with open_pair(server, DESK, link=link, limits=limits) as client:
        with pytest.raises(avrpc.LimitExceeded):
            await client.load(b"")
        with pytest.raises(avrpc.LimitExceeded):
            async with client.pull(1) as items:
                await items.receive()
    assert SECRET.encode() not in link.to_client.record


def raising(error: Callable[[], BaseException]) -> Callable[[Any], Any]:
    async def hook(_: Any) -> Any:
        raise error()

    return hook


@pytest.mark.parametrize("part", ERRORS)
async def test_what_authenticate_raises_stays_here(
    part: str, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    link = Link(record=True)
    server = desk_server(authenticate=raising(ERRORS[part]))
    with pytest.raises(avrpc.CredentialsRefused) as caught:
        async with open_pair(server, DESK, link=link, credentials="x"):
            pass
    assert str(caught.value) == "stream: the server refused: not authenticated"
    assert SECRET.encode() not in link.to_client.record
    assert "authenticate failed" in caplog.text


@pytest.mark.parametrize("part", [*ERRORS, "declared"])
async def test_what_authorize_raises_stays_here(
    part: str, caplog: pytest.LogCaptureFixture
) -> None:
    link = Link(record=True)
    error = ERRORS.get(part, lambda: DESK.errors.UnknownSymbol(symbol=SECRET))
    server = desk_server(authorize=raising(error), **failing(lambda: AssertionError("it ran")))
    async with open_pair(server, DESK, link=link) as client:
        for name in CALLED:
            with pytest.raises(avrpc.PermissionDenied) as caught:
                await call(client, name)
            assert str(caught.value) == f"{name}: not allowed"
            assert not caught.value.maybe_executed
    assert SECRET.encode() not in link.to_client.record
    assert caplog.text.count("authorize failed") == len(CALLED)
    assert "it ran" not in caplog.text


async def test_credentials_stand_in_no_log_error_or_repr(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    def hook(presented: avrpc.Presented) -> str | None:
        assert SECRET not in repr(presented)
        return None if presented.credentials == SECRET.encode() else "alice"

    server = desk_server(authenticate=hook)
    link = Link(record=True)
    with pytest.raises(avrpc.CredentialsRefused) as caught:
        async with open_pair(server, link=link, credentials=SECRET):
            pass
    assert SECRET not in f"{caught.value!r} {caught.value}"
    assert SECRET.encode() in link.to_server.record
    assert SECRET.encode() not in link.to_client.record
    async with open_pair(server, credentials=f"the other {SECRET}") as client:
        assert SECRET not in f"{client!r} {client.last!r} {vars(client)} {vars(client._session)}"
    assert caplog.text
    assert SECRET not in caplog.text
