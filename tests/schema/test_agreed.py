"""Messages of two versions: what the one end writes, the other reads as its own version has it."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from avrpc.errors import DeclaredError, InvalidValue
from avrpc.schema import Message, Protocol
from avrpc.schema.agreed import AgreedMessage, matching_error
from avrpc.schema.negotiation import Negotiation
from avrpc.schema.types import Record
from tests.schema.build import LIST, linked, type_of
from tests.schema.evolutions import SAME, array, enum, record
from tests.schema.message_evolutions import GONE, LOST, message, streamed, version


def ends(client: Protocol, server: Protocol) -> tuple[Message, Message]:
    """Message "m" as it is called, and as it is handled."""
    found = Negotiation(client, server)
    return found.at_client("m"), found.at_server("m")


def test_codecs_are_made_once_for_each_end() -> None:
    client, server = version(streamed("both", "int", "double")), version(streamed("both", "double"))
    for end in ends(client, server):
        assert isinstance(end, AgreedMessage)
        for name in ("request", "request_items", "response_items", "error"):
            assert getattr(end, name) is getattr(end, name)
        assert end.response is None


def test_each_end_writes_its_own_version() -> None:
    client, server = version(streamed("both", "int", "double")), version(streamed("both", "double"))
    found = Negotiation(client, server)
    here, there = found.at_client("m"), found.at_server("m")
    assert here.request is client.messages["m"].request
    assert here.request_items is client.messages["m"].request_items
    assert there.response_items is server.messages["m"].response_items
    assert there.error is server.messages["m"].error


def test_each_end_reads_what_the_other_writes() -> None:
    client = version(
        message(("a", "int"), ("b", "string"), response=record(("x", "long"), ("y", "int", 4)))
    )
    server = version(message(("a", "double"), response=record(("x", "int"))))
    found = Negotiation(client, server)
    here, there = found.at_client("m"), found.at_server("m")
    assert here.response
    assert there.response
    assert there.request.decode(here.request.encode({"a": 1, "b": "x"})) == {"a": 1.0}
    assert here.response.decode(there.response.encode({"x": 3})) == {"x": 3, "y": 4}


def test_items_are_read_as_the_other_version_wrote_them() -> None:
    client, server = version(streamed("both", "int", "double")), version(streamed("both", "double"))
    found = Negotiation(client, server)
    here, there = found.at_client("m"), found.at_server("m")
    assert here.request_items
    assert here.response_items
    assert there.request_items
    assert there.response_items
    data = here.request_items.encode(1) + here.request_items.encode(2)
    assert repr(there.request_items.decode(data, 2)) == "[1.0, 2.0]"
    assert repr(here.response_items.decode(there.response_items.encode(5), 1)) == "[5.0]"


def test_side_that_only_one_end_streams_is_an_array_to_both() -> None:
    found = Negotiation(version(streamed("both")), version(streamed("")))
    here, there = found.at_client("m"), found.at_server("m")
    assert here.response
    assert there.response
    assert here.response.decode(there.response.encode([1, 2])) == [1, 2]
    assert here.request_items
    assert there.request_items is None
    # The client's items, as an array, follow its other parameters.
    whole = here.request.encode({"tag": "t"}) + b"\x02" + here.request_items.encode(7) + b"\0"
    assert there.request.decode(whole) == {"tag": "t", "items": [7]}
    assert here.response_items is found.client.messages["m"].response_items

    found = Negotiation(version(streamed("")), version(streamed("both")))
    here, there = found.at_client("m"), found.at_server("m")
    whole = here.request.encode({"tag": "t", "items": [7]})
    assert there.request.decode(whole) == {"tag": "t", "items": [7]}
    assert there.request_items is found.server.messages["m"].request_items
    assert there.response_items is found.server.messages["m"].response_items
    assert here.response_items is None


def test_error_is_read_as_its_own_class() -> None:
    more = record(("at", "long"), ("why", "string", "?"), name="Gone", kind="error")
    client, server = version(message(errors=[more])), version(message(errors=[GONE]))
    found = Negotiation(client, server)
    sent = found.at_server("m").error.encode(server.errors.Gone(at=3))
    error = found.at_client("m").error.decode(sent)
    assert isinstance(error, client.errors.Gone)
    assert error.fields == {"at": 3, "why": "?"}


def test_errors_are_told_apart_by_name_and_not_by_their_place() -> None:
    client, server = version(message(errors=[LOST, GONE])), version(message(errors=[GONE]))
    found = Negotiation(client, server)
    assert found["m"].verdict is SAME
    sent = found.at_server("m").error.encode(server.errors.Gone(at=3))
    assert isinstance(found.at_client("m").error.decode(sent), client.errors.Gone)


def test_error_that_is_not_declared_keeps_its_name_and_fields() -> None:
    client, server = version(message()), version(message(errors=[GONE]))
    found = Negotiation(client, server)
    error = found.at_client("m").error.decode(
        found.at_server("m").error.encode(server.errors.Gone(at=3))
    )
    assert not isinstance(error, DeclaredError)
    assert (error.name, error.fields) == ("Gone", {"at": 3})


def test_value_of_a_partial_message_that_does_not_arrive_is_invalid() -> None:
    client = version(message(("e", array(enum("A B"))), stream="request"))
    server = version(message(("e", array(enum("A"))), stream="request"))
    found = Negotiation(client, server)
    here, there = found.at_client("m"), found.at_server("m")
    assert here.request_items
    assert there.request_items
    assert there.request_items.decode(here.request_items.encode("A"), 1) == ["A"]
    with pytest.raises(InvalidValue, match=r"^m\.e\[\]: the symbol B is not in this end's"):
        there.request_items.decode(here.request_items.encode("B"), 1)


def test_recursive_types_are_resolved() -> None:
    other = {**LIST, "fields": [*LIST["fields"], {"name": "n", "type": "int", "default": 1}]}
    found = Negotiation(version(message(response=other)), version(message(response=LIST)))
    here, there = found.at_client("m"), found.at_server("m")
    assert here.response
    assert there.response
    assert here.response.decode(there.response.encode(linked(2))) == {
        "next": {"next": None, "n": 1},
        "n": 1,
    }


# -- what several messages share


def of_points(*fields: Any, **more: Any) -> Protocol:
    point = record(("x", "int"), *fields, name="Point")
    return version(
        message(("p", point), response="Point"),
        other=message(("p", "Point"), ("q", ["null", "Point"]), response=array("Point")),
        stream=message(("p", array("Point")), response=array("Point"), stream="both"),
        same=message(("n", "int")),
        **more,
    )


def test_codecs_of_all_messages_share_what_the_same_types_take() -> None:
    client, server = of_points(("y", "int", 5)), of_points(("gone", "string", ""))
    found = Negotiation(client, server)
    versions = found._agreed_versions
    one, other, stream = (found.at_client(name) for name in ("m", "other", "stream"))
    assert one.response
    assert other.response
    assert stream.response_items
    data = b"\2\4xy"
    assert one.response.decode(data) == {"x": 1, "y": 5}
    made = dict(versions.responses.schemas._made)
    assert other.response.decode(b"\2" + data + b"\0") == [{"x": 1, "y": 5}]
    assert stream.response_items.decode(data * 2, 2) == [{"x": 1, "y": 5}] * 2
    points = [of for of in versions.responses.schemas._made if isinstance(of, Record)]
    assert [of.name for of in points] == ["Point"]
    assert made.items() <= versions.responses.schemas._made.items()
    assert len(versions.responses.functions._defaults) == 1


def test_only_what_differs_is_looked_into() -> None:
    found = Negotiation(of_points(("y", "int", 5)), of_points())
    versions = found._agreed_versions
    assert {str(of) for of, _ in versions.requests.plan.parts if isinstance(of, Record)} == {
        "m", "other", "Point"
    }  # fmt: skip
    assert versions.parameters("m") is versions.parameters("m")
    assert versions.parameters("same")[0].fields[0].name == "n"


def test_streamed_parameter_is_read_by_itself() -> None:
    found = Negotiation(of_points(), of_points(("y", "int", 5)))
    handled = found.at_server("stream")
    assert handled.request_items
    assert handled.request_items.decode(b"\2\4", 2) == [{"x": 1, "y": 5}, {"x": 2, "y": 5}]
    assert handled.request.decode(b"") == {}
    assert [len(one.fields) for one in found._agreed_versions.parameters("stream")] == [0, 0]


def test_messages_keep_no_negotiation_alive() -> None:
    """What a cache drops is gone at once, and not when Python looks for cycles."""
    found = Negotiation(of_points(), of_points(("y", "int", 5)))
    found.at_server("m").request.decode(b"\2")
    gone = weakref.ref(found)
    gc.disable()
    try:
        del found
        assert gone() is None
    finally:
        gc.enable()


def test_errors_match_by_full_name_before_others() -> None:
    here, there, far = (
        type_of(record(("a", "int"), name=name, kind="error")) for name in ("x.E", "y.E", "z.E")
    )
    assert isinstance(here, Record)
    assert isinstance(there, Record)
    assert isinstance(far, Record)
    assert matching_error(here, (there, here)) is here
    assert matching_error(far, (there, here)) is there
    assert matching_error(far, ()) is None
