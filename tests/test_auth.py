"""The two hooks: how they are asked, and what counts as a yes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

import avrpc
from avrpc.auth import REFUSAL_SECONDS, Doorkeeper, Presented, check_hook, refusal_of
from avrpc.call_info import Caller, CallInfo
from avrpc.transport import StreamTransport
from avrpc.wire import StatusCode
from tests.desk import DESK

# Who is there ...


def doorkeeper(hook: Callable[[Presented], Any]) -> Doorkeeper:
    return Doorkeeper(hook, StreamTransport(memory_stream_pair()[0], "there"))


def plain(presented: Presented) -> str | None:
    return "alice" if presented.credentials == b"right" else None


async def asynchronous(presented: Presented) -> str | None:
    await trio.lowlevel.checkpoint()
    return plain(presented)


class Called:
    """An object that is called as a function, which gives something to await."""

    def __call__(self, presented: Presented) -> Any:
        return asynchronous(presented)


HOOKS = [plain, asynchronous, Called(), partial(asynchronous)]


@pytest.mark.parametrize("hook", HOOKS)
async def test_hook_gives_the_identity(
    hook: Callable[[Presented], Any], autojump_clock: MockClock
) -> None:
    keeper = doorkeeper(hook)
    assert await keeper.admits(b"right")
    assert keeper.identity == "alice"
    assert await keeper.admits(b"right")  # in a second pack
    assert trio.current_time() == 0


@pytest.mark.parametrize("given", [b"wrong", b"", None])
@pytest.mark.parametrize("hook", HOOKS)
async def test_who_is_nobody_waits_for_the_no(
    hook: Callable[[Presented], Any], given: bytes | None, autojump_clock: MockClock
) -> None:
    keeper = doorkeeper(hook)
    assert not await keeper.admits(given)
    assert keeper.identity is None
    assert trio.current_time() == pytest.approx(REFUSAL_SECONDS)


async def test_hook_is_told_what_was_presented() -> None:
    keeper = doorkeeper(lambda presented: presented)
    assert await keeper.admits(b"s3cr3t")
    assert keeper.identity == Presented(b"s3cr3t", "there")
    assert repr(keeper.identity) == "Presented(peer='there', tls=None)"


async def test_hook_is_asked_once_and_a_second_pack_holds_the_same(
    autojump_clock: MockClock,
) -> None:
    asked: list[bytes | None] = []

    def hook(presented: Presented) -> int:
        asked.append(presented.credentials)
        return 7

    for first in (b"x", b"", None):
        for second in (b"x", b"y", b"", None):
            keeper, began = doorkeeper(hook), trio.current_time()
            assert await keeper.admits(first)
            assert await keeper.admits(second) is (first == second)
            took = trio.current_time() - began
            assert took == pytest.approx(0 if first == second else REFUSAL_SECONDS)
    assert asked == [b"x"] * 4 + [b""] * 4 + [None] * 4


def gives(answer: Any) -> Callable[[Presented], Any]:
    return lambda _: answer


def generator(presented: Presented) -> Iterator[str]:
    yield "alice"


async def async_generator(presented: Presented) -> AsyncIterator[str]:
    yield "alice"


async def not_awaited(presented: Presented) -> Any:
    return asynchronous(presented)


class Unclear:
    def __bool__(self) -> bool:
        raise RuntimeError("neither")


def raises(error: BaseException) -> Callable[[Any], Any]:
    def hook(_: Any) -> Any:
        raise error

    return hook


def raises_later(error: BaseException) -> Callable[[Any], Any]:
    async def hook(_: Any) -> Any:
        await trio.lowlevel.checkpoint()
        raise error

    return hook


NO: list[Any] = [gives(None), gives(False), gives(""), gives(0), raises(avrpc.Unauthenticated("x"))]
BROKEN: list[Any] = [
    generator,
    async_generator,
    not_awaited,
    gives(Unclear()),
    raises(ValueError("x")),
    raises_later(trio.TooSlowError()),
    raises(ExceptionGroup("x", [ValueError()])),
    lambda: "alice",  # takes no argument
]


@pytest.mark.parametrize("hook", NO)
async def test_what_is_not_true_is_a_no(
    hook: Callable[[Presented], Any], autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    assert not await doorkeeper(hook).admits(b"x")
    assert trio.current_time() == pytest.approx(REFUSAL_SECONDS)
    assert not caplog.records


@pytest.mark.parametrize("hook", BROKEN)
async def test_hook_that_fails_has_not_said_yes_and_is_logged(
    hook: Callable[[Presented], Any], autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = doorkeeper(hook)
    assert not await keeper.admits(b"x")
    assert not keeper.asking
    assert trio.current_time() == pytest.approx(REFUSAL_SECONDS)
    (record,) = caplog.records
    assert record.message == "there: authenticate failed, which is a no"
    assert record.exc_info


@pytest.mark.parametrize(
    ("took", "expected"), [(0, 0.5), (0.1, 0.5), (0.5, 0.5), (0.6, 1.0), (1.0, 1.0), (7.3, 7.5)]
)
async def test_time_of_a_no_does_not_tell_how_long_the_hook_took(
    took: float, expected: float, autojump_clock: MockClock
) -> None:
    async def hook(presented: Presented) -> None:
        await trio.sleep(took)

    assert not await doorkeeper(hook).admits(b"x")
    assert trio.current_time() == pytest.approx(expected)


async def test_hook_that_is_cancelled_was_being_asked(autojump_clock: MockClock) -> None:
    async def hook(presented: Presented) -> None:
        await trio.sleep_forever()

    keeper = doorkeeper(hook)
    with trio.move_on_after(3):
        await keeper.admits(b"x")
    assert keeper.asking


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
async def test_what_ends_a_program_is_not_taken_for_an_answer(error: BaseException) -> None:
    with pytest.raises(type(error)):
        await doorkeeper(raises(error)).admits(b"x")


@pytest.mark.parametrize("bad", [7, "token", {"a": "b"}, avrpc.BearerTokens])
def test_hook_that_is_none_is_found_when_the_server_is_made(bad: Any) -> None:
    for name in ("authenticate", "authorize"):
        with pytest.raises(TypeError, match=f"^{name}: expected a function"):
            avrpc.Server({DESK: object()}, **{name: bad})
    check_hook("authorize", None)


# ... and what may be called.


class Call(CallInfo):
    def __init__(self) -> None:
        self.message = DESK.messages["last"]
        self.peer = "there"


async def ask(hook: Callable[[CallInfo], Any], caller: Caller | None = None) -> StatusCode | None:
    return await refusal_of(hook, Call(), caller or Caller("test.Desk"))


async def yes(call: CallInfo) -> bool:
    await trio.lowlevel.checkpoint()
    return call.message.name == "last"


@pytest.mark.parametrize("hook", [gives(True), yes, partial(yes)])
async def test_true_is_a_yes(hook: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert await ask(hook) is None
    assert not caplog.records


@pytest.mark.parametrize(
    ("hook", "code"),
    [
        (gives(False), StatusCode.PERMISSION_DENIED),
        (gives(None), StatusCode.PERMISSION_DENIED),
        (raises(avrpc.Unauthenticated("late")), StatusCode.UNAUTHENTICATED),
        (raises_later(avrpc.Unauthenticated("late")), StatusCode.UNAUTHENTICATED),
    ],
)
async def test_no_is_logged_once_for_each_message(
    hook: Any, code: StatusCode, caplog: pytest.LogCaptureFixture
) -> None:
    caller = Caller("test.Desk")
    assert await ask(hook, caller) is code
    (record,) = caplog.records
    assert record.message == f"there: refused: last of test.Desk: {code.name}"
    assert await ask(hook, caller) is code
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "hook",
    [gives(1), gives("no"), generator, async_generator, not_awaited, raises(ValueError("x"))],
)
async def test_anything_but_true_is_a_no(hook: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert await ask(hook) is StatusCode.PERMISSION_DENIED
    failed, refused = caplog.records
    assert failed.message == "there: authorize failed for last, which is a no"
    assert refused.message == "there: refused: last of test.Desk: PERMISSION_DENIED"


# Tokens.


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (b"x", b"x", True),
        ("é", "é".encode(), True),
        ("x", "y", False),
        ("x", "xx", False),
        ("", b"", True),
        (None, None, True),
        (None, "", False),
        (b"", None, False),
        (b"\xff", b"\xff".decode(errors="surrogateescape"), True),
    ],
)
def test_secrets_are_the_same(
    one: bytes | str | None, other: bytes | str | None, expected: bool
) -> None:
    assert avrpc.same_secret(one, other) is expected


async def test_bearer_tokens_know_each_name_by_any_of_its_tokens() -> None:
    tokens = avrpc.BearerTokens({"alice": "a1", "bob": b"b1", "carol": ["c1", b"c2"]})
    for given, name in (
        (b"a1", "alice"),
        (b"b1", "bob"),
        (b"c1", "carol"),
        (b"c2", "carol"),
        (b"c3", None),
        (b"alice", None),
        (b"a", None),
        (b"a11", None),
        (b"", None),
        (None, None),
    ):
        assert await tokens(Presented(given, "there")) == name
    assert repr(tokens) == "<avrpc.BearerTokens of 3 names>"


async def test_without_tokens_nobody_is_known() -> None:
    assert await avrpc.BearerTokens({})(Presented(None, "there")) is None


@pytest.mark.parametrize(
    "tokens",
    [
        {"alice": ""},
        {"alice": []},
        {"alice": ["s3cr3t", ""]},
        {"": "s3cr3t"},
        {"alice": "s3cr3t", "bob": "s3cr3t"},
        {"alice": "s3cr3t", "bob": ["b", b"s3cr3t"]},
        {"alice": "s3cr3t\ud800"},
    ],
)
def test_tokens_that_are_none_are_refused_and_not_shown(tokens: Any) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        avrpc.BearerTokens(tokens)
    assert "s3cr3t" not in str(caught.value)
