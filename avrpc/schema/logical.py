"""Logical types: which we know, and their values to and from what Avro writes.

fastavro never hears of them. It rounds a Decimal that has too many digits, takes a naive datetime
for local time, accepts any text for a UUID, and needs ten seconds for a 256 KiB decimal; here each
of these is an error, and a decimal is looked at only when it is short enough for its precision.

    decimal                    Decimal, exactly: no digit is rounded away
    uuid                       uuid.UUID
    date                       datetime.date
    time-millis, -micros       datetime.time, naive
    timestamp-millis, -micros  datetime.datetime, aware; UTC when received
    local-timestamp-...        datetime.datetime, naive

A datetime or time in a field of milliseconds loses its microseconds, towards the past. As the
specification asks, a logical type that is unknown, or invalid where it stands, is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any
from uuid import UUID

from .strictjson import Place
from .types import Fixed, Logical, Primitive

MAX_PRECISION = 1000  # digits; beyond, turning a decimal's bytes into one takes milliseconds

_WHERE = {
    "date": ("int",),
    "time-millis": ("int",),
    "time-micros": ("long",),
    "timestamp-millis": ("long",),
    "timestamp-micros": ("long",),
    "local-timestamp-millis": ("long",),
    "local-timestamp-micros": ("long",),
    "uuid": ("string", "fixed"),
    "decimal": ("bytes", "fixed"),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local timestamps have no zone
_FIRST_DAY = date(1970, 1, 1).toordinal()
_EXACT = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)


def logical_of(kind: str, json: dict[str, Any], place: Place) -> Logical | None:
    """Read the logical type of a primitive or a fixed."""
    name = json.get("logicalType")
    if not isinstance(name, str) or kind not in _WHERE.get(name, ()):
        return None
    if name == "uuid":
        return None if kind == "fixed" and json.get("size") != 16 else Logical(name)
    if name != "decimal":
        return Logical(name)
    precision, scale = json.get("precision"), json.get("scale", 0)
    if type(precision) is not int or type(scale) is not int or not 0 <= scale <= precision > 0:
        return None
    if precision > MAX_PRECISION:
        raise (place / "precision").error(f"a precision over {MAX_PRECISION} digits")
    if kind == "fixed":
        size = json.get("size")
        if type(size) is not int or size < 1 or 10**precision > 1 << (8 * min(size, 1000) - 1):
            return None
    return Logical(name, precision, scale)


def to_avro(of: Primitive | Fixed) -> Callable[[Any], Any]:
    """Make the function from a Python value to what fastavro writes for it.

    The function raises ValueError, saying what it expected, for anything that does not fit.
    """
    assert of.logical is not None
    match of.logical.name:
        case "decimal":
            size = of.size if isinstance(of, Fixed) else None
            return _decimal_to_avro(of.logical.precision, of.logical.scale, size)
        case "uuid" if isinstance(of, Fixed):
            return lambda value: _uuid(value).bytes
        case "uuid":
            return lambda value: str(_uuid(value))
    return _TO_AVRO[of.logical.name]


def from_avro(of: Primitive | Fixed) -> Callable[[Any], Any]:
    """Make the function from what fastavro read to a Python value.

    The function raises ValueError or OverflowError for what no Python value can hold.
    """
    assert of.logical is not None
    match of.logical.name:
        case "decimal":
            return _decimal_from_avro(of.logical.precision, of.logical.scale)
        case "uuid" if isinstance(of, Fixed):
            return lambda raw: UUID(bytes=raw)
        case "uuid":
            return _uuid_from_avro
    return _FROM_AVRO[of.logical.name]


def _wrong(expected: str, value: object) -> ValueError:
    return ValueError(f"expected {expected}, got {type(value).__name__}")


def _aware_micros(value: Any) -> int:
    if not isinstance(value, datetime):
        raise _wrong("an aware datetime", value)
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError("expected an aware datetime, got a naive one")
    gap = value - _EPOCH
    return (gap.days * 86400 + gap.seconds) * 1_000_000 + gap.microseconds


def _naive_micros(value: Any) -> int:
    if not isinstance(value, datetime):
        raise _wrong("a naive datetime", value)
    if value.tzinfo is not None:
        raise ValueError("expected a naive datetime, got an aware one")
    gap = value - _LOCAL_EPOCH
    return (gap.days * 86400 + gap.seconds) * 1_000_000 + gap.microseconds


def _time_micros(value: Any) -> int:
    if not isinstance(value, time):
        raise _wrong("a time", value)
    if value.tzinfo is not None:
        raise ValueError("expected a naive time, got an aware one")
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * 1_000_000 + value.microsecond


def _days(value: Any) -> int:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise _wrong("a date", value)
    return value.toordinal() - _FIRST_DAY


def _time(micros: int) -> time:
    if not 0 <= micros < 86_400_000_000:
        raise ValueError(f"{micros} microseconds is no time of day")
    return (_LOCAL_EPOCH + timedelta(0, 0, micros)).time()


_TO_AVRO: dict[str, Callable[[Any], int]] = {
    "date": _days,
    "time-millis": lambda value: _time_micros(value) // 1000,
    "time-micros": _time_micros,
    "timestamp-millis": lambda value: _aware_micros(value) // 1000,
    "timestamp-micros": _aware_micros,
    "local-timestamp-millis": lambda value: _naive_micros(value) // 1000,
    "local-timestamp-micros": _naive_micros,
}
_FROM_AVRO: dict[str, Callable[[int], Any]] = {
    "date": lambda days: date.fromordinal(_FIRST_DAY + days),
    "time-millis": lambda millis: _time(millis * 1000),
    "time-micros": _time,
    "timestamp-millis": lambda millis: _EPOCH + timedelta(0, 0, 0, millis),
    "timestamp-micros": lambda micros: _EPOCH + timedelta(0, 0, micros),
    "local-timestamp-millis": lambda millis: _LOCAL_EPOCH + timedelta(0, 0, 0, millis),
    "local-timestamp-micros": lambda micros: _LOCAL_EPOCH + timedelta(0, 0, micros),
}


def _uuid(value: Any) -> UUID:
    if not isinstance(value, UUID):
        raise _wrong("a UUID", value)
    return value


def _uuid_from_avro(raw: str) -> UUID:
    if len(raw) != 36:  # UUID() also takes braces, urn: and no hyphens
        raise ValueError("text that is no UUID")
    return UUID(raw)


def _decimal_to_avro(precision: int, scale: int, size: int | None) -> Callable[[Any], bytes]:
    limit = 10**precision

    def convert(value: Any) -> bytes:
        if not isinstance(value, Decimal):
            raise _wrong("a Decimal", value)
        if not value.is_finite():
            raise ValueError(f"expected a finite Decimal, got {value}")
        # Looked at before any arithmetic: int(Decimal("1E+999999")) takes seconds.
        if value and value.adjusted() >= precision - scale:
            raise ValueError(f"expected a decimal({precision}, {scale}), got one of more digits")
        scaled = value.scaleb(scale, _EXACT)
        number = int(scaled)
        if number != scaled or not -limit < number < limit:
            raise ValueError(
                f"expected a decimal({precision}, {scale}), got one of more digits after the point"
            )
        least = (number if number >= 0 else ~number).bit_length() // 8 + 1
        return number.to_bytes(least if size is None else size, "big", signed=True)

    return convert


def _decimal_from_avro(precision: int, scale: int) -> Callable[[bytes], Decimal]:
    limit = 10**precision
    most = limit.bit_length() // 8 + 1

    def convert(raw: bytes) -> Decimal:
        # Padding is legal; a number of a hundred thousand digits hides in it no less.
        number = int.from_bytes(raw, "big", signed=True) if len(raw) <= most + 16 else limit
        if not -limit < number < limit:
            raise ValueError(f"a decimal of more than {precision} digits")
        return Decimal(number).scaleb(-scale, _EXACT)

    return convert
