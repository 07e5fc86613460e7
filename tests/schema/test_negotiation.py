"""Verdicts on messages, what they say in words, and the codecs that follow from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from avrpc.schema.changes import TOO_LARGE_TEXT, Change
from avrpc.schema.compat import Comparison, Verdict, steps_for
from avrpc.schema.negotiation import MAX_CHANGES, Negotiation
from avrpc.schema.types import Type
from tests.schema.build import TOO_LARGE, crossed
from tests.schema.evolutions import (
    EVOLUTIONS,
    INCOMPATIBLE,
    PARTIAL,
    RESOLVABLE,
    SAME,
    Evolution,
    enum,
    record,
)
from tests.schema.message_evolutions import (
    GONE,
    MESSAGE_EVOLUTIONS,
    MessageEvolution,
    message,
    streamed,
    version,
)

ROWS = pytest.mark.parametrize("row", MESSAGE_EVOLUTIONS, ids=lambda row: row.name)
TYPES = pytest.mark.parametrize("row", EVOLUTIONS, ids=lambda row: row.name)

A_MESSAGE = message(("a", "int"), response="int")


def negotiation(row: MessageEvolution) -> Negotiation:
    return Negotiation(version(row.client), version(row.server))


@ROWS
def test_message_gets_the_verdict_of_its_row(row: MessageEvolution) -> None:
    found = negotiation(row)
    fit = found["m"]
    assert (fit.verdict, fit.wire) == (row.verdict, row.wire)
    assert tuple(fit.changes()) == row.changes
    assert found.verdict is row.verdict
    assert fit.callable is (row.verdict < INCOMPATIBLE)


@TYPES
@pytest.mark.parametrize("part", ["request", "response"])
def test_part_of_a_message_gets_the_verdict_of_its_type(row: Evolution, part: str) -> None:
    if part == "request":
        ends = message(("it", row.writer)), message(("it", row.reader))
    else:
        ends = message(response=row.reader), message(response=row.writer)
    fit = Negotiation(*map(version, ends))["m"]
    assert fit.verdict is row.verdict
    assert getattr(fit, part).verdict is row.verdict
    place = f"{part}: {'m.it' if part == 'request' else 'm()'}"
    told = [f"{part}: {text}" for text in row.changes]
    told = [text.replace(f"{part}: it", place, 1) for text in told]
    assert list(fit.changes()) == told


@TYPES
def test_error_whose_fields_do_not_fit_only_makes_the_message_partial(row: Evolution) -> None:
    server = message(errors=[record(("it", row.writer), name="Fault", kind="error")])
    client = message(errors=[record(("it", row.reader), name="Fault", kind="error")])
    fit = Negotiation(version(client), version(server))["m"]
    assert fit.verdict is fit.errors.verdict is min(row.verdict, PARTIAL)
    assert fit.request.verdict is fit.response.verdict is SAME


@ROWS
def test_verdict_is_that_of_the_worst_part(row: MessageEvolution) -> None:
    fit = negotiation(row)["m"]
    assert fit.verdict is max(fit.request.verdict, fit.response.verdict, fit.errors.verdict)


@pytest.mark.parametrize(
    ("client", "server", "reason"),
    [
        (A_MESSAGE, A_MESSAGE, ""),
        (A_MESSAGE, None, "the server has no such message"),
        (A_MESSAGE, message(("a", "long"), response="int"), ""),
        (
            message(response=enum("A"), errors=[]),
            message(response=enum("A B"), errors=[GONE]),
            "m(): the reader has no B: such a value does not arrive",
        ),
        (
            message(response="string", errors=[]),
            message(response="int", errors=[GONE]),
            "m(): expected string, the writer has int",
        ),
        (
            message(errors=[]),
            message(errors=[GONE]),
            "m() error: Gone is not declared at the client, and arrives as a RemoteError",
        ),
    ],
)
def test_reason_is_the_worst_of_what_differs(
    client: dict[str, Any], server: dict[str, Any] | None, reason: str
) -> None:
    assert Negotiation(version(client), version(server))["m"].reason == reason


def test_negotiation_is_a_table_of_the_clients_messages() -> None:
    client = version(A_MESSAGE, gone=message(), changed=message(("x", "int")))
    server = version(A_MESSAGE, fresh=message(), changed=message(("x", "long")))
    found = Negotiation(client, server)
    assert list(found) == ["m", "gone", "changed"]
    assert len(found) == 3
    assert {name: fit.verdict for name, fit in found.items()} == {
        "m": SAME,
        "gone": Verdict.MISSING,
        "changed": RESOLVABLE,
    }
    assert found.only_at_server == ("fresh",)
    assert found.verdict is Verdict.MISSING
    assert "fresh" not in found
    assert repr(found) == "<negotiation of P: missing>"
    assert [fit.name for fit in found.values()] == list(found)


def test_protocol_without_messages_fits() -> None:
    assert Negotiation(version(None), version(A_MESSAGE)).verdict is SAME


def test_equal_texts_are_not_looked_at() -> None:
    row = streamed("both") | {"errors": [GONE]}
    found = Negotiation(version(row), version(row))
    assert found["m"].verdict is SAME
    assert found["m"].wire is found.client.messages["m"].kind
    assert not found.comparison._levels
    assert found.at_client("m") is found.client.messages["m"]
    assert found.at_server("m") is found.server.messages["m"]


def test_changes_are_found_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    changes = Comparison.changes

    def note(self: Comparison, writer: Type, reader: Type, path: str) -> Iterator[Change]:
        asked.append(path)
        return changes(self, writer, reader, path)

    monkeypatch.setattr(Comparison, "changes", note)
    fit = Negotiation(version(A_MESSAGE), version(message(("a", "long"), response="string")))["m"]
    assert fit.verdict is INCOMPATIBLE
    assert not asked
    assert fit.reason == "m(): expected int, the writer has string"
    assert asked == ["m()"]  # what fits is not asked for reasons
    assert fit.request.changes is fit.request.changes
    assert asked == ["m()", "m"]


def test_changes_end_after_many_and_the_reason_is_found_behind_them() -> None:
    many = [(f"f{index}", "int", 0) for index in range(MAX_CHANGES * 2)]
    fit = Negotiation(version(message()), version(message(*many, ("last", "int"))))["m"]
    assert fit.verdict is INCOMPATIBLE
    assert len(fit.request.changes) == MAX_CHANGES + 2
    assert fit.reason == "m.last: not sent by the writer, and it has no default"
    assert [str(one) for one in fit.request.changes[-2:]] == [fit.reason, "m: and more"]


def test_fits_are_equal_by_what_they_say() -> None:
    ends = version(A_MESSAGE), version(message(("a", "long"), response="int"))
    one, other, turned = Negotiation(*ends), Negotiation(*ends), Negotiation(*reversed(ends))
    assert one["m"] == other["m"] != turned["m"]
    assert hash(one["m"]) == hash(other["m"])
    assert one["m"].request != "resolvable"


def test_versions_too_large_to_be_compared_say_so() -> None:
    ends = [version(message(("a", of)), other=A_MESSAGE) for of in TOO_LARGE]
    fits = Negotiation(*ends)
    assert fits["m"].verdict is INCOMPATIBLE
    assert fits["m"].reason == f"m: {TOO_LARGE_TEXT}"
    assert fits["other"].verdict is SAME
    sizes = [len(end.text) for end in ends]
    assert fits.comparison._left > -1000
    assert max(sizes) < 20_000
    assert sum(map(len, fits.comparison._users.values())) < steps_for(*sizes)


def test_steps_go_by_the_smaller_text() -> None:
    """So that a stranger's small one takes little time where ours is large."""
    small, large = (
        version(message(("a", crossed("int", 12)))),
        version(message(("a", TOO_LARGE[1]))),
    )
    fits = Negotiation(small, large)
    assert fits["m"].reason == f"m: {TOO_LARGE_TEXT}"
    assert sum(map(len, fits.comparison._users.values())) < 3_500


# -- the messages that are called: test_agreed has their codecs


def test_message_that_is_the_same_is_called_with_its_own_codecs() -> None:
    client = version(A_MESSAGE, other=message())
    server = version(A_MESSAGE)
    found = Negotiation(client, server)
    assert found.at_client("m") is client.messages["m"]
    assert found.at_server("m") is server.messages["m"]


def test_message_that_differs_is_made_once_for_each_end() -> None:
    client, server = version(streamed("both", "int", "double")), version(streamed("both", "double"))
    found = Negotiation(client, server)
    ends = found.at_client("m"), found.at_server("m")
    assert ends[0] is found.at_client("m")
    assert ends[1] is found.at_server("m")
    for end, own in zip(ends, (client, server), strict=True):
        mine = own.messages["m"]
        assert end is not mine
        assert (end.name, end.kind, end.number) == ("m", mine.kind, mine.number)
        assert end.parameters is mine.parameters
