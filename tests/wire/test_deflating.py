"""What leaves a core that compresses, and when it does not."""

import random
from dataclasses import replace

import pytest

from avrpc.wire import CODECS, Codec, ItemsReceived, MessageShape, Role, WireLimits, open_codec
from avrpc.wire.compression import MAX_GROWTH_BYTES, Zstd
from avrpc.wire.deflating import MIN_ALONE_BYTES, MIN_ITEMS_BYTES
from avrpc.wire.frames import COMPRESSED, DEADLINE, METADATA, MORE, Kind
from avrpc.wire.pieces import MIN_PIECE_BYTES
from avrpc.wire.primitives import decode_long, encode_metadata
from tests.wire.pair import BOTH, SMALL, UNARY, UP, Pair, frames, native, take

codecs = pytest.mark.parametrize("codec", [open_codec(name) for name in CODECS], ids=CODECS)
ZSTD, SNAPPY = map(open_codec, CODECS)
TEXT = b"a line that comes again and again\n"
NOISE = random.Random(4).randbytes(30_000)


def sent(codec: Codec, number: int, value: bytes) -> tuple[int, int, bytes]:
    """The one frame of a CALL."""
    client = native(Role.CLIENT, codec=codec)
    client.outgoing.call(number, value)
    (only,) = frames(take(client))
    return only


@codecs
def test_value_is_compressed_behind_its_size_and_its_fields_are_not(codec: Codec) -> None:
    client = native(Role.CLIENT, codec=codec)
    metadata = {"trace": b"t" * 300}
    value = TEXT * 20
    client.outgoing.call(UNARY, value, time_left=250, metadata=metadata)
    ((kind, flags, body),) = frames(take(client))
    assert (kind, flags) == (Kind.CALL, COMPRESSED | METADATA | DEADLINE)
    head = bytes([2, UNARY << 1]) + b"\xf4\x03" + encode_metadata(metadata)
    assert body.startswith(head)
    size, position = decode_long(body, len(head), len(body))
    assert codec.inflate(body[position:], size) == value


@codecs
def test_small_value_is_left_as_it_is(codec: Codec) -> None:
    assert sent(codec, UNARY, b"x" * (MIN_ALONE_BYTES - 1))[1] == 0
    assert sent(codec, UNARY, b"x" * MIN_ALONE_BYTES)[1] == COMPRESSED


@codecs
def test_value_that_does_not_get_smaller_is_left_as_it_is(codec: Codec) -> None:
    assert sent(codec, UNARY, NOISE[:3000]) == (Kind.CALL, 0, b"\x02\x00" + NOISE[:3000])


@codecs
def test_frames_without_a_value_are_left_as_they_are(codec: Codec) -> None:
    pair = Pair(codec=codec)
    out = pair.client.outgoing
    call_id = out.call(BOTH, b"p")
    out.end(call_id)
    out.cancel(call_id)
    out.ping(2**60)
    assert {flags for _, flags, _ in frames(take(pair.client))} == {0}


def few_items(codec: Codec, size: int) -> int:
    """The flags of ITEMS of so many bytes."""
    client = native(Role.CLIENT, codec=codec)
    client.outgoing.item(client.outgoing.call(UP, b""), b"y" * size)
    return frames(take(client))[1][1]


def test_items_are_compressed_from_another_size_on_in_a_context() -> None:
    assert few_items(ZSTD, MIN_ITEMS_BYTES - 1) == 0
    assert few_items(ZSTD, MIN_ITEMS_BYTES) == COMPRESSED
    assert few_items(SNAPPY, MIN_ALONE_BYTES - 1) == 0
    assert few_items(SNAPPY, MIN_ALONE_BYTES) == COMPRESSED


def test_items_of_a_call_refer_to_those_before() -> None:
    pair = Pair(codec=ZSTD)
    call_id = pair.client.outgoing.call(UP, b"")
    sizes = []
    for _ in range(3):
        pair.client.outgoing.item(call_id, NOISE[:1000])
        before = len(pair.client.data_to_send())
        pair.leave(Role.CLIENT)
        sizes.append(before)
    assert sizes[0] > 1000
    assert max(sizes[1:]) < 40
    (_, *items) = pair.arrive(Role.CLIENT)
    assert items == [ItemsReceived(call_id, 1, NOISE[:1000])] * 3


