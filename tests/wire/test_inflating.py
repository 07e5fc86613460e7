"""What comes to a core that inflates: PROTOCOL.md's table, and every frame in every state."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from avrpc.wire import (
    CODECS,
    CallReceived,
    CallState,
    Codec,
    Connection,
    Event,
    GoawayCode,
    ItemsReceived,
    PeerViolated,
    Role,
    ValueTooLarge,
    open_codec,
)
from avrpc.wire.compression import Zstd
from avrpc.wire.frames import COMPRESSED, LEGAL_FLAGS, METADATA, MORE, Kind
from avrpc.wire.inflating import Inflater
from avrpc.wire.pieces import MIN_PIECE_BYTES
from tests.wire.every_frame import (
    FORMS,
    SITUATIONS,
    Form,
    Situation,
    Variant,
    cut,
    good,
    longer,
    rows,
)
from tests.wire.pair import (
    BOTH,
    MAX_VALUE_BYTES,
    SMALL,
    UNARY,
    UP,
    count,
    feed_in_every_way,
    frame,
    native,
    take,
    violation,
)

ZSTD, SNAPPY = map(open_codec, CODECS)
codecs = pytest.mark.parametrize("codec", [ZSTD, SNAPPY], ids=CODECS)
TEXT = b"a line that comes again and again\n" * 9
WITH_VALUE = [form for form in FORMS if form.value is not None]


def stream() -> Callable[[bytes], bytes]:
    """What compresses the items of a call."""
    assert isinstance(ZSTD, Zstd)
    return ZSTD.encoder()


def in_items(codec: Codec) -> Callable[[bytes], bytes]:
    return stream() if codec is ZSTD else codec.compress


def call(codec: Codec, value: bytes = TEXT, *, size: int | None = None, call_id: int = 1) -> bytes:
    """A compressed CALL of a message that streams both ways."""
    said = len(value) if size is None else size
    return frame(Kind.CALL, call_id, BOTH, said, codec.compress(value), flags=COMPRESSED)


def items(compressed: bytes, size: int = len(TEXT), call_id: int = 1, flags: int = 0) -> bytes:
    """Compressed ITEMS, with a count of 1."""
    return frame(Kind.ITEMS, call_id, count(1), size, compressed, flags=flags | COMPRESSED)


PLAIN_CALL = frame(Kind.CALL, 1, BOTH, b"p")


def server(codec: Codec | None = ZSTD) -> Connection:
    return native(Role.SERVER, codec=codec)


# The rows of the table that are violations, and what breaks them; then the code, if it is another.


def without_codec() -> list[bytes]:
    return [call(ZSTD), call(SNAPPY)]


def other_kinds() -> list[bytes]:
    bodies: list[tuple[Kind, tuple[int | str, ...]]] = [
        (Kind.END, (1,)),
        (Kind.CANCEL, (1,)),
        (Kind.CREDIT, (1, 5)),
        (Kind.STATUS, (1, 13, "text")),
        (Kind.PING, (9,)),
        (Kind.PONG, (9,)),
        (Kind.GOAWAY, (1, 0, "bye")),
    ]
    return [PLAIN_CALL + frame(kind, *body, flags=COMPRESSED) for kind, body in bodies]


def no_size() -> list[bytes]:
    return [
        call(ZSTD, size=0),
        call(ZSTD, size=-5),
        frame(Kind.CALL, 1, BOTH, flags=COMPRESSED),
        PLAIN_CALL + frame(Kind.ITEMS, 1, count(1), flags=COMPRESSED),
        PLAIN_CALL + frame(Kind.ITEMS, 1, b"\0", flags=COMPRESSED),
    ]


def too_large() -> list[bytes]:
    large = bytes(SMALL.max_frame_bytes + 1)
    return [call(ZSTD, large), call(ZSTD, size=65_537), PLAIN_CALL + items(stream()(large), 4097)]


def other_sizes() -> list[bytes]:
    return [
        *(call(ZSTD, size=len(TEXT) + off) for off in (-1, 1)),
        *(PLAIN_CALL + items(stream()(TEXT), len(TEXT) + off) for off in (-1, 1)),
    ]


def garbage() -> list[bytes]:
    compressed = ZSTD.compress(TEXT)
    return [
        frame(Kind.CALL, 1, BOTH, len(TEXT), compressed[:-1], flags=COMPRESSED),
        frame(Kind.CALL, 1, BOTH, len(TEXT), b"garbage", flags=COMPRESSED),
        frame(Kind.CALL, 1, BOTH, len(TEXT), flags=COMPRESSED),
        PLAIN_CALL + items(b"garbage"),
        PLAIN_CALL + items(stream()(TEXT)) + items(stream()(TEXT)),  # the second begins anew
    ]


def bytes_behind() -> list[bytes]:
    compressed = ZSTD.compress(TEXT)
    return [
        frame(Kind.CALL, 1, BOTH, len(TEXT), compressed, b"\0", flags=COMPRESSED),
        frame(Kind.CALL, 1, BOTH, len(TEXT), compressed, compressed, flags=COMPRESSED),
    ]


def ended_stream() -> list[bytes]:
    return [PLAIN_CALL + items(ZSTD.compress(TEXT))]


def wide_window() -> list[bytes]:
    module = ZSTD._zstd  # type: ignore[union-attr]
    made = module.ZstdCompressor(options={module.CompressionParameter.window_log: 20})
    return [PLAIN_CALL + items(made.compress(TEXT, made.FLUSH_BLOCK))]


def many_contexts() -> list[bytes]:
    begin = b"".join(
        frame(Kind.CALL, call_id, UP, b"p") + items(stream()(TEXT), call_id=call_id)
        for call_id in range(1, SMALL.max_contexts + 2)
    )
    return [begin]


VIOLATIONS: dict[str, Callable[[], list[bytes]]] = {
    "where no codec is in use": without_codec,
    "of another kind than those four": other_kinds,
    "with a *size* of 0 or less, or none": no_size,
    "with a *size* above 65,536, or above `maxFrameBytes`": too_large,
    "that inflates to less than *size*, or to more": other_sizes,
    "that is garbled, or cut": garbage,
    "with bytes behind the end of what is compressed": bytes_behind,
    "that ends the zstd frame of a context": ended_stream,
    "with a window above 65,536 bytes": wide_window,
    "that begins a context above `maxContexts`": many_contexts,
}
OUTCOMES = {", ".join(what): cells["is"] for what, cells in rows("a frame with COMPRESSED")}


def test_every_row_of_the_table_is_tried() -> None:
    breaking = [row for row, outcome in OUTCOMES.items() if outcome.startswith("a violation")]
    assert breaking == list(VIOLATIONS)
    others = [row for row in OUTCOMES if row not in VIOLATIONS]
    assert others == ["of a call that has ended", "otherwise"]


@pytest.mark.parametrize("row", VIOLATIONS)
def test_row_that_is_a_violation(row: str) -> None:
    codec = None if VIOLATIONS[row] is without_codec else ZSTD
    _, _, name = OUTCOMES[row].partition(", ")
    code = GoawayCode[name.partition(",")[0]] if name else GoawayCode.PROTOCOL_ERROR
    for data in VIOLATIONS[row]():
        assert violation(feed_in_every_way(lambda: server(codec), data)).code is code


@pytest.mark.parametrize("wrong", [other_sizes, garbage])
def test_what_is_wrong_with_snappy_is_a_violation_too(wrong: Callable[[], list[bytes]]) -> None:
    for data in (call(SNAPPY, size=len(TEXT) + 1), PLAIN_CALL + items(b"garbage"), *wrong()):
        assert violation(server(SNAPPY).receive_data(data)).code is GoawayCode.PROTOCOL_ERROR


def test_too_large_is_noticed_before_anything_is_inflated() -> None:
    data = frame(Kind.CALL, 1, BOTH, SMALL.max_frame_bytes + 1, b"garbage", flags=COMPRESSED)
    assert violation(server().receive_data(data)).code is GoawayCode.FRAME_SIZE_ERROR


def test_flag_that_the_kind_has_not_is_a_violation_beside_it() -> None:
    data = frame(Kind.CALL, 1, BOTH, b"p") + items(stream()(TEXT), flags=METADATA)
    assert "which it has not" in violation(server().receive_data(data)).text


# ... and otherwise a frame is what it is without: every value in every state.


def compress(codec: Codec, situation: Situation, variant: Variant) -> bytes:
    """A frame, with its value compressed; in pieces, all behind the id is value."""
    form = variant.form
    if situation.half is form.kind:
        value, fields = variant.rest, [form.encoded()[0]]
    else:
        value = variant.value or b""
        fields = [variant.data[4 : len(variant.data) - len(value)]]
    in_context = form.kind is Kind.ITEMS
    compressed = (in_items(codec) if in_context else codec.compress)(value)
    flags = form.flags | COMPRESSED
    return frame(form.kind, *fields, len(value), compressed, flags=flags)


def told(events: list[Event]) -> list[object]:
    """Events, but for the words of a violation."""
    return [type(event) if isinstance(event, PeerViolated) else event for event in events]


def accounts(connection: Connection) -> list[object]:
    """What is counted of each call, open or not."""
    table = connection._calls
    late = [
        (call_id, each.credit and each.credit.available, each.assembling, each.rest)
        for call_id, each in table.late.items()
    ]
    credit = [[each.available for each in call.credit.values()] for call in table]
    return [late, credit, connection.half_values()]


@codecs
@pytest.mark.parametrize("situation", SITUATIONS, ids=[each.name for each in SITUATIONS])
def test_frame_is_what_it_is_without_the_flag(codec: Codec, situation: Situation) -> None:
    for form in WITH_VALUE:
        for variant in [good(form), *longer(form), *[*cut(form)][-2:]]:
            if not variant.value:
                continue
            end, plain_end = situation.make(), situation.make()
            end._compress(codec, 2)
            events = end.receive_data(compress(codec, situation, variant))
            assert told(events) == told(plain_end.receive_data(variant.data)), form.name
            assert accounts(end) == accounts(plain_end)


@codecs
@pytest.mark.parametrize("form", WITH_VALUE, ids=[form.name for form in WITH_VALUE])
def test_every_truncation_breaks_a_rule(codec: Codec, form: Form) -> None:
    role = Role.SERVER if form.kind is Kind.CALL else Role.CLIENT
    state = None if form.kind is Kind.CALL else CallState.REQUESTING
    situation = Situation(role, state)
    data = compress(codec, situation, good(form))
    for end in range(5, len(data)):
        short = (data[0] << 24 | end - 4).to_bytes(4) + data[4:end]
        made = situation.make()
        made._compress(codec, 2)
        violation(made.receive_data(short))


# Credit, limits and half values count what the sender had.


def test_items_take_credit_by_what_they_are() -> None:
    connection = server()
    encode = stream()
    connection.receive_data(PLAIN_CALL)
    for _ in range(SMALL.window_bytes // 4000 + 1):
        connection.receive_data(items(encode(bytes(4000)), 4000))
    (event,) = connection.receive_data(items(encode(b"x" * 100), 100))
    assert isinstance(event, PeerViolated)
    assert event.code is GoawayCode.FLOW_CONTROL_ERROR


@codecs
def test_value_that_is_too_large_is_so_by_what_it_is(codec: Codec) -> None:
    connection = server(codec)
    piece = bytes(4000)
    first = frame(Kind.CALL, 1, UNARY, 4000, codec.compress(piece), flags=COMPRESSED | MORE)
    more = frame(Kind.CALL, 1, 4000, codec.compress(piece), flags=COMPRESSED | MORE)
    events = connection.receive_data(first + more * (MAX_VALUE_BYTES // 4000))
    assert events == [ValueTooLarge(1, MAX_VALUE_BYTES)]


def test_piece_is_long_enough_by_what_it_is() -> None:
    size = MIN_PIECE_BYTES - 1
    short = frame(Kind.CALL, 1, UNARY, size, ZSTD.compress(bytes(size)), flags=COMPRESSED | MORE)
    assert "a piece of 1023 bytes" in violation(server().receive_data(short)).text


def test_context_goes_on_where_a_value_was_dropped() -> None:
    """An item that is too large is not kept, but what follows refers to it."""
    connection = server()
    encode = stream()
    noise = random.Random(1)
    connection.receive_data(frame(Kind.CALL, 1, BOTH, b"p"))
    pieces = [noise.randbytes(3900) for _ in range(MAX_VALUE_BYTES // 3900 + 2)]
    data = b"".join(
        frame(
            Kind.ITEMS,
            1,
            *([] if number else [count(1)]),
            len(piece),
            encode(piece),
            flags=COMPRESSED | (MORE if number < len(pieces) - 1 else 0),
        )
        for number, piece in enumerate(pieces)
    )
    assert connection.receive_data(data) == [ValueTooLarge(1, MAX_VALUE_BYTES)]
    connection._calls[1].credit[Role.CLIENT].grant(100_000)
    (event,) = connection.receive_data(items(encode(pieces[-1]), 3900))
    assert event == ItemsReceived(1, 1, pieces[-1])


# What has ended is not inflated.


def test_frames_of_a_call_that_has_ended_are_counted_and_not_inflated() -> None:
    connection = server()
    connection.receive_data(PLAIN_CALL)
    connection.outgoing.result(1)
    take(connection)
    window = connection._calls.late[1].credit
    assert window is not None
    assert connection.receive_data(items(b"garbage", 1000)) == []
    assert window.available == SMALL.window_bytes - 1000
    assert connection.receive_data(items(b"garbage", 4000, flags=MORE)) == []
    rest = frame(Kind.ITEMS, 1, 2000, b"garbage", flags=COMPRESSED)
    assert connection.receive_data(rest) == []
    assert window.available == SMALL.window_bytes - 7000
    assert connection._calls.contexts is not None
    assert connection._calls.contexts.held == (0, 0)


def test_call_above_the_last_one_accepted_is_dropped() -> None:
    connection = server()
    connection.goaway(GoawayCode.NO_ERROR, "")
    data = call(ZSTD) + items(b"garbage") + items(stream()(TEXT))
    assert connection.receive_data(data) == []
    assert connection._calls.contexts is not None
    assert connection._calls.contexts.held == (0, 0)


def test_cancel_drops_the_half_value_and_its_context() -> None:
    connection = server()
    connection.receive_data(PLAIN_CALL)
    connection.receive_data(items(stream()(bytes(4000)), 4000, flags=MORE))
    connection.receive_data(frame(Kind.CANCEL, 1))
    assert connection._calls.contexts is not None
    assert connection._calls.contexts.held == (0, 0)


def test_limit_of_a_frame_bounds_what_comes_out_where_it_is_the_smaller() -> None:
    for max_frame_bytes, expected in ((4096, 4096), (2**20, 64 * 1024)):
        connection = native(Role.SERVER, replace(SMALL, max_frame_bytes=max_frame_bytes))
        assert Inflater(ZSTD, None, connection._calls)._max_bytes == expected


def test_call_without_contexts_is_inflated_alone() -> None:
    (event,) = server(SNAPPY).receive_data(call(SNAPPY))
    assert event == CallReceived(1, BOTH, None, None, TEXT)


def test_flag_is_none_of_those_that_are_always_legal() -> None:
    assert not any(flags & COMPRESSED for flags in LEGAL_FLAGS.values())
