import copy
import pickle
import re
import traceback
from collections.abc import Callable

import pytest
import trio

import avrpc
from avrpc import errors
from avrpc.errors import (
    AvrpcError,
    CallCancelled,
    ConnectFailed,
    ConnectionClosed,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimeout,
    CredentialsRefused,
    DeadlineExceeded,
    DeclaredError,
    IncompatibleMessage,
    IncompatibleProtocol,
    InternalError,
    InvalidValue,
    LimitExceeded,
    NotAvrpc,
    PermissionDenied,
    RemoteError,
    SchemaError,
    TlsFailed,
    Unauthenticated,
    Unavailable,
    UnknownMessage,
    fresh,
)

# Every class, made with all that it takes; its fields; whether the handler may have run.
ERRORS: list[tuple[AvrpcError, dict[str, object], bool]] = [
    (AvrpcError("a"), {}, False),
    (
        SchemaError("no type 'x'", source="a.avpr", path="$.types[0]"),
        {
            "problem": "no type 'x'",
            "source": "a.avpr",
            "path": "$.types[0]",
            "line": None,
            "column": None,
        },
        False,
    ),
    (ConnectFailed("b"), {}, False),
    (ConnectTimeout("c"), {}, False),
    (NotAvrpc("d"), {}, False),
    (TlsFailed("x", reason="expired"), {"reason": "expired"}, False),
    (IncompatibleProtocol("e"), {}, False),
    (ConnectionRefused("f", code=39), {"code": 39}, False),
    (CredentialsRefused("f", code=33), {"code": 33}, False),
    (PermissionDenied("f"), {}, False),
    (Unauthenticated("f"), {}, False),
    (ConnectionLost("g"), {}, True),
    (ConnectionLost("h", maybe_executed=False), {}, False),
    (ConnectionClosed("i"), {}, False),
    (Unavailable("j"), {}, False),
    (UnknownMessage("k"), {}, False),
    (IncompatibleMessage("l"), {}, False),
    (InvalidValue("m", path="echo.tick"), {"path": "echo.tick"}, False),
    (InvalidValue("n", maybe_executed=True), {"path": ""}, True),
    (LimitExceeded("o"), {}, False),
    (LimitExceeded("p", maybe_executed=True), {}, True),
    (CallCancelled("q"), {}, True),
    (CallCancelled("r", maybe_executed=False), {}, False),
    (DeadlineExceeded("s"), {}, True),
    (DeadlineExceeded("t", maybe_executed=False), {}, False),
    (RemoteError("u", name="demo.Odd"), {"name": "demo.Odd"}, True),
    (DeclaredError(symbol="X"), {"name": "", "fields": {"symbol": "X"}, "symbol": "X"}, True),
    (InternalError("v", name="w"), {"name": "w"}, True),
]

ALSO = {
    SchemaError: ValueError,
    ConnectTimeout: trio.TooSlowError,
    CredentialsRefused: Unauthenticated,
    ConnectionLost: trio.BrokenResourceError,
    ConnectionClosed: trio.ClosedResourceError,
    InvalidValue: ValueError,
    DeadlineExceeded: trio.TooSlowError,
}


def classes() -> set[type[AvrpcError]]:
    """All that the module defines."""
    found = {each for each in vars(errors).values() if isinstance(each, type)}
    return {each for each in found if issubclass(each, AvrpcError)}


