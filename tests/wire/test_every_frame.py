"""Every frame in every state, at both ends, good, short, long and garbled.

What each shall do stands in PROTOCOL.md, "Every frame in every state"; each cell is tried.
"""

from __future__ import annotations

from itertools import product

import pytest

from avrpc.wire import (
    CallReceived,
    CallState,
    CancelReceived,
    ConnectionState,
    CreditReceived,
    EndReceived,
    ErrorReceived,
    Event,
    GoawayCode,
    GoawayReceived,
    ItemsReceived,
    PongReceived,
    ResultReceived,
    Role,
    StatusReceived,
)
from avrpc.wire.frames import DEADLINE, METADATA, MORE, STARTED, Kind
from avrpc.wire.pieces import MIN_PIECE_BYTES
from tests.wire.every_frame import (
    CALL_CELLS,
    CONNECTION_CELLS,
    FORMS,
    LEGAL,
    METADATA_MAP,
    OF_A_CALL,
    PIECE,
    SITUATIONS,
    Form,
    Situation,
    Variant,
    column_of,
    cut,
    garbled,
    good,
    in_handshake,
    longer,
    padded,
)
from tests.wire.pair import (
    BOTH,
    SHAPES,
    SMALL,
    feed_in_every_way,
    frame,
    frames,
    native,
    take,
    violation,
)

in_every_situation = pytest.mark.parametrize(
    "situation", SITUATIONS, ids=[situation.name for situation in SITUATIONS]
)


def cell_of(situation: Situation, kind: Kind) -> str:
    """What the page says of a kind there."""
    new = situation.state is None
    cell = CONNECTION_CELLS[situation.where, situation.role, column_of(kind, new=new)]
    if cell == "by its call":
        return CALL_CELLS[situation.role, situation.column, kind]
    if cell == "opens":
        assert CALL_CELLS[situation.role, situation.column, kind] == "new"
    return cell


def expected(situation: Situation, frame: Variant) -> list[Event] | None:
    """The events; None for a violation."""
    form, cell = frame.form, cell_of(situation, frame.form.kind)
    if not cell or frame.breaks == "id":
        return None
    if cell == "piece":
        if form.flags & ~MORE or len(frame.rest) < (MIN_PIECE_BYTES if form.flags else 1):
            return None
        return [] if form.flags else [whole(form.kind, PIECE + frame.rest)]
    if frame.breaks:
        return None
    value = frame.value
    if form.kind is Kind.ITEMS and value is not None and len(value) < len(form.value or b""):
        return None  # more items than bytes, or less than a piece
    if form.flags & MORE and len(value or b"") < MIN_PIECE_BYTES:
        return None
    return [] if cell == "dropped" or form.flags & MORE else told(form, value or b"")


def whole(kind: Kind, value: bytes) -> Event:
    """A value that came in pieces."""
    events: dict[Kind, Event] = {
        Kind.CALL: CallReceived(1, BOTH, None, None, value),
        Kind.ITEMS: ItemsReceived(1, 1, value),
        Kind.RESULT: ResultReceived(1, None, value),
        Kind.ERROR: ErrorReceived(1, None, value),
    }
    return events[kind]


def told(form: Form, value: bytes) -> list[Event]:
    """What a good frame means."""
    metadata = METADATA_MAP if form.flags & METADATA else None
    time_left = 250 if form.kind is Kind.CALL and form.flags & DEADLINE else None
    started = bool(form.flags & STARTED)
    events: dict[Kind, Event] = {
        Kind.CALL: CallReceived(1, BOTH, time_left, metadata, value),
        Kind.ITEMS: ItemsReceived(1, 2, value),
        Kind.END: EndReceived(1),
        Kind.RESULT: ResultReceived(1, metadata, value),
        Kind.ERROR: ErrorReceived(1, metadata, value),
        Kind.STATUS: StatusReceived(1, metadata, 13, "text", started),
        Kind.CANCEL: CancelReceived(1),
        Kind.CREDIT: CreditReceived(1),
        Kind.PONG: PongReceived(9),
        Kind.GOAWAY: GoawayReceived(1, 0, "bye", ()),
    }
    return [events[form.kind]] if form.kind in events else []


def does_what_is_expected(situation: Situation, variant: Variant) -> None:
    connection = situation.make()
    events, due = connection.receive_data(variant.data), expected(situation, variant)
    if due is None:
        assert len(events) == 1, variant
        violation(events)
        # A GOAWAY is the last that leaves, and nothing is looked at any more.
        assert [kind for kind, _, _ in frames(take(connection))] == [Kind.GOAWAY]
        assert connection.receive_data(frame(Kind.PING, 1)) == []
        assert connection.held == take(connection) == b""
    else:
        assert events == due, variant


def test_tables_have_every_cell() -> None:
    columns = {(situation.role, situation.column) for situation in SITUATIONS}
    assert set(CALL_CELLS) == {
        (role, column, kind) for role, column in columns for kind in OF_A_CALL
    }
    places = {where for where, _, _ in CONNECTION_CELLS}
    of_connections = {column_of(kind, new=new) for kind in Kind for new in (False, True)}
    assert set(CONNECTION_CELLS) == set(product(places, Role, of_connections))
    assert len(places) == 6


