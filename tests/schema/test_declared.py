"""Classes for declared errors, and the codec that carries them."""

import copy
import traceback
from typing import Any

import pytest

from avrpc.errors import DeclaredError, InvalidValue, RemoteError
from avrpc.schema import ErrorCodec, Errors
from avrpc.schema.compat import Comparison
from avrpc.schema.declared import error_class
from avrpc.schema.types import Record
from tests.schema.build import invalid, record_json, type_of


def error_record(*fields: Any, name: str = "demo.UnknownSymbol", doc: str = "") -> Record:
    made = type_of({**record_json(*fields, name=name), "type": "error", "doc": doc})
    assert isinstance(made, Record)
    return made


RECORD = error_record(("symbol", "string"), ("tries", {"type": "array", "items": "int"}, [1]))
UnknownSymbol = error_class(RECORD)


def test_class_is_named_as_its_type() -> None:
    assert UnknownSymbol.full_name == "demo.UnknownSymbol"
    assert UnknownSymbol.__name__ == "UnknownSymbol"
    assert UnknownSymbol.__module__ == "demo"
    assert issubclass(UnknownSymbol, DeclaredError)
    assert UnknownSymbol.__doc__ == "The error demo.UnknownSymbol, which its protocol declares."
    assert error_class(error_record(doc="Why.")).__doc__ == "Why."
    assert error_class(error_record(name="Bare")).__module__ == "avrpc.errors"
    line = traceback.format_exception_only(UnknownSymbol(symbol="x"))[0]
    assert line.startswith("demo.UnknownSymbol: demo.UnknownSymbol(symbol='x'")


def test_fields_are_attributes_and_defaults_are_filled_in() -> None:
    error: Any = UnknownSymbol(symbol="x")
    assert error.fields == {"symbol": "x", "tries": [1]}
    assert (error.symbol, error.tries) == ("x", [1])
    error.tries.append(2)
    assert UnknownSymbol(symbol="x").fields["tries"] == [1]
    assert copy.copy(UnknownSymbol(symbol="y")).fields["symbol"] == "y"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "UnknownSymbol.symbol: missing, and it has no default"),
        ({"symbl": "x"}, "UnknownSymbol.symbl: no such field; did you mean 'symbol'?"),
        ({"symbol": 5}, "UnknownSymbol.symbol: expected string, got int"),
        ({"symbol": "x", "tries": ["y"]}, "UnknownSymbol.tries[0]: expected int, got str"),
    ],
)
def test_fields_are_checked_when_an_error_is_made(fields: dict[str, Any], text: str) -> None:
    error = invalid(lambda: UnknownSymbol(**fields))
    assert error.text == text
    assert error.path.startswith("UnknownSymbol.")
    with pytest.raises(TypeError):
        UnknownSymbol("x")  # type: ignore[call-arg]


def test_a_field_that_is_a_keyword_has_an_underscore() -> None:
    made = error_class(error_record(("from", "string")))
    error: Any = made(from_="x")
    assert error.fields == {"from": "x"}
    assert error.from_ == "x"
    assert made(**{"from": "y"}).fields == {"from": "y"}


def test_errors_are_found_by_name() -> None:
    other = error_class(error_record(name="demo.Other"))
    twin = error_class(error_record(name="else.Other"))
    errors = Errors([UnknownSymbol, other, twin])
    assert errors.UnknownSymbol is errors["UnknownSymbol"] is errors["demo.UnknownSymbol"]
    assert errors["else.Other"] is twin
    assert list(errors) == [UnknownSymbol, other, twin]
    assert len(errors) == 3
    assert "UnknownSymbol" in errors
    assert "else.Other" in errors
    assert "Other" not in errors
    assert "UnknownSymbol" in dir(errors)
    assert repr(errors) == "<errors: demo.UnknownSymbol, demo.Other, else.Other>"
    assert repr(Errors([])) == "<errors: none>"
    with pytest.raises(KeyError, match=r"short for demo\.Other and else\.Other"):
        errors["Other"]
    with pytest.raises(KeyError, match="did you mean 'UnknownSymbol'"):
        errors["UnknownSymbl"]
    with pytest.raises(AttributeError, match="did you mean 'UnknownSymbol'"):
        errors.UnknownSymbl  # noqa: B018
    with pytest.raises(AttributeError):
        errors.__wrapped__  # noqa: B018
    assert copy.copy(errors).UnknownSymbol is UnknownSymbol


