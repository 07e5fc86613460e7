"""PROTOCOL.md's tables of every frame in every state, and what there is to try in each cell.

The tables are read from the page; nothing here knows those of `avrpc.wire.states`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

from avrpc.wire import CallState, Connection, ConnectionState, GoawayCode, Role
from avrpc.wire.frames import DEADLINE, METADATA, MORE, STARTED, Kind
from avrpc.wire.packs import encode_pack
from avrpc.wire.pieces import MIN_PIECE_BYTES
from avrpc.wire.primitives import encode_bytes, encode_long, encode_metadata
from tests.wire.pair import (
    BOTH,
    SMALL,
    client_with_call,
    count,
    frame,
    native,
    server_with_call,
    take,
)

PAGE = (Path(__file__).parent.parent.parent / "PROTOCOL.md").read_text()

# The tables ...


def rows(first_column: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Each row of the table: the kinds that it is for, and its cells by column."""
    found = re.search(rf"^(\| {first_column} \|.*)\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found, first_column
    head, *lines = (
        [cell.strip() for cell in line[1:-1].split("|")]
        for line in found.group().split("\n")
        if line
    )
    for cells in lines[1:]:
        assert len(cells) == len(head)
        yield cells[0].split(", "), dict(zip(head[1:], cells[1:], strict=True))


CALL_CELLS = {
    (role, column, Kind[name]): cell
    for role, title in ((Role.SERVER, "a server gets"), (Role.CLIENT, "a client gets"))
    for names, cells in rows(title)
    for name in names
    for column, cell in cells.items()
}
CONNECTION_CELLS = {
    (where, role, column): cell
    for (where,), cells in rows("the receiver")
    for role in Role
    if cells["is"] in {role.name.lower(), "either"}
    for column, cell in cells.items()
    if column != "is"
}
OF_A_CALL = [kind for kind in Kind if kind not in {Kind.PING, Kind.PONG, Kind.GOAWAY}]


def column_of(kind: Kind, *, new: bool) -> str:
    """The column of the table of connections."""
    if kind not in OF_A_CALL:
        return kind.name
    return "new CALL" if kind is Kind.CALL and new else "others of a call"


# ... the frames, as fields, of which some are longs, and a value ...

PIECE = bytes(MIN_PIECE_BYTES)
METADATA_MAP = {"k": b"v"}
ENCODED_METADATA = encode_metadata(METADATA_MAP)


class Form(NamedTuple):
    """A good frame of call 1: an int is a long, a str a string, bytes stay as they are."""

    kind: Kind
    flags: int
    fields: tuple[int | str | bytes, ...]
    value: bytes | None = None

    @property
    def name(self) -> str:
        return f"{self.kind.name}-{self.flags >> 4:x}"

    def encoded(self) -> list[bytes]:
        return [encode(field) for field in self.fields]


def encode(field: int | str | bytes) -> bytes:
    if isinstance(field, int):
        return encode_long(field)
    return field if isinstance(field, bytes) else encode_bytes(field.encode())


FORMS = [
    Form(Kind.CALL, 0, (1, BOTH), b"pp"),
    Form(Kind.CALL, DEADLINE, (1, BOTH, 250), b"pp"),
    Form(Kind.CALL, METADATA, (1, BOTH, ENCODED_METADATA), b"pp"),
    Form(Kind.CALL, DEADLINE | METADATA, (1, BOTH, 250, ENCODED_METADATA), b"pp"),
    Form(Kind.CALL, MORE, (1, BOTH), PIECE),
    Form(Kind.CALL, MORE | DEADLINE | METADATA, (1, BOTH, 250, ENCODED_METADATA), PIECE),
    Form(Kind.ITEMS, 0, (1, count(2)), b"ij"),
    Form(Kind.ITEMS, MORE, (1, count(1)), PIECE),
    Form(Kind.END, 0, (1,)),
    *(
        form
        for kind in (Kind.RESULT, Kind.ERROR)
        for form in (
            Form(kind, 0, (1,), b"rr"),
            Form(kind, METADATA, (1, ENCODED_METADATA), b"rr"),
            Form(kind, MORE, (1,), PIECE),
            Form(kind, MORE | METADATA, (1, ENCODED_METADATA), PIECE),
        )
    ),
    Form(Kind.STATUS, 0, (1, 13, "text")),
    Form(Kind.STATUS, STARTED, (1, 13, "text")),
    Form(Kind.STATUS, METADATA, (1, ENCODED_METADATA, 13, "text")),
    Form(Kind.STATUS, METADATA | STARTED, (1, ENCODED_METADATA, 13, "text")),
    Form(Kind.CANCEL, 0, (1,)),
    Form(Kind.CREDIT, 0, (1, 5)),
    Form(Kind.PING, 0, (9,)),
    Form(Kind.PONG, 0, (9,)),
    Form(Kind.GOAWAY, 0, (1, 0, "bye")),
]
LEGAL = {kind: {form.flags for form in FORMS if form.kind is kind} for kind in Kind}


class Variant(NamedTuple):
    """A frame that is a good one, or one that went wrong.

    Attributes:
        rest: What follows the call id.
        breaks: What is wrong: "id", "fields", or nothing.
        value: What there is of it.
    """

    form: Form
    data: bytes
    rest: bytes
    breaks: str = ""
    value: bytes | None = None


def good(form: Form) -> Variant:
    return variant(form, form.encoded(), "")


def variant(form: Form, fields: list[bytes], breaks: str) -> Variant:
    value = form.value or b""
    data = frame(form.kind, *fields, value, flags=form.flags)
    return Variant(form, data, b"".join(fields[1:]) + value, breaks, form.value)


def cut(form: Form) -> Iterator[Variant]:
    """Every truncation of the body, but for most of the middle of a piece."""
    fields = b"".join(form.encoded())
    id_length, body = len(form.encoded()[0]), fields + (form.value or b"")
    for end in range(len(body)):
        if len(fields) + 3 < end < len(body) - 3:
            continue
        breaks = "id" if end < id_length else "fields" if end < len(fields) else ""
        value = body[len(fields) : end] if form.value is not None else None
        data = frame(form.kind, body[:end], flags=form.flags)
        yield Variant(form, data, body[id_length:end], breaks, value)


def longer(form: Form) -> Iterator[Variant]:
    """A byte too many; where there is a value, it is one more of the value."""
    body = b"".join(form.encoded()) + (form.value or b"") + b"\0"
    value = None if form.value is None else form.value + b"\0"
    breaks = "" if value else "fields" if len(form.fields) > 1 else "id"
    data = frame(form.kind, body, flags=form.flags)
    yield Variant(form, data, body[len(form.encoded()[0]) :], breaks, value)


def garbled(form: Form) -> Iterator[Variant]:
    """Longs and strings that are none."""
    for at, field in enumerate(form.fields):
        if isinstance(field, bytes):
            continue
        if isinstance(field, int):
            bad = [b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\0", b"\x80" * 30]
        else:
            length = len(field)
            bad = [b"\x02\xff", b"\x01", encode_long(length + 3000) + field.encode()]
        for each in bad:
            fields = form.encoded()
            fields[at] = each
            yield variant(form, fields, "fields" if at else "id")


def padded(form: Form) -> Iterator[Variant]:
    """Longs in as many bytes as they may take, which means the same."""
    for at, field in enumerate(form.fields):
        if isinstance(field, int):
            fields = form.encoded()
            short = fields[at]
            fields[at] = bytes([*(byte | 0x80 for byte in short), *[0x80] * 9])[:9] + b"\0"
            yield variant(form, fields, "")


# ... the states ...


class Situation(NamedTuple):
    """Where an end is: its call 1, and its connection.

    Attributes:
        half: The kind of a value that is coming in pieces.
        where: A row of the table of connections.
    """

    role: Role
    state: CallState | None
    half: Kind | None = None
    where: str = "is open"

    @property
    def column(self) -> str:
        """Of the table of calls."""
        if self.half is not None:
            article = "an" if self.half.name[0] in "IE" else "a"
            return f"half {article} {self.half.name}"
        return "no such call yet" if self.state is None else self.state.name

    @property
    def name(self) -> str:
        half = f"-half-{self.half.name}" if self.half else ""
        state = self.state.name if self.state else "no call"
        return f"{self.role.name}-{state}{half}-{self.where}"

    def make(self) -> Connection:
        connection = make_call(self.role, self.state, self.half)
        if self.where == "has sent GOAWAY":
            connection.goaway(GoawayCode.NO_ERROR, "")
        elif self.where == "has got GOAWAY":
            connection.receive_data(frame(Kind.GOAWAY, 1, 0, ""))
        take(connection)
        return connection


def make_call(role: Role, state: CallState | None, half: Kind | None) -> Connection:
    if state is None or half is Kind.CALL:
        connection = native(role)
        if half is Kind.CALL:
            connection.receive_data(frame(Kind.CALL, 1, BOTH, PIECE, flags=MORE))
        return connection
    at_client = role is Role.CLIENT
    connection, call_id = (client_with_call if at_client else server_with_call)(BOTH)
    if state is CallState.ENDED:
        if at_client:
            connection.receive_data(frame(Kind.RESULT, call_id))
        else:
            connection.outgoing.result(call_id)
    elif state is CallState.WAITING and at_client:
        connection.outgoing.end(call_id)
    elif state is CallState.WAITING:
        connection.receive_data(frame(Kind.END, call_id))
    elif state is CallState.CANCELLED and at_client:
        connection.outgoing.cancel(call_id)
    elif state is CallState.CANCELLED:
        connection.receive_data(frame(Kind.CANCEL, call_id))
    if half is not None:
        item = count(1) if half is Kind.ITEMS else b""
        connection.receive_data(frame(half, call_id, item, PIECE, flags=MORE))
    return connection


OPEN_STATES = [CallState.REQUESTING, CallState.WAITING, CallState.CANCELLED]
SITUATIONS = [
    *(Situation(role, state) for role in Role for state in (None, *CallState)),
    Situation(Role.SERVER, CallState.REQUESTING, Kind.CALL),
    Situation(Role.SERVER, CallState.REQUESTING, Kind.ITEMS),
    *(
        Situation(Role.CLIENT, state, half)
        for state, half in product(OPEN_STATES, (Kind.ITEMS, Kind.RESULT, Kind.ERROR))
    ),
]


def in_handshake(role: Role, state: ConnectionState) -> Connection:
    """An end before there are frames."""
    connection = Connection(role, SMALL)
    hello = encode_pack(0, b"hello")
    if state is not ConnectionState.HELLO:
        connection.receive_data(hello)
    if state in {ConnectionState.HELLO_AGAIN, ConnectionState.DECIDING_AGAIN}:
        connection.again()
    if state is ConnectionState.DECIDING_AGAIN:
        connection.receive_data(hello)
    assert connection.state is state
    return connection
