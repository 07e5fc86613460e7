"""What may be a name, and which was meant."""

from typing import Any

import pytest

from avrpc.errors import SchemaError
from avrpc.schema.names import (
    check_name,
    check_names,
    full_name,
    is_full_name,
    namespace_of,
    suggest,
)
from avrpc.schema.strictjson import Place

LONG = "a" * 255


@pytest.mark.parametrize("name", ["a", "_", "A9_z", LONG])
def test_what_is_a_name(name: str) -> None:
    assert check_name(name, Place()) == name
    check_names([name, name], Place())
    assert is_full_name(name)


@pytest.mark.parametrize(
    "name", ["", "9", "a-b", "a b", "a\n", "é", "a,b", ",", "a.b", None, 5, ["a"], LONG + "a"]
)
def test_what_is_none_is_refused_by_its_place(name: Any) -> None:
    with pytest.raises(SchemaError, match=r"expected a symbol|at most 255"):
        check_name(name, Place(), "a symbol")
    with pytest.raises(SchemaError, match=r"expected a symbol|at most 255") as caught:
        check_names(["fine", name, "fine"], Place(), "a symbol")
    assert caught.value.path == "$[1]"


def test_a_list_of_no_names_is_fine() -> None:
    check_names([], Place())


@pytest.mark.parametrize(
    ("name", "fits"),
    [("a.b.C", True), ("a..b", False), (".a", False), ("a.", False), ("a.9", False), (5, False)],
)
def test_full_names_have_parts_that_are_names(name: Any, fits: bool) -> None:
    assert is_full_name(name) is fits


@pytest.mark.parametrize(
    ("json", "name"),
    [
        ({"name": "X"}, "here.X"),
        ({"name": "X", "namespace": "a.b"}, "a.b.X"),
        ({"name": "X", "namespace": ""}, "X"),
        ({"name": "c.X", "namespace": "a.b"}, "c.X"),
    ],
)
def test_a_name_is_in_its_namespace(json: dict[str, Any], name: str) -> None:
    assert full_name(json, "name", "here", Place()) == name
    assert namespace_of(name) == name[:-2].rstrip(".")


@pytest.mark.parametrize(
    ("json", "path", "problem"),
    [
        ({}, "$", 'expected a name under "name"'),
        ({"name": "a b"}, "$.name", "expected a name of letters"),
        ({"name": "X", "namespace": "a..b"}, "$.namespace", "expected a namespace"),
        ({"name": "X", "namespace": 5}, "$.namespace", "expected a namespace"),
        ({"name": LONG[:-4]}, "$.name", "at most 255 characters in a full name"),
    ],
)
def test_what_is_no_full_name_is_refused(json: dict[str, Any], path: str, problem: str) -> None:
    with pytest.raises(SchemaError) as caught:
        full_name(json, "name", "here", Place())
    assert caught.value.path == path
    assert problem in caught.value.problem


def test_suggestions_are_close_or_none() -> None:
    assert suggest("prise", ["price", "size"]) == "; did you mean 'price'?"
    assert suggest("PRICE", ["price", "size"]) == "; did you mean 'price'?"
    assert suggest("unlike", ["price", "size"]) == ""
    # Comparing with all takes long, so the first have to do.
    other = "z" * 100
    assert suggest("price", [*[other] * 10, "prise"]) == "; did you mean 'prise'?"
    assert suggest("price", [*[other] * 1000, "prise"]) == ""
    assert suggest("p" * 200_000, ["prise"]) == ""
