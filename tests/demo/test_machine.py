"""This machine's counters, and machines that lack them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace

import psutil
import pytest

from avrpc.demo import machine
from avrpc.demo.machine import Device, Meter, Sample, this_machine


def meter(*samples: Sample | None, counts: bool = True) -> Meter:
    """A meter of a device that gives these samples, the first one at its making."""
    left: Iterator[Sample | None] = iter(samples)
    return Meter(Device("fake", "BYTES", lambda: next(left), counts=counts))


def test_reading_of_a_counter_is_what_it_rose_by_over_what_passed() -> None:
    rising = meter((100, 1.0), (300, 2.0), (300, 4.0), (1300, 4.5))
    assert [rising.read()["value"] for _ in range(3)] == [200.0, 0.0, 2000.0]


def test_reading_of_a_level_is_the_level() -> None:
    level = meter((5, 1.0), (7, 1.0), (6, 1.0), counts=False)
    assert [level.read()["value"] for _ in range(2)] == [7.0, 6.0]


@pytest.mark.parametrize(
    ("samples", "value"),
    [
        (((300, 1.0), (100, 2.0)), 0.0),  # the counter began anew
        (((100, 1.0), (100, 1.0)), 0.0),  # nothing has passed
        (((100, 1.0), None), None),  # it went away
        ((None, (100, 1.0)), None),  # it has just come
        ((None, None), None),
    ],
)
def test_reading_in_a_special_case(samples: tuple[Sample | None, ...], value: float | None) -> None:
    assert meter(*samples).read()["value"] == value


def test_reading_has_the_time_of_now() -> None:
    before = datetime.now(UTC)
    at = meter((0, 0), (1, 1)).read()["at"]
    assert before <= at <= datetime.now(UTC)


def test_devices_of_this_real_machine_can_be_read() -> None:
    devices = this_machine()
    assert list(devices) == ["cpu", "memory", "disk-read", "disk-write", "net-in", "net-out"]
    values = {name: Meter(device).read()["value"] for name, device in devices.items()}
    assert 0 <= values["cpu"] <= 100
    capacity = devices["memory"].capacity
    assert capacity is not None
    assert 0 < values["memory"] < capacity
    rates = [values[name] for name in devices if devices[name].unit == "BYTES_PER_SECOND"]
    assert all(rate is None or rate >= 0 for rate in rates)


def test_device_describes_itself_as_the_protocol_does() -> None:
    assert this_machine()["cpu"].describe() == {"name": "cpu", "unit": "PERCENT", "capacity": 100.0}


def test_cpu_counts_no_second_twice_and_waiting_for_disks_as_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = {"user": 30, "nice": 5, "system": 15, "idle": 40, "iowait": 10}
    guests = {"guest": 20, "guest_nice": 5}  # among user and nice
    monkeypatch.setattr(
        psutil, "cpu_times", lambda: SimpleNamespace(_asdict=lambda: times | guests)
    )
    assert machine.this_machine()["cpu"].sample() == (100 * 50, 100)


def nothing() -> None:
    """What psutil gives where there is no disk, or no network."""


def fails(error: Exception) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


@pytest.mark.parametrize(
    "counters",
    [
        nothing,
        fails(PermissionError("/proc/net/dev")),
        fails(FileNotFoundError("/proc/diskstats")),
        fails(NotImplementedError("no /proc/diskstats")),
        fails(RuntimeError("couldn't find any physical disk")),
    ],
)
def test_devices_without_a_counter_are_there_and_read_none(
    counters: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "disk_io_counters", counters)
    monkeypatch.setattr(psutil, "net_io_counters", counters)
    devices = this_machine()
    values = {name: Meter(device).read()["value"] for name, device in devices.items()}
    missing = [name for name, value in values.items() if value is None]
    assert missing == ["disk-read", "disk-write", "net-in", "net-out"]


def test_memory_that_nobody_tells_has_no_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", fails(OSError("/proc/meminfo")))
    memory = this_machine()["memory"]
    assert (memory.capacity, Meter(memory).read()["value"]) == (None, None)
