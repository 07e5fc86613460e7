"""What is remembered of other ends, and how much."""

import json

import pytest

from avrpc.errors import SchemaError
from avrpc.memory import NegotiationCache, ServerMemory, TextCache
from avrpc.schema import Protocol

MAX_TEXT_BYTES = 262_144


def protocol(text: str) -> Protocol:
    return Protocol.parse(text, verbatim=True)


def numbered(number: int, size: int = 0) -> str:
    return json.dumps({"protocol": f"P{number}", "messages": {}, "doc": "x" * size}, indent=1)


JSON = {"protocol": "Quotes", "namespace": "demo", "messages": {}}
TEXT = json.dumps(JSON)
QUOTES = protocol(TEXT)
SPACED = protocol(json.dumps({**JSON, "doc": "Means the same."}, indent=4))
MORE = protocol(json.dumps({**JSON, "messages": {"last": {"request": [], "response": "double"}}}))
BIGGEST = numbered(0, MAX_TEXT_BYTES - len(numbered(0)))


def known(texts: TextCache, *numbers: int, size: int = 0) -> list[bool]:
    """Which of the numbered texts are there; looking them up is a use, in this order."""
    protocols = [protocol(numbered(number, size)) for number in numbers]
    return [texts.get(each.md5, each.sha256) is not None for each in protocols]


def test_cache_forgets_the_text_whose_last_use_is_longest_ago() -> None:
    texts = TextCache(max_protocols=3)
    for number in (0, 1, 2):
        texts.learn(numbered(number), source="")
    assert known(texts, 0) == [True]  # looked up
    texts.learn(numbered(1), source="")  # and this one came again
    texts.learn(numbered(3), source="")
    texts.learn(numbered(4), source="")
    assert known(texts, 0, 1, 2, 3, 4) == [False, True, False, True, True]
    assert len(texts) == 3


def test_cache_holds_no_more_bytes_of_text_than_it_may() -> None:
    size = len(numbered(0, 1000))
    texts = TextCache(max_bytes=3 * size)
    for number in range(9):
        texts.learn(numbered(number, 1000), source="")
        assert len(texts) == min(number + 1, 3)
    texts.learn(numbered(9, 1001), source="")
    assert known(texts, 7, 8, size=1000) == [False, True]
    assert texts._bytes == 2 * size + 1
    assert texts.learn(numbered(10, 3 * size), source="").name == "P10"
    assert (len(texts), texts._bytes) == (0, 0)  # too large to keep, and no harm


def test_cache_of_a_server_stays_small_whatever_clients_send() -> None:
    texts = TextCache()
    for number in range(300):
        texts.learn(numbered(number), source="")
    assert len(texts) == 256
    for number in range(6):
        texts.learn(numbered(number, 250_000), source="")
    assert len(texts) == 4


def test_cache_parses_a_text_once() -> None:
    texts = TextCache()
    assert texts.learn(TEXT, source="") is texts.learn(TEXT, source="")
    assert texts.get(QUOTES.md5, QUOTES.sha256) is texts.learn(TEXT, source="")
    assert texts.get(QUOTES.md5, SPACED.sha256) is None
    assert texts.get(SPACED.md5, QUOTES.sha256) is None


def test_cache_keeps_nothing_that_is_wrong_or_too_long() -> None:
    texts = TextCache()
    assert texts.learn(BIGGEST, source="").text == BIGGEST
    with pytest.raises(SchemaError, match=r"^a peer: \$: expected a text of at most 262144 by"):
        texts.learn(f"{BIGGEST} ", source="a peer")
    with pytest.raises(SchemaError, match=r"^a peer: not JSON"):
        texts.learn("{", source="a peer")
    assert len(texts) == 1


def test_cache_of_pairs_compares_them_once_and_forgets_the_one_used_longest_ago() -> None:
    negotiations = NegotiationCache(max_pairs=2)
    first = negotiations.between(QUOTES, MORE)
    second = negotiations.between(MORE, QUOTES)
    assert negotiations.between(QUOTES, MORE) is first
    negotiations.between(QUOTES, QUOTES)
    assert len(negotiations) == 2
    assert negotiations.between(QUOTES, MORE) is first
    assert negotiations.between(MORE, QUOTES) is not second


def test_cache_of_pairs_tells_two_protocols_of_one_text_apart() -> None:
    negotiations, again = NegotiationCache(), protocol(QUOTES.text)
    for client, server in ((QUOTES, QUOTES), (again, QUOTES), (QUOTES, again)):
        found = negotiations.between(client, server)
        assert (found.client, found.server) == (client, server)
        assert negotiations.between(client, server) is found


def test_cache_of_pairs_holds_so_many_bytes_of_texts_and_the_last_pair_whatever_its_size() -> None:
    negotiations = NegotiationCache()
    for number in range(6):
        negotiations.between(protocol(numbered(number, 100_000)), QUOTES)
    assert len(negotiations) == 5
    biggest = protocol(BIGGEST)
    last = negotiations.between(biggest, biggest)
    assert len(negotiations) == 1
    assert negotiations.between(biggest, biggest) is last


def test_memory_of_servers_forgets_the_one_met_longest_ago() -> None:
    memory = ServerMemory(max_servers=2)
    memory.texts.learn(TEXT, source="")
    for address in ("a", "b", "a", "c"):
        memory.note(address, "demo.Quotes", QUOTES)
    found = [memory.recall(address, "demo.Quotes") for address in ("a", "b", "c")]
    assert [each and each.text for each in found] == [TEXT, None, TEXT]
    assert memory.recall("a", "demo.Orders") is None


def test_memory_of_servers_holds_no_protocol_beyond_the_cache_of_texts() -> None:
    memory = ServerMemory()
    for number in range(6):
        text = numbered(number, 250_000)
        memory.note(str(number), "", memory.texts.learn(text, source=""))
    found = [memory.recall(str(number), "") is not None for number in range(6)]
    assert found == [False, False, True, True, True, True]
