from __future__ import annotations

import json

import pytest

from avrpc.conformance.interface import (
    SAMPLE,
    SAMPLE_BYTES,
    Conformance,
    body,
    everything,
    item,
)


def test_sample_is_what_the_text_has_as_defaults() -> None:
    codec = Conformance.messages["echo"].request
    assert codec.decode(bytes(codec.encode({"value": {}}))) == {"value": SAMPLE}


def test_bytes_of_the_sample_are_those_of_the_codec() -> None:
    codec = Conformance.messages["echo"].request
    assert bytes(codec.encode({"value": SAMPLE})) == SAMPLE_BYTES


def test_everything_is_the_sample_but_for_some_fields() -> None:
    assert everything() == SAMPLE
    assert everything(truth=False) == SAMPLE | {"truth": False}


@pytest.mark.parametrize("size", [0, 1, 250, 251, 252, 1000])
def test_bodies_count_modulo_251(size: int) -> None:
    assert list(body(size)) == [n % 251 for n in range(size)]
    assert item(7, size) == {"number": 7, "body": body(size)}


def test_text_has_every_type_of_avro() -> None:
    tree = json.loads(Conformance.text)
    (record,) = [one for one in tree["types"] if one["name"] == "Everything"]
    found = {json.dumps(field["type"]) for field in record["fields"]}
    for primitive in ("null", "boolean", "int", "long", "float", "double", "bytes", "string"):
        assert f'"{primitive}"' in found
    kinds = {one["type"] for one in tree["types"]}
    assert {"record", "error", "enum", "fixed"} <= kinds
    assert any("array" in one for one in found)
    assert any('"map"' in one for one in found)
    assert any(one.startswith("[") for one in found)


def test_text_has_every_kind_of_message() -> None:
    kinds = {str(message.kind) for message in Conformance.messages.values()}
    assert len(kinds) == 5
