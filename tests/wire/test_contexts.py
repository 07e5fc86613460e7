import random

import pytest

from avrpc.wire import ProtocolError, open_codec
from avrpc.wire.compression import Zstd
from avrpc.wire.contexts import Contexts

TEXT = b"a line that comes again and again\n" * 40


def contexts(max_sent: int = 2, max_received: int = 2) -> Contexts:
    codec = open_codec("zstd")
    assert isinstance(codec, Zstd)
    return Contexts(codec, max_sent, max_received)


def compress(sender: Contexts, call_id: int, data: bytes) -> bytes:
    encoder = sender.encoder(call_id)
    assert encoder is not None
    assert encoder.compress is not None
    return encoder.compress(data)


def test_each_call_has_one_of_its_own() -> None:
    sender, receiver = contexts(), contexts()
    for call_id in (1, 2, 1, 2):
        text = TEXT + b"of call %d" % call_id * 9
        compressed = compress(sender, call_id, text)
        assert receiver.inflate(call_id, compressed, len(text)) == text
    assert sender.held == (2, 0)
    assert receiver.held == (0, 2)
    # What one refers to, the other has not.
    with pytest.raises(ProtocolError):
        contexts().inflate(1, compress(sender, 1, text), len(text))


def test_no_more_are_begun_than_the_peer_takes() -> None:
    sender = contexts(max_sent=1)
    assert sender.encoder(1) is sender.encoder(1) is not None
    assert sender.encoder(2) is None
    sender.end_sent(1)
    assert sender.encoder(2) is not None


def test_peer_that_begins_too_many_breaks_a_rule() -> None:
    sender, receiver = contexts(), contexts(max_received=1)
    receiver.inflate(1, compress(sender, 1, TEXT), len(TEXT))
    second = compress(sender, 2, TEXT)
    with pytest.raises(ProtocolError, match="more than 1 zstd contexts"):
        receiver.inflate(2, second, len(TEXT))
    receiver.end_received(1)
    assert receiver.inflate(2, second, len(TEXT)) == TEXT


def test_ending_what_never_began_is_nothing() -> None:
    both = contexts()
    both.end_sent(1)
    both.end_received(1)
    assert both.held == (0, 0)


def test_closed_they_are_free_and_none_begins() -> None:
    sender, receiver = contexts(), contexts()
    receiver.inflate(1, compress(sender, 1, TEXT), len(TEXT))
    sender.close()
    receiver.close()
    assert sender.held == receiver.held == (0, 0)
    assert sender.encoder(1) is None


def test_items_that_do_not_gain_are_given_up_but_still_counted() -> None:
    sender = contexts(max_sent=1)
    noise = random.Random(1).randbytes(20_000)
    encoder = sender.encoder(1)
    assert encoder is not None
    for left in (3, 2, 1, 0):
        encoder.took(len(noise), len(noise) + 3)
        assert (encoder.compress is not None) is bool(left)
    assert sender.encoder(1) is encoder  # the peer has its context still
    assert sender.encoder(2) is None


def test_items_that_gain_are_not_given_up_whatever_comes_later() -> None:
    sender = contexts()
    encoder = sender.encoder(1)
    assert encoder is not None
    encoder.took(70_000, 60_000)
    for _ in range(9):
        encoder.took(70_000, 70_003)
    assert encoder.compress is not None
