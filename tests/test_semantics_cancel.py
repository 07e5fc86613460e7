"""A call is cancelled at every place where it can be; a peer is lost at every byte.

Whatever the moment, a call has one outcome, the connection goes on (or every call on it ends), and
nothing is left behind: no open call, no place taken, no credit lost, no task.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import wait_all_tasks_blocked

import avrpc
from avrpc.client import Client
from avrpc.testing import Link, open_pair
from tests.desk import DESK, at_rest, desk_server, tick

Use = Callable[[Client], Awaitable[Any]]

BIG = 150_000  # bytes: more than two frames, and less than a window


async def unary(client: Client) -> None:
    assert await client.last("EURUSD") == tick()


async def large_unary(client: Client) -> None:
    assert await client.load(bytes(BIG)) == bytes(BIG)


async def declared_error(client: Client) -> None:
    with pytest.raises(DESK.errors.UnknownSymbol):
        await client.last("???")


async def one_way(client: Client) -> None:
    await client.note("hello")


async def response(client: Client) -> None:
    async with client.watch("EURUSD") as ticks:
        assert [one["size"] async for one in ticks] == [0, 1, 2]


async def large_response(client: Client) -> None:
    async with client.pull(5, BIG) as blobs:
        assert [len(one) async for one in blobs] == [BIG] * 5


async def response_left_early(client: Client) -> None:
    async with client.watch("EURUSD", 6) as ticks:
        assert await ticks.receive() == tick(size=0)


async def response_closed(client: Client) -> None:
    async with client.watch("EURUSD", 6) as ticks:
        assert await ticks.receive() == tick(size=0)
        await ticks.aclose()


async def request(client: Client) -> None:
    async with client.record("EURUSD") as call:
        for _ in range(3):
            await call.send(tick())
        assert await call.result() == 3


async def request_left(client: Client) -> None:
    async with client.record("EURUSD") as call:
        await call.send(tick())


async def request_failed(client: Client) -> None:
    with pytest.raises(DESK.errors.UnknownSymbol):
        async with client.record("???") as call:
            await call.result()


async def large_request(client: Client) -> None:
    async with client.push() as call:
        for _ in range(5):
            await call.send(bytes(BIG))
        assert await call.result() == 5 * BIG


async def both(client: Client) -> None:
    async with client.convert() as call:
        for number in range(3):
            await call.send(tick(size=number))
            assert await call.receive() == tick(size=number + 1)
        await call.send_eof()
        assert [one async for one in call] == []


async def large_both(client: Client) -> None:
    async with client.swap() as call, trio.open_nursery() as nursery:

        async def send() -> None:
            for _ in range(5):
                await call.send(bytes(BIG))
            await call.send_eof()

        nursery.start_soon(send)
        assert [len(one) async for one in call] == [BIG] * 5


async def both_left_early(client: Client) -> None:
    async with client.swap() as call:
        await call.send(b"one")
        await call.receive()
        await call.send(b"two")


USES: list[Use] = [
    unary,
    large_unary,
    declared_error,
    one_way,
    response,
    large_response,
    response_left_early,
    response_closed,
    request,
    request_left,
    request_failed,
    large_request,
    both,
    large_both,
    both_left_early,
]


class CancelAt(trio.abc.Instrument):
    """Cancels a scope when all tasks together have taken so many steps.

    A step may be any task's: so the cancel comes while the call's task waits, while it is about
    to go on, and while an answer is under way.
    """

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self._scope = scope
        self._left = step

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._left -= 1
        if self._left == 0:
            self._scope.cancel()


@pytest.mark.parametrize(
    ("use", "capacity"),
    [(use, None) for use in USES]
    # With little room each send waits. For large values that is thousands of steps, all alike.
    + [(use, 20) for use in USES if "large" not in use.__name__],
    ids=lambda value: value.__name__ if callable(value) else "narrow" if value else "wide",
)
async def test_call_cancelled_at_any_step_leaves_nothing_behind(
    use: Use, capacity: int | None, autojump_clock: trio.testing.MockClock
) -> None:
    server = desk_server()
    async with open_pair(server, DESK, link=Link(capacity=capacity)) as client:
        await use(client)
        await wait_all_tasks_blocked()
        tasks = trio.lowlevel.current_statistics().tasks_living
        step, cancelled = 0, True
        while cancelled:
            step += 1
            with trio.fail_after(10), trio.CancelScope() as scope:
                instrument = CancelAt(scope, step)
                trio.lowlevel.add_instrument(instrument)
                await use(client)
            trio.lowlevel.remove_instrument(instrument)
            cancelled = scope.cancelled_caught
            await wait_all_tasks_blocked()
            assert at_rest(client, server) == [], f"cancelled at step {step}"
            assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert step >= 2
        with trio.fail_after(10):
            await use(client)
            if capacity is None:
                await large_both(client)  # more than a window both ways


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
async def test_call_cancelled_while_it_waits_for_a_slot_leaves_nothing_behind(
    use: Use, autojump_clock: trio.testing.MockClock
) -> None:
    server = desk_server(limits=avrpc.Limits(max_calls=1, max_streamed_calls=1))
    async with open_pair(server, DESK) as client:
        async with client.swap():
            with trio.move_on_after(1) as scope:
                await use(client)
            assert scope.cancelled_caught
        await wait_all_tasks_blocked()
        assert at_rest(client, server) == []
        with trio.fail_after(10):
            await use(client)


@pytest.mark.parametrize("eof", [False, True], ids=["reset", "eof"])
@pytest.mark.parametrize("way", ["to_server", "to_client"])
@pytest.mark.parametrize(
    "use",
    [one for one in USES if "large" not in one.__name__],
    ids=lambda use: use.__name__,
)
async def test_peer_lost_after_any_byte_is_one_outcome_and_no_clean_end(
    use: Use, way: str, eof: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """The connection is cut after each number of bytes: the call is done, or has lost it."""
    server = desk_server()
    whole = Link()
    async with open_pair(server, DESK, link=whole) as client:
        begin = getattr(whole, way).sent
        with trio.fail_after(20):  # which is told to the server, and so takes bytes
            await use(client)
        await wait_all_tasks_blocked()
        end = getattr(whole, way).sent
    outcomes = []
    for count in range(end - begin + 2):
        link = Link()
        with trio.fail_after(20):
            async with open_pair(server, DESK, link=link) as client:
                direction = getattr(link, way)
                direction.cut_after(direction.sent + count, eof=eof)
                try:
                    await use(client)
                except avrpc.ConnectionLost:
                    outcomes.append("lost")
                else:
                    outcomes.append("done")
        await wait_all_tasks_blocked()
        assert server.running == 0
        assert not server._connections
    # Once enough bytes get through, the call is done; before, it never is.
    assert outcomes == sorted(outcomes, key="lost done".index)
    assert outcomes[-1] == "done"


@pytest.mark.parametrize("way", ["to_server", "to_client"])
async def test_peer_lost_in_the_handshake_fails_to_connect(
    way: str, autojump_clock: trio.testing.MockClock
) -> None:
    server = desk_server()
    whole = Link()
    async with open_pair(server, DESK, link=whole):
        end = getattr(whole, way).sent
    for count in range(0, end, 7):
        link = Link()
        getattr(link, way).cut_after(count)
        with trio.fail_after(20), pytest.raises(avrpc.ConnectFailed):
            async with open_pair(server, DESK, link=link):
                pytest.fail("connected")


# What a call that waits comes to, whatever ends it: one plain error of ours, in no group.


async def wait_for_unary(client: Client) -> None:
    await client.last("EURUSD")


async def wait_for_item(client: Client) -> None:
    async with client.watch("EURUSD") as ticks:
        await ticks.receive()


async def wait_for_result(client: Client) -> None:
    async with client.record("EURUSD") as call:
        await call.result()


async def wait_when_leaving(client: Client) -> None:
    async with client.record("EURUSD"):
        pass


async def wait_for_credit(client: Client) -> None:
    async with client.push() as call:
        while True:
            await call.send(bytes(10_000))


async def wait_for_both(client: Client) -> None:
    async with client.swap() as call:
        await call.send_eof()
        await call.receive()


async def wait_for_slot(client: Client) -> None:
    async with client.swap():
        await client.last("EURUSD")


WAITS: list[Use] = [
    wait_for_unary,
    wait_for_item,
    wait_for_result,
    wait_when_leaving,
    wait_for_credit,
    wait_for_both,
    wait_for_slot,
]


async def wait_for_ever(**_: object) -> None:
    await trio.sleep(10_000)


async def generate_for_ever(**_: object) -> AsyncGenerator[bytes]:
    await trio.sleep(10_000)
    yield b""


@pytest.mark.parametrize("use", WAITS, ids=lambda use: use.__name__)
@pytest.mark.parametrize(
    ("ending", "errors"),
    [
        ("cut", (avrpc.ConnectionLost,)),
        ("eof", (avrpc.ConnectionLost,)),
        ("drain", (avrpc.Unavailable,)),
        ("close", (avrpc.ConnectionClosed,)),
        ("exit", (avrpc.ConnectionLost, avrpc.Unavailable)),
        ("violation", (avrpc.ConnectionLost,)),
        ("timeout", (avrpc.DeadlineExceeded,)),
    ],
)
async def test_whatever_ends_a_call_it_is_one_plain_error(
    use: Use,
    ending: str,
    errors: tuple[type[Exception], ...],
    autojump_clock: trio.testing.MockClock,
) -> None:
    unary_names, streamed_names = ("last", "load", "record", "push"), ("watch", "swap")
    handlers: dict[str, Any] = dict.fromkeys(unary_names, wait_for_ever)
    handlers |= dict.fromkeys(streamed_names, generate_for_ever)
    one_call = use is wait_for_slot
    limits = avrpc.Limits(max_calls=1 if one_call else 10, drain_timeout=3)
    server = desk_server(limits=limits, **handlers)
    link = Link()
    raised: list[BaseException] = []

    async def call(client: Client) -> None:
        with trio.fail_after(100):
            try:
                await use(client)
            except BaseException as error:  # noqa: BLE001  # that is what is looked at
                raised.append(error)

    async with trio.open_nursery() as nursery:
        serving = trio.CancelScope()

        async def serve() -> None:
            with serving:
                await server.serve_stream(link.server)

        nursery.start_soon(serve)
        async with avrpc.connect_stream(link.client, DESK) as client:
            if ending == "timeout":
                give_timeouts(client)
            nursery.start_soon(call, client)
            await wait_all_tasks_blocked()
            match ending:
                case "cut":
                    link.cut()
                case "eof":
                    link.cut(eof=True)
                case "drain":
                    await server.aclose()
                case "close":
                    client._session.close()
                case "exit":
                    serving.cancel()
                case "violation":
                    await link.to_client._send(b"\xff\xff\xff\xff")
            await trio.sleep(50)
    (error,) = raised
    assert isinstance(error, errors), repr(error)
    assert not isinstance(error, BaseExceptionGroup)
    assert error.maybe_executed is not one_call  # type: ignore[attr-defined]
    assert server.running == 0


def give_timeouts(client: Client) -> None:
    """Let each message of a client time out by itself."""
    for name in DESK.messages:
        client.__dict__[name] = client[name].using(timeout=7)
