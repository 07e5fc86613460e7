"""Codecs: values to bytes and back, each for one type, made for being called once per item.

`encode` writes, in Python made for the type; fastavro reads. What a call needs is bound into
closures when the codec is made: 0.65 us for encoding a Tick of {string, double, int, long}, 1.3 us
for decoding one, 0.8 us for each in a frame of 64.

How strict is decoding? Truncated bytes, bytes behind a value, numbers of branches and symbols that
are none, too much nesting and too many values are refused always, by what costs next to nothing:
comparing positions and lengths, dicts in place of fastavro's lists (`fast`), and looking for the
one count (of INT64_MIN items, 16 us in 64 KiB) by which blocks can hide behind a frame's items.
Over-long numbers, an int of more than 32 bits and a boolean that is 7 pass where the bytes are not
walked over: refusing them needs that walk (2 us for a Tick, when decoding takes 0.8), or
converting each such field (0.1 us and a copy of every record), and they harm nobody but the sender:
an over-long number is some long, and costs no more than its bytes do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import fastavro

from avrpc.errors import InvalidValue

from .arrive import Convert
from .compat import Comparison, Verdict
from .encode import Encode
from .fit import At, fit, quote
from .gate import weigh
from .own import OwnTypes
from .resolution import Resolution
from .resolve import ResolvingPlan, find_problem
from .scan import Reading, compile_portion, compile_scan
from .types import Array, Record, Type, is_recursive
from .varint import Data, write_long

# Untyped: fastavro's annotations promise nothing that helps here.
_read: Callable[..., Any] = fastavro.schemaless_reader


class Codec:
    """Encodes and decodes values of one type.

    Args:
        of: The type.
        at: Where its values are, for errors.
        parameters: The record whose fields are a message's parameters, and called so.
        own: What codecs of the same text share.

    Attributes:
        type: The type.

    Both functions are made when they are first asked for, as most codecs are used one way only, and
    a large type takes long. Both may be called from several threads at once.
    """

    def __init__(
        self, of: Type, at: At, parameters: Record | None = None, own: OwnTypes | None = None
    ) -> None:
        self.type = of
        self._at = at
        self._parameters = parameters
        self._own = own or OwnTypes()
        self._what = _Read(of, of, at, self._own)

    @cached_property
    def encode(self) -> Callable[[Any], bytearray]:
        """Takes a value, gives its bytes. Raises `InvalidValue`, and then nothing was made."""
        return _encoder(self.type, self._at, self._own, self._parameters)

    @cached_property
    def decode(self) -> Callable[[Data], Any]:
        """Takes bytes that hold exactly one value, gives the value. Raises `InvalidValue`."""
        return _decoder(self._what)

    def reading(
        self, writer: Type, at: At, comparison: Comparison, shared: Resolution | None = None
    ) -> Codec:
        """The same codec, but for decoding what another version wrote.

        Args:
            writer: That version's type, which fits at least partially.
            at: Where its values are, for errors.
            comparison: Knows how the two fit.
            shared: Made for these two types among others, whose codecs it is shared with.
        """
        if comparison.verdict(writer, self.type) is Verdict.SAME:
            return self
        made = Codec(self.type, self._at, self._parameters, self._own)
        made._what = _reading(writer, self.type, at, comparison, shared)
        return made


class ItemsCodec:
    """Encodes the items of a streamed array one by one, and decodes a frame of them at once.

    Attributes:
        type: The type of an item.

    As with `Codec`, the functions are made when they are first asked for.
    """

    def __init__(self, of: Type, at: At, own: OwnTypes | None = None) -> None:
        self.type = of
        self._at = at
        self._own = own or OwnTypes()
        self._what = _Read(of, of, at, self._own)

    @cached_property
    def encode(self) -> Callable[[Any], bytearray]:
        """As `Codec.encode`."""
        return _encoder(self.type, self._at, self._own)

    @cached_property
    def decode(self) -> Callable[[Data, int], list[Any]]:
        """Takes the bytes of items, one after the other, and how many there are; gives them.

        Raises `InvalidValue`, also for one item more or less.
        """
        return _items_decoder(self._what)

    @cached_property
    def portion(self) -> Callable[[Data, int], tuple[int, int]]:
        """Takes what `decode` takes; gives how many bytes, and items, to decode at once.

        All of them, unless what this end's version adds to each makes too many values. The rest
        may be decoded when those have been used.
        """
        return _portion(self._what)

    def reading(
        self, writer: Type, at: At, comparison: Comparison, shared: Resolution | None = None
    ) -> ItemsCodec:
        """As `Codec.reading`, for the items of a stream."""
        if comparison.verdict(writer, self.type) is Verdict.SAME:
            return self
        made = ItemsCodec(self.type, self._at, self._own)
        made._what = _reading(writer, self.type, at, comparison, shared)
        return made


@dataclass(frozen=True)
class _Read:
    """What is read: the writer's type, as what, and where, for errors.

    Attributes:
        by: What makes the decoder: for the two types, or for the one where they are the same.
    """

    writer: Type
    reader: Type
    at: At
    by: Resolution | OwnTypes

    def decoder(self, *, many: bool = False) -> tuple[dict[str, Any], bool, Convert | None]:
        """Make a schema for fastavro, tell whether it is a wrapper, and what changes its datums."""
        if isinstance(self.by, Resolution):
            return self.by.decoder(self.writer, self.reader, many=many)
        return self.by.decoder(Array(self.writer) if many else self.writer)

    @cached_property
    def reading(self) -> Reading | None:
        """What a scan has to count besides what came; None where nothing is added to that."""
        if isinstance(self.by, Resolution) and self.by.added.most:
            return Reading(self.reader, self.by.added)
        return None

    def safe_bytes(self, *, many: bool = False) -> int:
        """How long a value may be that fastavro gets with no look at it before."""
        if is_recursive(self.writer):
            return -1
        of = Array(self.writer) if many else self.writer
        return weigh(of, self.reading.added.most if self.reading else {}).safe_bytes

    def explaining(self) -> Resolution:
        """What finds out what is wrong with values that could be decoded, and no more than that."""
        if isinstance(self.by, Resolution):
            return self.by
        return Resolution([(self.writer, self.reader)], Comparison())


def _reading(
    writer: Type, reader: Type, at: At, comparison: Comparison, shared: Resolution | None
) -> _Read:
    return _Read(writer, reader, at, shared or Resolution([(writer, reader)], comparison))


def _encoder(of: Type, at: At, own: OwnTypes, parameters: Record | None = None) -> Encode:
    encode_ordinary = own.encoder(of)

    def encode(value: Any) -> bytearray:
        try:
            return encode_ordinary(value)
        except Exception:  # noqa: BLE001, S110 - whatever it is, `fit` will explain it
            pass
        ordinary = fit(of, value, at, parameters)
        try:
            return encode_ordinary(ordinary)
        except Exception as exc:
            raise at.wrong(f"can't be encoded: {quote(str(exc))}") from exc

    return encode


def _decoder(what: _Read) -> Callable[[Data], Any]:
    schema, wrapped, arriving = what.decoder()
    read, new = _read, BytesIO
    scan = _scanner(what)
    explain = _explainer(what, scan)
    safe_bytes = what.safe_bytes()

    def decode_as_it_is(data: Data) -> Any:
        if len(data) > safe_bytes:
            scan(bytes(data), 1)
        source = new(data)
        try:
            value = read(source, schema, None)
            if source.tell() == len(data):
                return value
        except Exception as exc:
            raise explain(data, 1, exc) from exc
        raise explain(data, 1, None)

    def decode_wrapped(data: Data) -> Any:
        if len(data) > safe_bytes:
            scan(bytes(data), 1)
        source = new(data)
        try:
            value = read(source, schema, None)
            if source.tell() == len(data):
                return value["v"]
        except Exception as exc:
            raise explain(data, 1, exc) from exc
        raise explain(data, 1, None)

    def decode_changed(data: Data) -> Any:
        if len(data) > safe_bytes:
            scan(bytes(data), 1)
        source = new(data)
        try:
            # The two Trues: the branch of a union of several named types comes with its name.
            datum = read(source, schema, None, False, False, "strict", True, True)
            if source.tell() == len(data):
                value = datum["v"] if wrapped else datum
                return arriving(value) if arriving is not None else value
        except Exception as exc:
            raise explain(data, 1, exc) from exc
        raise explain(data, 1, None)

    if arriving is not None:
        return decode_changed
    return decode_wrapped if wrapped else decode_as_it_is


def _items_decoder(what: _Read) -> Callable[[Data, int], list[Any]]:
    """Decode the items of a frame as one array, of one block: 1.05 us an item instead of 1.55."""
    schema, _, arriving = what.decoder(many=True)
    read, new, join, counts = _read, BytesIO, b"".join, _COUNTS
    scan = _scanner(what)
    explain = _explainer(what, scan)
    safe_bytes = what.safe_bytes(many=True)
    decode_one = _decoder(what)

    def decode(data: Data, count: int) -> list[Any]:
        if count < 2:
            if count == 1:
                return [decode_one(data)]  # 0.5 us less than an array of one
            if len(data) == 0:
                return []
            raise explain(data, 0, None)
        whole = join((counts[count] if count < 256 else write_long(count), data, b"\0"))
        if len(data) > safe_bytes or _LEAST_LONG in whole:
            scan(bytes(data), count)
        source = new(whole)
        try:
            datum = read(source, schema, None, False, False, "strict", True, True)
            items: list[Any] = datum["v"]
            if source.tell() == len(whole) and len(items) == count:
                return arriving(items) if arriving is not None else items
        except Exception as exc:
            raise explain(data, count, exc) from exc
        raise explain(data, count, None)

    return decode


def prefix_decoder(of: Record, at: At) -> Callable[[Data, int], tuple[Any, int]]:
    """Make a decoder for a value that other bytes may follow: it gives the position after it."""
    scan = compile_scan(of, at, prefix=True)
    decode = Codec(of, at).decode

    def decode_prefix(data: Data, start: int) -> tuple[Any, int]:
        end = start + scan(bytes(data[start:]), 1)
        return decode(data[start:end]), end

    return decode_prefix


def _portion(what: _Read) -> Callable[[Data, int], tuple[int, int]]:
    reading = what.reading
    if reading is None:
        return lambda data, count: (len(data), count)
    safe_bytes = what.safe_bytes(many=True)
    made: list[Callable[[bytes, int], tuple[int, int]]] = []

    def portion(data: Data, count: int) -> tuple[int, int]:
        if len(data) <= safe_bytes or count < 2:
            return len(data), count
        if not made:
            made.append(compile_portion(what.writer, reading))
        return made[0](bytes(data), count)

    return portion


def _scanner(what: _Read) -> Callable[[bytes, int], int]:
    """Make a scan when it is first needed: most codecs never need one."""
    made: list[Callable[[bytes, int], int]] = []

    def scan(data: bytes, count: int) -> int:
        if not made:
            made.append(compile_scan(what.writer, what.at, what.reading))
        return made[0](data, count)

    return scan


def _explainer(
    what: _Read, scan: Callable[[bytes, int], int]
) -> Callable[[Data, int, Exception | None], InvalidValue]:
    writer, reader, at = what.writer, what.reader, what.at
    made: list[tuple[ResolvingPlan, dict[str, Any], bool]] = []

    def explain(data: Data, count: int, cause: Exception | None) -> InvalidValue:
        try:
            scan(bytes(data), count)
            if not made:  # once: comparing is dear, and whoever sends rubbish sends more of it
                resolution = what.explaining()
                schema, wrapped, _ = resolution.decoder(writer, reader)
                made.append((resolution.plan, schema, wrapped))
            plan, schema, wrapped = made[0]
            source = BytesIO(data)
            for _ in range(count):
                datum = _read(source, schema, None, False, False, "strict", True, True)
                find_problem(writer, reader, datum["v"] if wrapped else datum, at, plan)
        except InvalidValue as exc:
            return exc
        except Exception:  # noqa: BLE001, S110 - then the first problem is what there is to tell
            pass
        return at.wrong(f"cannot be decoded: {str(cause)[:80]}")

    return explain


# As the count of a block it is no items for fastavro, so it can hide behind all those announced.
_LEAST_LONG = write_long(-1 << 63)
_COUNTS = [write_long(count) for count in range(256)]
