"""What the codecs of one text share: each type is made once, also where threads ask at once."""

import threading
from typing import Any

from avrpc.schema.codec import Codec
from avrpc.schema.fit import At
from avrpc.schema.own import OwnTypes
from avrpc.schema.protocol import Protocol
from avrpc.schema.types import Record
from tests.schema.build import protocol_json, protocol_of, record_json, type_of

DATE = {"type": "int", "logicalType": "date"}
POINT = record_json(("x", "int"), ("at", ["null", DATE]), ("more", "int", 5), name="demo.Point")


def message(of: Any) -> dict[str, Any]:
    return {"request": [{"name": "p", "type": of}], "response": {"type": "array", "items": of}}


def test_a_type_is_made_once_for_all_messages() -> None:
    made = protocol_of({"one": message("Point"), "other": message(["null", "Point"])}, POINT)
    one, other = made.messages.values()
    assert one.own is other.own
    value = {"p": {"x": 1, "at": None, "more": 6}}
    for each in (one, other):
        assert each.request.decode(bytes(each.request.encode(value))) == value
        assert each.response
        assert each.response.decode(bytes(each.response.encode([value["p"]]))) == [value["p"]]
    own = one.own
    assert sum(isinstance(of, Record) and of.name == "demo.Point" for of in own._schemas._made) == 1
    written = [of for of in own._encoders._functions if isinstance(of, Record)]
    assert sorted(of.name for of in written) == ["demo.Point", "one", "other"]


def test_each_text_has_its_own() -> None:
    text = protocol_json({"one": message("Point")}, POINT)
    one, other = (protocol_of(text["messages"], POINT) for _ in range(2))
    assert isinstance(one, Protocol)
    assert one.messages["one"].own is not other.messages["one"].own


def test_what_is_asked_for_later_does_not_change_what_was_made() -> None:
    own = OwnTypes()
    dated = type_of(record_json(("d", DATE), name="Dated"))
    schema, wrapped, convert = own.decoder(dated)
    assert not wrapped
    assert convert is not None
    holder = type_of(record_json(("n", "int"), name="Plain"))
    _, _, nothing = own.decoder(holder)
    assert nothing is None
    again, _, _ = own.decoder(dated)
    assert again["fields"] is schema["fields"]
    assert str(convert({"d": 1})["d"]) == "1970-01-02"


def test_threads_may_ask_at_once() -> None:
    own, wrong = OwnTypes(), []
    types = [
        type_of(record_json(*((f"f{at}", DATE) for at in range(40)), name=f"R{number}"))
        for number in range(8)
    ]

    def work(number: int) -> None:
        codec = Codec(types[number % 8], At("it"), own=own)
        value = codec.decode(bytes(40))
        if codec.encode(value) != bytes(40):
            wrong.append(value)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
