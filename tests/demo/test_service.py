"""The handlers, called by a client over memory, on devices that count what they are told to."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import avrpc
from avrpc.demo import service
from avrpc.demo.interface import Vitals
from avrpc.demo.machine import Device
from avrpc.demo.service import VitalsService
from avrpc.testing import open_pair

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def devices() -> dict[str, Device]:
    """A level of 42, a counter that rises by 10 for each of its units, and one that is missing."""
    steps = count()
    made = (
        Device("level", "BYTES", lambda: (42, 1.0), counts=False, capacity=84.0),
        Device("counter", "BYTES_PER_SECOND", lambda: ((n := next(steps)) * 10, n)),
        Device("missing", "PERCENT", lambda: None),
    )
    return {device.name: device for device in made}


def open_vitals() -> AbstractAsyncContextManager[avrpc.Client]:
    return open_pair(avrpc.Server({Vitals: VitalsService(devices())}), Vitals)


def reading(value: float | None) -> dict[str, Any]:
    return {"at": NOON, "value": value}


async def test_devices_are_described() -> None:
    async with open_vitals() as vitals:
        level, *_, missing = await vitals.devices()
    assert level == {"name": "level", "unit": "BYTES", "capacity": 84.0}
    assert missing == {"name": "missing", "unit": "PERCENT", "capacity": None}


async def test_now_of_a_level_is_there_at_once(autojump_clock: MockClock) -> None:
    async with open_vitals() as vitals:
        start = trio.current_time()
        assert (await vitals.now("level"))["value"] == 42
        assert trio.current_time() == start


async def test_now_of_a_counter_is_measured_for_a_tenth_of_a_second(
    autojump_clock: MockClock,
) -> None:
    async with open_vitals() as vitals:
        start = trio.current_time()
        assert (await vitals.now("counter"))["value"] == 10
        assert trio.current_time() - start == pytest.approx(0.1)


async def test_now_of_what_is_missing_is_none(autojump_clock: MockClock) -> None:
    async with open_vitals() as vitals:
        assert (await vitals.now("missing"))["value"] is None


async def watched(interval: float, readings: int) -> float:
    """How long so many readings take."""
    async with open_vitals() as vitals, vitals.watch("counter", interval) as call:
        start = trio.current_time()
        for _ in range(readings):
            assert (await call.receive())["value"] == 10
        return trio.current_time() - start


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [(2.0, 6.0), (0.25, 0.75), (0.0, 0.03), (-1.0, 0.03), (float("nan"), 0.03)],
)
async def test_watch_gives_a_reading_at_each_interval_but_none_too_soon(
    interval: float, seconds: float, autojump_clock: MockClock
) -> None:
    assert await watched(interval, 3) == pytest.approx(seconds)


async def test_watch_without_an_interval_takes_that_of_the_protocol(
    autojump_clock: MockClock,
) -> None:
    async with open_vitals() as vitals, vitals.watch("level") as call:
        start = trio.current_time()
        await call.receive()
        assert trio.current_time() - start == pytest.approx(0.5)


async def test_watch_makes_up_for_no_reading_that_was_late(autojump_clock: MockClock) -> None:
    """A generator that was not asked in time goes on from now, not with all that it missed."""
    times = []
    readings = VitalsService(devices()).watch("level", 1.0)
    assert isinstance(readings, AsyncGenerator)
    async with aclosing(readings):
        start = trio.current_time()
        await anext(readings)
        await trio.sleep(10)
        for _ in range(3):
            await anext(readings)
            times.append(trio.current_time() - start)
    assert times == [pytest.approx(11), pytest.approx(12), pytest.approx(13)]


@pytest.mark.parametrize(
    ("values", "summary"),
    [
        ([3.0, None, 1.0, 2.0], (4, 1, 1.0, 2.0, 3.0)),
        ([7.0], (1, 0, 7.0, 7.0, 7.0)),
        ([None, None], (2, 2, None, None, None)),
        ([], (0, 0, None, None, None)),
    ],
)
async def test_record_sums_up(
    values: list[float | None], summary: tuple[float | None, ...]
) -> None:
    async with open_vitals() as vitals, vitals.record("level") as call:
        for value in values:
            await call.send(reading(value))
        result = await call.result()
    assert (
        tuple(result[key] for key in ("count", "missing", "lowest", "mean", "highest")) == summary
    )


async def test_convert_gives_each_reading_back_in_another_unit() -> None:
    async with open_vitals() as vitals, vitals.convert("level") as call:
        for value, percent in ((42.0, 50.0), (None, None), (0.0, 0.0)):
            await call.send(reading(value))
            assert await call.receive() == reading(percent)


async def test_convert_to_a_unit_that_does_not_fit_is_a_declared_error() -> None:
    async with open_vitals() as vitals, vitals.convert("counter", "GIB") as call:
        with pytest.raises(Vitals.errors.CannotConvert) as caught:
            await call.receive()
    assert caught.value.fields == {"device": "counter", "unit": "GIB"}


async def test_note_is_logged_with_who_left_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", service.logger.name)
    async with open_vitals() as vitals:
        await vitals.note("here")
    assert caplog.messages == ["note from stream: here"]


async def test_device_that_is_not_there_is_a_declared_error_of_each_message() -> None:
    async with open_vitals() as vitals:

        async def fails(call: Any) -> None:
            with pytest.raises(Vitals.errors.UnknownDevice) as caught:
                await call
            known = ["level", "counter", "missing"]
            assert caught.value.fields == {"device": "toaster", "known": known}

        await fails(vitals.now("toaster"))
        async with vitals.watch("toaster") as response:
            await fails(response.receive())
        async with vitals.convert("toaster") as both:
            await fails(both.receive())
        with pytest.raises(Vitals.errors.UnknownDevice):
            async with vitals.record("toaster") as request:
                await fails(request.result())


async def test_server_that_is_ready_made_watches_this_machine() -> None:
    async with open_pair(service.server, Vitals) as vitals:
        memory = await vitals.now("memory")
    assert memory["value"] > 0