@codecs
def test_large_values_are_compressed_piece_by_piece(codec: Codec) -> None:
    client = native(Role.CLIENT, codec=codec)
    client.outgoing.call(UNARY, TEXT * 300)
    parts = frames(take(client))
    assert len(parts) > 2
    assert {flags for _, flags, _ in parts[:-1]} == {COMPRESSED | MORE}
    assert parts[-1][1] == COMPRESSED
    assert all(len(body) < 300 for _, _, body in parts)


@codecs
def test_large_value_that_does_not_gain_is_given_up(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    compress = type(codec).compress

    def note(self: Codec, data: bytes) -> bytes:
        tried.append(len(data))
        return compress(self, data)  # type: ignore[arg-type]

    monkeypatch.setattr(type(codec), "compress", note)
    limits = replace(SMALL, max_frame_bytes=8192)
    client = native(Role.CLIENT, peer_limits=limits, codec=codec)
    client.outgoing.call(UNARY, NOISE)
    assert {flags for _, flags, _ in frames(take(client))} == {MORE, 0}
    small, large = tried  # the first piece, and the first that is large enough to tell
    assert small == MIN_PIECE_BYTES < large


@codecs
def test_large_value_is_not_given_up_for_how_it_begins(codec: Codec) -> None:
    client = native(Role.CLIENT, codec=codec)
    client.outgoing.call(UNARY, NOISE[:1024] + TEXT * 300)
    first, *others = [flags for _, flags, _ in frames(take(client))]
    assert first == MORE
    assert {*others} == {COMPRESSED, COMPRESSED | MORE}


@codecs
@pytest.mark.parametrize("size", [1000, 3400, 4031, 4032, 4033, 9000])
def test_noise_keeps_within_the_limits_of_frames(codec: Codec, size: int) -> None:
    pair = Pair(codec=codec)
    call_id = pair.client.outgoing.call(UP, NOISE[:size])
    if not pair.client.outgoing.busy(call_id):
        pair.client.outgoing.item(call_id, NOISE[:size])
        pair.client.outgoing.try_item(call_id, NOISE[size : 2 * size])
    pair.pump()
    received = pair.events[Role.SERVER]
    assert received
    items = b"".join(event.data for event in received if isinstance(event, ItemsReceived))
    assert NOISE.startswith(items)


def test_frame_of_ours_is_never_longer_than_the_peer_takes() -> None:
    limits = WireLimits()
    shapes = [MessageShape(True, False, 2**22)]
    client = native(Role.CLIENT, limits, peer_limits=limits, shapes=shapes, codec=ZSTD)
    call_id = client.outgoing.call(0, b"")
    noise = random.Random(5)
    while client.outgoing.may_start_item(call_id):
        client.outgoing.item(call_id, noise.randbytes(997))
    longest = max(len(body) for _, _, body in frames(take(client)))
    assert limits.max_frame_bytes - 1100 < longest <= limits.max_frame_bytes
    assert client.peer_limits.max_frame_bytes == limits.max_frame_bytes - MAX_GROWTH_BYTES


def test_items_without_a_context_are_left_as_they_are() -> None:
    pair = Pair(codec=ZSTD)
    for number in range(SMALL.max_contexts + 1):
        pair.client.outgoing.item(pair.client.outgoing.call(UP, b""), TEXT * 9)
        flags = frames(take(pair.client))[1][1]
        assert flags == (COMPRESSED if number < SMALL.max_contexts else 0)


def test_context_that_ends_makes_no_room_for_items_that_leave_before_its_end() -> None:
    pair = Pair(replace(SMALL, max_contexts=1), codec=ZSTD)
    out = pair.client.outgoing
    first, second = out.call(UP, b""), out.call(UP, b"")
    out.item(first, TEXT * 9)
    out.item(second, TEXT * 9)  # its frame is open, when the context of the first call ends
    out.end(first)
    assert [flags for _, flags, _ in frames(take(pair.client))] == [0, 0, COMPRESSED, 0, 0]
    out.item(second, TEXT * 9)
    assert [flags for _, flags, _ in frames(take(pair.client))] == [COMPRESSED]


def test_items_of_noise_are_left_as_they_are_after_a_while() -> None:
    client = native(
        Role.CLIENT,
        WireLimits(),
        peer_limits=WireLimits(),
        shapes=[MessageShape(True, False, 2**22)],
        codec=ZSTD,
    )
    call_id = client.outgoing.call(0, b"")
    take(client)
    flags = []
    noise = random.Random(6)
    for _ in range(5):
        client.outgoing.item(call_id, noise.randbytes(30_000))
        flags += [flags for _, flags, _ in frames(take(client))]
    assert flags == [COMPRESSED] * 3 + [0] * 2


# A context ends with the items of its direction ...


def held(pair: Pair) -> list[tuple[int, int]]:
    """Contexts to send in and to receive in, at the client and at the server."""
    contexts = [end._calls.contexts for end in (pair.client, pair.server)]
    return [each.held for each in contexts if each is not None]


def open_both(pair: Pair) -> int:
    """A call with items compressed both ways."""
    call_id = pair.client.outgoing.call(BOTH, b"")
    pair.client.outgoing.item(call_id, TEXT * 9)
    pair.pump()
    pair.server.outgoing.item(call_id, TEXT * 9)
    pair.pump()
    assert held(pair) == [(1, 1), (1, 1)]
    return call_id


def test_end_frees_the_clients() -> None:
    pair = Pair(codec=ZSTD)
    call_id = open_both(pair)
    pair.client.outgoing.item(call_id, TEXT * 9)  # still compressed in it, though END waits
    pair.client.outgoing.end(call_id)
    assert held(pair) == [(0, 1), (1, 1)]
    pair.pump()
    assert held(pair) == [(0, 1), (1, 0)]
    assert ItemsReceived(call_id, 1, TEXT * 9) in pair.events[Role.SERVER][2:]


def test_cancel_frees_the_clients_and_its_answer_the_servers() -> None:
    pair = Pair(codec=ZSTD)
    call_id = open_both(pair)
    pair.client.outgoing.cancel(call_id)
    pair.pump()
    assert held(pair) == [(0, 1), (1, 0)]
    pair.server.outgoing.item(call_id, TEXT * 9)
    pair.server.outgoing.status(call_id, 1, "cancelled", started=True)  # type: ignore[arg-type]
    pair.pump()
    assert held(pair) == [(0, 0), (0, 0)]


@pytest.mark.parametrize("outcome", ["result", "error", "large"])
def test_outcome_frees_all(outcome: str) -> None:
    pair = Pair(codec=ZSTD)
    call_id = open_both(pair)
    pair.server.outgoing.item(call_id, TEXT * 9)
    if outcome == "result":
        pair.server.outgoing.result(call_id)
    else:
        pair.server.outgoing.error(call_id, TEXT * (300 if outcome == "large" else 1))
    pair.pump()
    assert held(pair) == [(0, 0), (0, 0)]
    assert pair.events[Role.CLIENT][-2] == ItemsReceived(call_id, 1, TEXT * 9)


def test_goaway_frees_those_of_calls_that_were_not_accepted() -> None:
    pair = Pair(codec=ZSTD)
    pair.client.outgoing.item(pair.client.outgoing.call(UP, b""), TEXT * 9)
    pair.client.data_to_send()
    pair.server.goaway(0, "")  # type: ignore[arg-type]
    pair.deliver(Role.SERVER)
    assert held(pair) == [(0, 0), (0, 0)]


def test_close_frees_all_and_what_is_queued_can_still_be_read() -> None:
    pair = Pair(codec=ZSTD)
    call_id = open_both(pair)
    pair.client.outgoing.item(call_id, TEXT * 9)
    pair.client.close()
    assert held(pair)[0] == (0, 0)
    assert pair.deliver(Role.CLIENT) == [ItemsReceived(call_id, 1, TEXT * 9)]
    pair.client.outgoing.item(call_id, TEXT * 9)  # in a frame without a context
    assert pair.deliver(Role.CLIENT) == [ItemsReceived(call_id, 1, TEXT * 9)]
    assert held(pair)[0] == (0, 0)


def test_zero_contexts_are_legal() -> None:
    limits = WireLimits(max_contexts=0)
    assert isinstance(ZSTD, Zstd)
    client = native(
        Role.CLIENT,
        WireLimits(),
        peer_limits=limits,
        shapes=[MessageShape(True, False, 2**22)],
        codec=ZSTD,
    )
    client.outgoing.item(client.outgoing.call(0, TEXT * 9), TEXT * 9)
    assert [flags for _, flags, _ in frames(take(client))] == [COMPRESSED, 0]


def test_open_items_of_a_call_are_sealed_before_its_context_ends() -> None:
    """Also where a frame of its own kind would not have sealed them."""
    pair = Pair(codec=ZSTD)
    call_id = open_both(pair)
    pair.server.outgoing.item(call_id, TEXT * 9)
    pair.server.outgoing.credit(call_id, 1)
    pair.server.outgoing.item(call_id, TEXT * 9)
    pair.server.outgoing.result(call_id)
    events = pair.deliver(Role.SERVER)
    assert events.count(ItemsReceived(call_id, 1, TEXT * 9)) == 2