def test_drawn_tree_is_that_of_the_classes() -> None:
    assert errors.__doc__
    above: list[str] = []
    drawn = {}
    for indent, name in re.findall(r"^    ((?:[│├└─ ]{4})*)(\w+)", errors.__doc__, re.MULTILINE):
        del above[len(indent) // 4 :]
        drawn[name] = above[-1] if above else "Exception"
        above.append(name)
    assert drawn == {each.__name__: each.__bases__[0].__name__ for each in classes()}


def test_drawn_tree_tells_which_are_errors_of_python_or_trio_too() -> None:
    assert errors.__doc__
    notes = re.findall(r"(\w+) .*\(also (?:an? )?([\w.]+)\)", errors.__doc__)
    assert dict(notes) == {
        each.__name__: f"{'trio.' if other.__module__ == 'trio' else ''}{other.__name__}"
        for each, other in ALSO.items()
    }
    assert all(each.__bases__[1:] == (other,) for each, other in ALSO.items())
    assert all(len(each.__bases__) == 1 for each in classes() - ALSO.keys())


def test_every_class_is_public() -> None:
    assert {each.__name__ for each in classes()} <= set(avrpc.__all__)


def test_table_above_has_every_class() -> None:
    assert {type(error) for error, _, _ in ERRORS} == classes()


def same(error: AvrpcError) -> AvrpcError:
    return error


def pickled(error: AvrpcError) -> AvrpcError:
    found = pickle.loads(pickle.dumps(error))
    assert isinstance(found, AvrpcError)
    return found


@pytest.mark.parametrize("through", [same, fresh, copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize(("error", "fields", "maybe_executed"), ERRORS)
def test_error_keeps_text_and_fields(
    error: AvrpcError,
    fields: dict[str, object],
    maybe_executed: bool,
    through: Callable[[AvrpcError], AvrpcError],
) -> None:
    again = through(error)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert {name: getattr(again, name) for name in fields} == fields
    assert again.maybe_executed is maybe_executed


def test_fresh_error_has_neither_traceback_nor_cause_of_the_first() -> None:
    try:
        raise ConnectionLost("gone") from OSError(5)
    except ConnectionLost as error:
        kept = error
    kept.add_note("seen before")
    again = fresh(kept)
    assert again.__traceback__ is None
    assert again.__cause__ is None
    assert again.__notes__ == ["seen before"]


@pytest.mark.parametrize(
    ("source", "path", "text"),
    [
        ("", "", "wrong"),
        ("a.avpr", "", "a.avpr: wrong"),
        ("", "$.types", "$.types: wrong"),
        ("a.avpr", "$.types", "a.avpr: $.types: wrong"),
    ],
)
def test_schema_error_says_where(source: str, path: str, text: str) -> None:
    assert str(SchemaError("wrong", source=source, path=path)) == text


def test_schema_error_in_idl_says_the_line() -> None:
    error = SchemaError("wrong", source="a.avdl", line=3, column=10)
    assert str(error) == "a.avdl:3:10: wrong"
    assert (error.source, error.line, error.column) == ("a.avdl", 3, 10)
    assert str(SchemaError("wrong", line=3, column=10)) == "3:10: wrong"


# Declared errors. Avro lets a field have any Python name, these too:

TAKEN = [
    *("args", "with_traceback", "add_note"),  # Exception's
    *("fields", "name", "full_name", "maybe_executed"),  # ours
    *("__class__", "__dict__", "__weakref__", "__cause__", "__notes__", "__copy__", "__eq__"),
]


@pytest.mark.parametrize("name", TAKEN)
def test_declared_error_with_a_field_whose_name_is_taken_has_it_in_fields_alone(name: str) -> None:
    error = DeclaredError(**{name: 12345})
    assert error.fields == {name: 12345}
    assert vars(error).get(name) != 12345
    assert type(error) is DeclaredError
    assert error.maybe_executed is True
    error.add_note("still works")
    with pytest.raises(DeclaredError) as raised:
        raise error.with_traceback(None)
    assert f"{name}=12345" in "".join(traceback.format_exception(raised.value))
    assert fresh(error).fields == {name: 12345}


@pytest.mark.parametrize("name", ["self", "cls", "symbol", "code", "_private", "__half", "x__"])
def test_declared_error_has_its_other_fields_as_attributes(name: str) -> None:
    error = DeclaredError(**{name: [1]})
    assert getattr(error, name) == [1]
    assert getattr(pickle.loads(pickle.dumps(error)), name) == [1]


def test_declared_error_without_fields_is_only_its_name() -> None:
    class Closed(DeclaredError):
        full_name = "demo.Closed"

    error = Closed()
    assert str(error) == "demo.Closed()"
    assert error.name == "demo.Closed"
    assert error.fields == {}


def test_declared_error_shows_its_fields() -> None:
    class Unknown(DeclaredError):
        full_name = "demo.Unknown"

    assert str(Unknown(symbol="X", at=3)) == "demo.Unknown(symbol='X', at=3)"


def test_copied_declared_error_keeps_what_was_added_to_it() -> None:
    error = DeclaredError(symbol="X")
    error.add_note("while quoting")
    error.maybe_executed = False
    again = fresh(error)
    assert again.__notes__ == ["while quoting"]
    assert again.maybe_executed is False