OTHER_RECORD = error_record(("n", "int"), name="demo.Other")
Other = error_class(OTHER_RECORD)
CODEC = ErrorCodec("last", [UnknownSymbol, Other], [RECORD, OTHER_RECORD])


@pytest.mark.parametrize(
    ("error", "data"),
    [
        (UnknownSymbol(symbol="x", tries=[]), b"\x02\x02x\0"),
        (Other(n=5), b"\x04\x0a"),
    ],
)
def test_declared_errors_travel_both_ways(error: DeclaredError, data: bytes) -> None:
    assert CODEC.encode(error) == data
    back = CODEC.decode(data)
    assert type(back) is type(error)
    assert isinstance(back, DeclaredError)
    assert back.fields == error.fields


def test_a_text_is_an_undeclared_error() -> None:
    assert CODEC.encode("oops") == b"\0\x08oops"
    back = CODEC.decode(b"\0\x08oops")
    assert type(back) is RemoteError
    assert str(back) == "oops"


def test_a_subclass_of_a_declared_error_is_one() -> None:
    class Mine(Other):  # type: ignore[misc, valid-type]
        """A user's own."""

    assert CODEC.encode(Mine(n=1)) == b"\x04\x02"


def test_what_is_changed_after_it_was_made_is_checked_again() -> None:
    error = Other(n=5)
    error.fields["n"] = "x"
    assert invalid(CODEC.encode, error).text == (
        "Other.n: expected int, got str (at last() error.n)"
    )


def test_an_error_that_is_not_declared_is_refused() -> None:
    assert (
        "does not declare the error Third"
        in invalid(CODEC.encode, error_class(error_record(name="demo.Third"))()).text
    )


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "last() error: ends in the middle of a number"),
        (b"\x06", "last() error: no branch number 3"),
        (b"\x01", "last() error: no branch number -1"),
        (b"\0", "last() error: ends in the middle of a number"),
        (b"\x04", "Other.n: ends in the middle of a number (at last() error.n)"),
        (b"\x04\x02\x02", "Other: the value ends 1 byte before its bytes do (at last() error)"),
        (b"\x04\x80\x80\x80\x80\x10", "out of its range"),
    ],
)
def test_what_is_no_error_is_invalid(data: bytes, text: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        CODEC.decode(data)
    assert text in str(caught.value)


# -- errors of another version

COMPARISON = Comparison()


def reading(*pairs: tuple[Record, Record | None]) -> ErrorCodec:
    """The codec, for another version's errors, each with the one of ours that it is."""
    return CODEC.reading([one for one, _ in pairs], [mine for _, mine in pairs], COMPARISON)


def test_error_of_another_version_arrives_as_our_class() -> None:
    theirs = error_record(("symbol", "bytes"), ("more", "int"))
    other = error_class(theirs)
    sent = ErrorCodec("last", [other], [theirs]).encode(other(symbol=b"x", more=1))
    codec = reading((theirs, RECORD))
    error = codec.decode(sent)
    assert isinstance(error, UnknownSymbol)
    assert error.fields == {"symbol": "x", "tries": [1]}
    assert codec.encode(UnknownSymbol(symbol="x")) == CODEC.encode(UnknownSymbol(symbol="x"))


@pytest.mark.parametrize("mine", [None, RECORD])
def test_error_that_is_not_ours_or_does_not_fit_keeps_its_name_and_fields(
    mine: Record | None,
) -> None:
    theirs = error_record(("symbol", "int"))
    error = reading((theirs, mine)).decode(b"\x02\x0e")
    assert type(error) is RemoteError
    assert (error.name, error.fields) == ("demo.UnknownSymbol", {"symbol": 7})
    assert str(error) == "demo.UnknownSymbol: {'symbol': 7}"
