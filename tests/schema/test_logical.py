"""Logical types: which are known where, and their values both ways."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from avrpc.schema.logical import MAX_PRECISION, from_avro, to_avro
from avrpc.schema.types import Fixed, Logical, Primitive
from tests.schema.build import refused, type_of


def logical(kind: str, logical_type: Any, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": logical_type, **more}


def decimal(precision: Any, scale: Any = 0, **more: Any) -> dict[str, Any]:
    return logical("bytes", "decimal", precision=precision, scale=scale, **more)


def fixed(size: int, logical_type: str, **more: Any) -> dict[str, Any]:
    return logical("fixed", logical_type, name="F", size=size, **more)


@pytest.mark.parametrize(
    ("json", "wanted"),
    [
        (logical("int", "date"), Logical("date")),
        (logical("long", "date"), None),
        (logical("int", "time-millis"), Logical("time-millis")),
        (logical("long", "time-millis"), None),
        (logical("long", "time-micros"), Logical("time-micros")),
        (logical("long", "timestamp-nanos"), None),
        (logical("string", "uuid"), Logical("uuid")),
        (fixed(16, "uuid"), Logical("uuid")),
        (fixed(15, "uuid"), None),
        (fixed(12, "duration"), None),
        (logical("string", ["uuid"]), None),
        (decimal(4), Logical("decimal", 4, 0)),
        (decimal(4, 4), Logical("decimal", 4, 4)),
        (decimal(4, 5), None),
        (decimal(4, -1), None),
        (decimal(0), None),
        (decimal("4"), None),
        (decimal(None), None),
        (decimal(True), None),
        (fixed(2, "decimal", precision=4), Logical("decimal", 4, 0)),
        (fixed(2, "decimal", precision=5), None),
        (fixed(1 << 20, "decimal", precision=900), Logical("decimal", 900, 0)),
    ],
)
def test_a_logical_type_that_is_unknown_or_invalid_is_left_out(json: Any, wanted: Any) -> None:
    assert type_of(json).logical == wanted


def test_a_precision_beyond_reason_is_refused() -> None:
    type_of(decimal(MAX_PRECISION))
    assert refused(decimal(MAX_PRECISION + 1)).path == "$.precision"


def converters(json: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    made = type_of(json)
    assert isinstance(made, (Primitive, Fixed))
    return to_avro(made), from_avro(made)


def naive(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


HOUR = timezone(timedelta(hours=1))
AN_ID = UUID("12345678-1234-5678-1234-567812345678")

# A type, a value, the datum.
BOTH_WAYS = [
    (logical("int", "date"), date(1970, 1, 1), 0),
    (logical("int", "date"), date(1969, 12, 31), -1),
    (logical("int", "date"), date(9999, 12, 31), 2932896),
    (logical("int", "time-millis"), time(0, 0, 1, 5000), 1005),
    (logical("long", "time-micros"), time(23, 59, 59, 999999), 86_399_999_999),
    (logical("long", "timestamp-millis"), datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 1000),
    (logical("long", "timestamp-micros"), datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), -(10**6)),
    (logical("long", "timestamp-micros"), datetime(1, 1, 1, tzinfo=UTC), -62135596800000000),
    (logical("long", "local-timestamp-millis"), naive(1970, 1, 2), 86_400_000),
    (logical("long", "local-timestamp-micros"), naive(1970, 1, 1, 1), 3_600_000_000),
    (logical("string", "uuid"), AN_ID, str(AN_ID)),
    (fixed(16, "uuid"), AN_ID, AN_ID.bytes),
    (decimal(4, 2), Decimal("0.00"), b"\0"),
    (decimal(4, 2), Decimal("1.27"), b"\x7f"),
    (decimal(4, 2), Decimal("1.28"), b"\0\x80"),
    (decimal(4, 2), Decimal("-1.28"), b"\x80"),
    (decimal(4, 2), Decimal("-1.29"), b"\xff\x7f"),
    (decimal(4, 2), Decimal("99.99"), b"\x27\x0f"),
    (decimal(40), Decimal("9" * 40), int("9" * 40).to_bytes(17, "big")),
    (fixed(4, "decimal", precision=4, scale=1), Decimal("-0.1"), b"\xff\xff\xff\xff"),
]


@pytest.mark.parametrize(("json", "value", "datum"), BOTH_WAYS)
def test_values_convert_both_ways(json: Any, value: Any, datum: Any) -> None:
    to, back = converters(json)
    assert to(value) == datum
    assert back(datum) == value
    assert type(back(datum)) is type(value)


@pytest.mark.parametrize(
    ("json", "value", "datum"),
    [
        (
            logical("long", "timestamp-micros"),
            datetime(1970, 1, 1, 1, tzinfo=HOUR),
            0,
        ),
        (logical("long", "timestamp-millis"), datetime(1970, 1, 1, 0, 0, 0, 1999, tzinfo=UTC), 1),
        (logical("int", "time-millis"), time(0, 0, 0, 1999), 1),
        (decimal(4, 2), Decimal("1.200"), b"\x78"),
        (decimal(4, 2), Decimal("1E+1"), b"\x03\xe8"),
        (decimal(4, 2), Decimal("0E+100"), b"\0"),
    ],
)
def test_values_that_come_back_in_another_form(json: Any, value: Any, datum: Any) -> None:
    assert converters(json)[0](value) == datum


class NoOffset(tzinfo):
    """A zone that does not know."""

    def utcoffset(self, when: datetime | None) -> None:
        return None

    dst = tzname = utcoffset


# (type, value, what is expected of it)
NOT_SENT = [
    (logical("int", "date"), naive(2020, 1, 1), "expected a date, got datetime"),
    (logical("int", "date"), 5, "expected a date, got int"),
    (logical("int", "time-millis"), "12:00", "expected a time, got str"),
    (logical("long", "time-micros"), time(1, tzinfo=UTC), "expected a naive time"),
    (logical("long", "timestamp-micros"), naive(2020, 1, 1), "an aware datetime, got a naive"),
    (
        logical("long", "timestamp-micros"),
        datetime(2020, 1, 1, tzinfo=NoOffset()),
        "an aware datetime, got a naive one",
    ),
    (logical("long", "timestamp-millis"), date(2020, 1, 1), "an aware datetime, got date"),
    (
        logical("long", "local-timestamp-micros"),
        datetime(2020, 1, 1, tzinfo=UTC),
        "expected a naive datetime, got an aware one",
    ),
    (logical("long", "local-timestamp-millis"), 0, "expected a naive datetime, got int"),
    (logical("string", "uuid"), str(AN_ID), "expected a UUID, got str"),
    (fixed(16, "uuid"), AN_ID.bytes, "expected a UUID, got bytes"),
    (decimal(4, 2), 1.5, "expected a Decimal, got float"),
    (decimal(4, 2), Decimal("NaN"), "expected a finite Decimal, got NaN"),
    (decimal(4, 2), Decimal("Infinity"), "expected a finite Decimal"),
    (decimal(4, 2), Decimal(100), "expected a decimal(4, 2), got one of more digits"),
    (decimal(4, 2), Decimal(-100), "got one of more digits"),
    (decimal(4, 2), Decimal("1.234"), "more digits after the point"),
    (decimal(4, 2), Decimal("1E+999999"), "got one of more digits"),
    (decimal(4, 2), Decimal("1E-999999"), "more digits after the point"),
]


@pytest.mark.parametrize(("json", "value", "problem"), NOT_SENT)
def test_what_would_lose_something_is_not_sent(json: Any, value: Any, problem: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is looked at below
        converters(json)[0](value)
    assert problem in str(caught.value)


NOT_TAKEN = [
    (logical("int", "date"), 2932897),
    (logical("int", "date"), -(1 << 31)),
    (logical("int", "time-millis"), -1),
    (logical("int", "time-millis"), 86_400_000),
    (logical("long", "time-micros"), 86_400_000_000),
    (logical("long", "timestamp-millis"), (1 << 63) - 1),
    (logical("long", "timestamp-micros"), -62135596800000001),
    (logical("long", "local-timestamp-micros"), 1 << 62),
    (logical("string", "uuid"), "{12345678-1234-5678-1234-567812345678}"),
    (logical("string", "uuid"), "1" * 32),
    (logical("string", "uuid"), "x" * 36),
    (decimal(4, 2), b"\x27\x10"),
    (decimal(4, 2), b"\x7f" * (1 << 18)),
]


@pytest.mark.parametrize(("json", "datum"), NOT_TAKEN)
def test_what_no_value_stands_for_is_an_error(json: Any, datum: Any) -> None:
    with pytest.raises((ValueError, OverflowError)):
        converters(json)[1](datum)


def test_a_decimal_may_be_padded() -> None:
    assert converters(decimal(4, 2))[1](b"\0\0\0\x01") == Decimal("0.01")
    assert converters(decimal(4, 2))[1](b"") == Decimal("0.00")
