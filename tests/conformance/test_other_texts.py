from __future__ import annotations

from avrpc.conformance.interface import Conformance
from avrpc.conformance.other_texts import (
    message,
    parameter,
    version,
    with_messages,
    without_stream,
    writing,
)
from avrpc.schema import Kind
from avrpc.schema.negotiation import Negotiation


def test_versions_have_the_name_of_the_protocol_and_another_text() -> None:
    made = version(lambda tree: tree["messages"].pop("drain"))
    assert made.name == Conformance.name
    assert made.md5 != Conformance.md5
    assert set(Conformance.messages) - set(made.messages) == {"drain"}


def test_messages_are_added_and_replaced() -> None:
    made = with_messages(
        unheard_of=message([parameter("key", "int")], "null", **{"one-way": True}),
        count=message([], "long"),
    )
    assert made.messages["unheard_of"].kind is Kind.ONE_WAY
    assert not made.messages["count"].parameters


def test_stream_is_taken_away() -> None:
    assert without_stream("ping_pong").messages["ping_pong"].kind is Kind.UNARY


def test_record_of_another_version_is_read_as_the_servers() -> None:
    made = writing(parameter("amount", "int"))
    fit = Negotiation(made, Conformance)["echo"]
    assert fit.callable
    assert "amount" in " ".join(fit.changes())
