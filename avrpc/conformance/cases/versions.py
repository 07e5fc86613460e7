"""Clients whose version of the protocol is not the server's."""

from __future__ import annotations

from typing import Any

from avrpc.conformance.interface import SAMPLE, Conformance, body, everything, item
from avrpc.conformance.kit import Kit
from avrpc.conformance.other_texts import (
    message,
    parameter,
    version,
    with_messages,
    without_stream,
    writing,
)
from avrpc.conformance.raw import frame, items_frame
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import expect
from avrpc.schema import Protocol
from avrpc.wire import StatusCode
from avrpc.wire.frames import Kind

_ITEMS = {"type": "array", "items": "Item"}


async def _echoed(kit: Kit, protocol: Protocol, value: dict[str, Any], wanted: object) -> None:
    """Send a value of another version, and get back what the server read."""
    line = await kit.connect(protocol)
    expect("what the server read", wanted, await line.call("echo", value=value))


@case("5.1")
async def promoted_fields(kit: Kit) -> None:
    """The server reads an int as a long, a float as a double, bytes as a string."""
    protocol = writing(
        parameter("large", "int"),
        parameter("precise", "float"),
        parameter("text", "bytes"),
        parameter("data", "string"),
        parameter("choice", "int"),
    )
    value = {"large": -7, "precise": 0.25, "text": b"\xc3\xa9", "data": "\u00e9", "choice": 9}
    wanted = everything(large=-7, precise=0.25, text="\u00e9", data=b"\xc3\xa9", choice=9)
    await _echoed(kit, protocol, value, wanted)


@case("5.1")
async def fields_that_the_client_has_not(kit: Kit) -> None:
    """A field that the client's version has not gets the default of the server's."""
    await _echoed(
        kit, writing(parameter("truth", "boolean")), {"truth": False}, everything(truth=False)
    )


@case("5.1")
async def fields_that_the_server_has_not(kit: Kit) -> None:
    """A field that the server's version has not is read over."""
    more = {"type": "array", "items": {"type": "map", "values": ["null", "string"]}}
    protocol = writing(parameter("more", more), parameter("truth", "boolean"))
    value = {"more": [{"a": None, "b": "text"}, {}], "truth": False}
    await _echoed(kit, protocol, value, everything(truth=False))


@case("5.1")
async def field_of_an_older_name(kit: Kit) -> None:
    """A field is found by an alias that the server's version has for it."""
    await _echoed(kit, writing(parameter("amount", "int")), {"amount": 12}, everything(number=12))


@case("5.1")
async def fields_in_another_order(kit: Kit) -> None:
    """Fields go by their names, not by their places."""
    protocol = writing(
        parameter("color", f"{Conformance.namespace}.Color"),
        parameter("number", "int"),
        parameter("text", "string"),
    )
    value = {"color": "RED", "number": 3, "text": "b"}
    await _echoed(kit, protocol, value, everything(color="RED", number=3, text="b"))


@case("5.1")
async def symbol_that_the_server_has_not(kit: Kit) -> None:
    """A symbol that is unknown is a value that does not decode: INVALID_VALUE."""
    protocol = version(lambda tree: tree["types"][0]["symbols"].append("PINK"))
    line = await kit.connect(protocol)
    call = await line.open("check", value=everything(color="PINK"))
    await call.status(StatusCode.INVALID_VALUE)
    wrong = await line.call("check", value=everything(color="RED"))
    expect("the fields that differ from the sample", ["color"], wrong)


@case("5.1")
async def parameter_that_the_client_has_not(kit: Kit) -> None:
    """A parameter that the client's version has not gets the default of the server's."""
    protocol = with_messages(blob=message([parameter("payload", "bytes")], "bytes"))
    line = await kit.connect(protocol)
    expect("three bytes, by default", body(3), await line.call("blob", payload=b"x"))


@case("5.1")
async def parameter_that_the_server_has_not(kit: Kit) -> None:
    """A parameter that the server's version has not is read over."""
    more = {"type": "array", "items": "double"}
    request = [parameter("more", more), parameter("size", "int")]
    line = await kit.connect(with_messages(blob=message(request, "bytes")))
    expect("five bytes", body(5), await line.call("blob", more=[0.5, 2.0], size=5))


@case("5")
async def numbers_are_the_clients(kit: Kit) -> None:
    """Messages are numbered by the client's text, whatever the server's has."""
    protocol = with_messages(a_first=message([], "null"), d_middle=message([], "null"))
    line = await kit.connect(protocol)
    key = kit.key()
    await line.call("note", key=key)
    expect("the count after a note", 1, await line.call("count", key=key))
    expect("five bytes", body(5), await line.call("blob", payload=b"", size=5))
    expect("the time left", -1, await line.call("time_left"))


@case("5")
async def fewer_messages(kit: Kit) -> None:
    """A client need not have all of the server's messages."""

    def change(tree: dict[str, Any]) -> None:
        tree["messages"] = {name: tree["messages"][name] for name in ("count", "sample")}

    line = await kit.connect(version(change))
    expect("the count of a new key", 0, await line.call("count", key=kit.key()))
    expect("the sample", SAMPLE, await line.call("sample"))


