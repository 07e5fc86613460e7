"""Failures of one call: declared errors, others, and values that do not decode."""

from __future__ import annotations

from avrpc.conformance.interface import SAMPLE_BYTES, body, item
from avrpc.conformance.kit import Kit
from avrpc.conformance.open_call import OpenCall
from avrpc.conformance.raw import RawLine, frame, items_frame
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import expect, expect_true
from avrpc.wire import StatusCode
from avrpc.wire.frames import Kind


async def _declared(call: OpenCall, name: str, **fields: object) -> None:
    """Expect an ERROR with that error."""
    error = await call.error()
    expect("the error", (name, fields), (error.name.rpartition(".")[2], error.fields))


@case("7")
async def declared_error(kit: Kit) -> None:
    """An error that the message declares comes as ERROR, with its fields."""
    line = await kit.connect()
    call = await line.open("fail", how="DECLARED", reason="because")
    await _declared(call, "Refused", reason="because")


@case("5")
async def second_declared_error(kit: Kit) -> None:
    """Of several declared errors, the branch of the union tells which."""
    line = await kit.connect()
    await _declared(
        await line.open("fail", how="OTHER", reason=""), "Unlucky", color="BLUE", number=13
    )


@case("9")
async def large_error(kit: Kit) -> None:
    """An error of 100,000 bytes comes in pieces."""
    line = await kit.connect()
    reason = "x" * 100_000
    await _declared(
        await line.open("fail", how="DECLARED", reason=reason), "Refused", reason=reason
    )


@case("13")
async def undeclared_error(kit: Kit) -> None:
    """Any other failure comes as STATUS UNKNOWN with STARTED, and does not tell the reason."""
    line = await kit.connect()
    secret = f"secret {kit.key()}"
    call = await line.open("fail", how="UNDECLARED", reason=secret)
    text = await call.status(StatusCode.UNKNOWN, started=True)
    expect_true(
        "a text that does not hold what the handler failed with", text, holds=secret not in text
    )


@case("7")
async def error_after_items(kit: Kit) -> None:
    """Items that were sent before an ERROR come before it."""
    line = await kit.connect()
    call = await line.open("source", key=kit.key(), count=3, size=10, ending="DECLARED")
    for number in range(3):
        expect("an item", item(number, 10), await call.item())
    await _declared(call, "Refused", reason="as asked for")


@case("7")
async def status_after_items(kit: Kit) -> None:
    """Items that were sent before a STATUS come before it."""
    line = await kit.connect()
    call = await line.open("source", key=kit.key(), count=3, size=10, ending="UNDECLARED")
    await call.status(StatusCode.UNKNOWN, started=True)
    expect("the items that came", 3, call.items_here)


@case("7")
async def error_before_end(kit: Kit) -> None:
    """The server may end a call whose items have not ended."""
    line = await kit.connect()
    call = await line.open("sink", key=kit.key(), take=2, ending="DECLARED")
    await call.send(item(0, 10), item(1, 10))
    await _declared(call, "Refused", reason="as asked for")


@case("7")
async def failed_calls_leave_others_alone(kit: Kit) -> None:
    """Neither a call that is open nor a later one minds that others fail."""
    line = await kit.connect()
    key = kit.key()
    held = await line.open("hold", key=key)
    for how in ("DECLARED", "OTHER", "UNDECLARED"):
        await (await line.open("fail", how=how, reason="")).ended()
    await line.call("release", key=key)
    await held.result()


async def _invalid(kit: Kit, name: str, value: bytes) -> None:
    """Expect that a value is refused, and that the connection stands."""
    line = await kit.connect_raw()
    await line.send(line.call(1, name, value=value))
    await line.status(1, StatusCode.INVALID_VALUE)
    await _still_works(line, 2)


async def _still_works(line: RawLine, call_id: int) -> None:
    await line.send(line.call(call_id, "blob", payload=b"", size=3))
    found = line.decoded("blob", await line.result(call_id))
    expect("the result of another call", body(3), found)


@case("5")
async def truncated_parameters(kit: Kit) -> None:
    """Parameters that end early are INVALID_VALUE, and the connection stands."""
    await _invalid(kit, "check", SAMPLE_BYTES[:-1])


@case("5")
async def parameters_with_bytes_over(kit: Kit) -> None:
    """Bytes behind the parameters are INVALID_VALUE."""
    await _invalid(kit, "check", SAMPLE_BYTES + b"\0")


@case("5")
async def parameters_of_none_with_bytes_over(kit: Kit) -> None:
    """Bytes where a message has no parameters are INVALID_VALUE."""
    await _invalid(kit, "empty", b"\0")


@case("5")
async def branch_out_of_range(kit: Kit) -> None:
    """A union's branch that does not exist is INVALID_VALUE."""
    at = SAMPLE_BYTES.index(b"\x0afirst") - 1
    await _invalid(kit, "check", SAMPLE_BYTES[:at] + b"\x0a" + SAMPLE_BYTES[at + 7 :])


@case("5")
async def text_that_is_no_utf8(kit: Kit) -> None:
    """A string of other bytes is INVALID_VALUE."""
    await _invalid(kit, "count", b"\x04\xc3\x28")


@case("5")
async def symbol_out_of_range(kit: Kit) -> None:
    """An enum's symbol that does not exist is INVALID_VALUE."""
    await _invalid(kit, "fail", b"\x06\x00")


@case("4.4")
async def value_nested_too_deep(kit: Kit) -> None:
    """A record that holds itself 7,000 deep is INVALID_VALUE, and no end of the server."""
    head = SAMPLE_BYTES[: -len(b"\x02\x00")]
    await _invalid(kit, "check", head + b"\x02\x02" * 7_000 + b"\x02\x00")


@case("5")
async def invalid_item(kit: Kit) -> None:
    """An item that does not decode ends its call with INVALID_VALUE."""
    line = await kit.connect_raw()
    await line.send(
        line.call(1, "sink", key=kit.key(), take=-1, ending="WELL"),
        items_frame(1, line.item(item(0, 10))),
        items_frame(1, b"\x02\x7f"),  # a body of -64 bytes
        frame(Kind.END, 1),
    )
    await line.status(1, StatusCode.INVALID_VALUE)
    await _still_works(line, 2)
