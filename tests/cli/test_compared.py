import json
from typing import Any

from avrpc.cli.compared import compare_versions, compare_with_server
from avrpc.schema.negotiation import Negotiation
from tests.cli.versions import New, Old


def test_two_versions_are_compared_both_ways() -> None:
    (shop,) = compare_versions({"demo.Shop": New}, {"demo.Shop": Old})
    assert (shop.name, shop.status, shop.breaks) == ("demo.Shop", "both", True)
    assert [
        (
            one.name,
            one.status,
            one.old_clients and str(one.old_clients.verdict),
            one.new_clients and str(one.new_clients.verdict),
            one.breaks,
        )
        for one in shop.messages
    ] == [
        ("same", "both", "same", "same", False),
        ("wider", "both", "resolvable", "resolvable", False),
        ("partial", "both", "resolvable", "partial", True),
        ("broken", "both", "incompatible", "incompatible", True),
        ("fresh", "added", None, "missing", False),
        ("gone", "removed", "missing", None, True),
    ]


def test_a_protocol_that_is_removed_breaks_and_one_that_is_added_does_not() -> None:
    found = compare_versions({"a": New, "b": New}, {"b": New, "c": New})
    assert [(one.name, one.status, one.breaks) for one in found] == [
        ("a", "added", False),
        ("b", "both", False),
        ("c", "removed", True),
    ]


def test_a_server_lacks_what_clients_have_and_may_have_more() -> None:
    found = compare_with_server(["a", "b"], ["b", "c"], {"b": Negotiation(New, Old)})
    added, both, removed = found
    assert (added.status, added.breaks, added.messages) == ("added", True, ())
    assert (removed.status, removed.breaks) == ("removed", False)
    assert both.breaks
    assert [(one.name, one.status, one.breaks) for one in both.messages] == [
        ("same", "both", False),
        ("wider", "both", False),
        ("partial", "both", True),
        ("broken", "both", True),
        ("fresh", "added", True),
        ("gone", "removed", False),
    ]
    assert all(one.old_clients is None for one in both.messages)


def test_as_json_every_change_has_its_part_path_kind_and_words() -> None:
    (shop,) = compare_versions({"demo.Shop": New}, {"demo.Shop": Old})
    made: Any = json.loads(json.dumps(shop.json()))
    assert made.keys() == {"name", "status", "breaks", "messages"}
    messages = {one["name"]: one for one in made["messages"]}
    assert messages["same"] == {
        "name": "same",
        "status": "both",
        "breaks": False,
        "old_clients": {"verdict": "same", "changes": []},
        "new_clients": {"verdict": "same", "changes": []},
    }
    (change,) = messages["wider"]["old_clients"]["changes"]
    assert change.keys() == {"part", "path", "kind", "text"}
    assert (change["part"], change["path"], change["kind"]) == ("response", "Item.note", "dropped")
    assert messages["gone"]["new_clients"] is None