async def _unimplemented(
    kit: Kit, protocol: Protocol, name: str, value: bytes, *more: bytes
) -> None:
    """Expect that a call is answered so without running, and that the connection stands."""
    line = await kit.connect_raw(protocol=protocol)
    await line.send(line.call(1, name, value=value), *more)
    status = await line.status(1, StatusCode.UNIMPLEMENTED)
    expect("STARTED", False, status.started)
    await line.send(line.call(2, "empty"))
    await line.result(2)


@case("5.1")
async def unknown_message(kit: Kit) -> None:
    """A message that the server has not is answered UNIMPLEMENTED, without STARTED."""
    gone = message([], "null")
    await _unimplemented(kit, with_messages(unheard_of=gone), "unheard_of", b"")


@case("5.1")
async def unknown_one_way_message(kit: Kit) -> None:
    """A one-way message that the server has not is answered UNIMPLEMENTED."""
    gone = message([parameter("text", "string")], "null", **{"one-way": True})
    await _unimplemented(kit, with_messages(unheard_of=gone), "unheard_of", b"\x02x")


@case("5.1")
async def incompatible_message(kit: Kit) -> None:
    """A message whose parameters don't resolve can't be called: UNIMPLEMENTED."""
    other = message([parameter("key", "int")], "int")
    await _unimplemented(kit, with_messages(count=other), "count", b"\x02")


@case("5.1")
async def message_of_another_kind(kit: Kit) -> None:
    """A message that is one-way at one end only can't be called: UNIMPLEMENTED."""
    other = message([parameter("key", "string")], "null", **{"one-way": True})
    await _unimplemented(kit, with_messages(release=other), "release", b"\x02x")


@case("5.1")
async def items_of_an_unknown_message(kit: Kit) -> None:
    """Items that are under way to a message that can't be called are dropped."""
    gone = message([parameter("items", _ITEMS)], "null", stream="request")
    more = items_frame(1, b"\0\0"), frame(Kind.END, 1)
    await _unimplemented(kit, with_messages(unheard_of=gone), "unheard_of", b"", *more)


@case("5.1")
async def response_that_only_the_server_streams(kit: Kit) -> None:
    """A response that the client does not mark comes whole, in RESULT."""
    line = await kit.connect(without_stream("source"))
    came = await line.call("source", key=kit.key(), count=50, size=20, ending="WELL")
    expect("50 items", [item(number, 20) for number in range(50)], came)


@case("5.1")
async def large_response_that_only_the_server_streams(kit: Kit) -> None:
    """A response that comes whole is a value like any other: if too large, it is a STATUS."""
    line = await kit.connect(without_stream("source"), limits={"maxMessageBytes": 20_000})
    call = await line.open("source", key=kit.key(), count=30, size=1000, ending="WELL")
    await call.status(StatusCode.RESOURCE_EXHAUSTED)


@case("5.1")
async def request_that_only_the_server_streams(kit: Kit) -> None:
    """A streamed parameter that the client does not mark is the last one of CALL."""
    line = await kit.connect(without_stream("sink"))
    items = [item(number, 20) for number in range(50)]
    came = await line.call("sink", key=kit.key(), take=-1, ending="WELL", items=items)
    expect("the summary", {"count": 50, "bytes": 1000, "in_order": True}, came)


@case("5.1")
async def both_ways_for_the_server_alone(kit: Kit) -> None:
    """Where only the server streams both ways, an array travels each way."""
    line = await kit.connect(without_stream("ping_pong"))
    items = [item(number, 20) for number in range(50)]
    came = await line.call("ping_pong", key=kit.key(), take=-1, ending="WELL", items=items)
    expect("50 items", items, came)


@case("5.1")
async def one_way_of_two(kit: Kit) -> None:
    """Where the client marks the response alone, the items of the request come whole."""
    protocol = version(lambda tree: tree["messages"]["ping_pong"].update(stream="response"))
    line = await kit.connect(protocol)
    items = [item(number, 20) for number in range(50)]
    call = await line.open("ping_pong", key=kit.key(), take=-1, ending="WELL", items=items)
    expect("50 items", items, await call.items())


@case("5.1")
async def errors_in_another_order(kit: Kit) -> None:
    """An error is written by the server's text: its branch is that of the server's union."""
    protocol = version(lambda tree: tree["messages"]["fail"]["errors"].reverse())
    line = await kit.connect(protocol)
    for how, name in (("DECLARED", "Refused"), ("OTHER", "Unlucky")):
        error = await (await line.open("fail", how=how, reason="because")).error()
        expect("the name of the error", name, error.name.rpartition(".")[2])


@case("5.1")
async def error_that_the_client_has_not(kit: Kit) -> None:
    """An error that the client does not declare comes all the same, by the server's text."""
    protocol = version(lambda tree: tree["messages"]["fail"].pop("errors"))
    line = await kit.connect(protocol)
    error = await (await line.open("fail", how="DECLARED", reason="because")).error()
    expect("the fields of the error", {"reason": "because"}, error.fields)