@in_every_situation
@pytest.mark.parametrize("where", ["is open", "has sent GOAWAY", "has got GOAWAY"])
def test_good_frame_does_what_the_page_says(where: str, situation: Situation) -> None:
    situation = situation._replace(where=where)
    for form in FORMS:
        due = expected(situation, good(form))
        events = feed_in_every_way(situation.make, good(form).data)
        if due is None:
            assert len(events) == 1, form
            assert violation(events).code is GoawayCode.PROTOCOL_ERROR, form
        else:
            assert events == due, form
            moves_as_the_page_says(situation, form)


def moves_as_the_page_says(situation: Situation, form: Form) -> None:
    """What a good frame leaves behind."""
    connection = situation.make()
    connection.receive_data(good(form).data)
    assert bool(take(connection)) is (form.kind is Kind.PING), form
    call = connection._calls.get(1)
    found = (call.state, call.assembly and call.assembly.kind) if call else None
    assert found == after(situation, form), form


def after(situation: Situation, form: Form) -> tuple[CallState, Kind | None] | None:
    """The state of call 1, and the kind of a half value of it; None if it is not open."""
    cell, more = cell_of(situation, form.kind), bool(form.flags & MORE)
    outcome = form.kind in {Kind.RESULT, Kind.ERROR, Kind.STATUS}
    if cell == "opens":
        return CallState.REQUESTING, Kind.CALL if more else None
    if cell == "dropped" or (outcome and not more) or situation.state in {None, CallState.ENDED}:
        return None
    if cell == "piece" or more:
        return situation.state, form.kind if more else None
    if cell in CallState.__members__:
        return CallState[cell], None
    return situation.state, situation.half


@in_every_situation
def test_frame_that_is_cut_or_longer_or_garbled_is_a_violation_or_another_value(
    situation: Situation,
) -> None:
    for form in FORMS:
        for make in (cut, longer, garbled):
            for each in make(form):
                does_what_is_expected(situation, each)


@in_every_situation
def test_long_in_more_bytes_than_it_needs_means_the_same(situation: Situation) -> None:
    for form in FORMS:
        for each in padded(form):
            does_what_is_expected(situation, each)


@in_every_situation
def test_flag_that_a_kind_has_not_is_a_violation(situation: Situation) -> None:
    for form in FORMS:
        allowed = {
            flag
            for flag in (MORE, METADATA, DEADLINE)
            if any(flag & has for has in LEGAL[form.kind])
        }
        for flags in range(0x10, 0x100, 0x10):
            if flags & ~sum(allowed):
                connection = situation.make()
                body = b"".join(form.encoded()) + (form.value or b"")
                violation(connection.receive_data(frame(form.kind, body, flags=flags)))


# Before and after there are frames: by the first table alone.

BY_KIND = {form.kind: frame(form.kind, *form.fields, form.value or b"") for form in FORMS[::-1]}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("state", [ConnectionState.HELLO, ConnectionState.HELLO_AGAIN])
def test_frame_is_no_pack(state: ConnectionState, kind: Kind, role: Role) -> None:
    assert CONNECTION_CELLS["waits for a pack", role, column_of(kind, new=True)] == ""
    connection = in_handshake(role, state)
    events = connection.receive_data(BY_KIND[kind] * 2)  # two, as a short one is no pack *yet*
    assert "expected an Avro RPC message" in violation(events).text
    assert take(connection) == b""
    assert connection.state is ConnectionState.CLOSED


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("state", [ConnectionState.DECIDING, ConnectionState.DECIDING_AGAIN])
def test_frame_before_the_decision_waits_at_a_client_and_is_a_violation_at_a_server(
    state: ConnectionState, kind: Kind, role: Role
) -> None:
    cell = CONNECTION_CELLS["decides on a pack", role, column_of(kind, new=True)]
    connection = in_handshake(role, state)
    assert connection.receive_data(BY_KIND[kind]) == []
    events = connection.native(SMALL, SHAPES)
    if cell == "waits":
        assert events == native(role).receive_data(BY_KIND[kind])
    else:
        assert cell == ""
        assert "before the handshake was answered" in violation(events).text


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("state", ConnectionState)
def test_closed_connection_takes_nothing(state: ConnectionState, kind: Kind, role: Role) -> None:
    assert CONNECTION_CELLS["has closed", role, column_of(kind, new=True)] == "dropped"
    if state in {ConnectionState.NATIVE, ConnectionState.DRAINING, ConnectionState.CLOSED}:
        connection = native(role)
        if state is ConnectionState.DRAINING:
            connection.goaway(GoawayCode.NO_ERROR, "")
    else:
        connection = in_handshake(role, state)
    connection.close()
    take(connection)
    assert connection.receive_data(BY_KIND[kind]) == []
    assert connection.held == take(connection) == b""
