"""Every problem of a folder of interface files, in one run."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from avrpc.errors import SchemaError
from avrpc.schema.problems import find_problems
from avrpc.schema.registry import Registry
from tests.schema.build import TICK, protocol_json, record_json
from tests.schema.test_registry import REFUSED, write

PLAIN = {"request": [], "response": "null"}


def found(folder: Path, files: dict[str, Any]) -> list[str]:
    errors = find_problems(write(folder, files))
    return [str(error).replace(f"{folder}/", "") for error in errors]


def test_a_folder_without_problems_has_none(tmp_path: Path) -> None:
    assert found(tmp_path, {"a.avsc": TICK, "b.avpr": protocol_json({"m": PLAIN})}) == []


@pytest.mark.parametrize(("files", "text"), REFUSED)
def test_what_the_registry_refuses_first_is_among_them_and_no_more(
    tmp_path: Path, files: dict[str, Any], text: str
) -> None:
    """Each of these folders has one problem; two records that hold each other may both be named."""
    errors = find_problems(write(tmp_path, files))
    with pytest.raises(SchemaError) as caught:
        Registry(tmp_path)
    assert str(caught.value) in map(str, errors)
    if "without end" not in text:
        assert len(errors) == 1


def test_every_file_and_every_part_of_it_has_its_own(tmp_path: Path) -> None:
    bad = {"type": "enum", "name": "Side", "symbols": ["A", "A"]}
    message = {
        "request": [{"name": "a", "type": "Nope"}, {"name": "b", "type": "int"}, {"name": "c"}],
        "response": "Gone",
        "errors": ["Lost", "Quotes"],
    }
    files = {
        "a.avpr": protocol_json(
            {"one": message, "two": {"request": []}, "3": PLAIN, "four": 4, "fine": PLAIN}, bad, 5
        ),
        "b.avsc": [
            record_json(("x", "Nope"), ("y", "string"), ("z", {"type": "array"}), name="demo.B"),
            record_json(("s", "demo.Side"), name="demo.C"),
        ],
        "c.avpr": {"protocol": "C", "types": 1, "messages": 2},
        "d.avpr": {"protocol": "C"},
        "e.avpr": {"protocol": "E", "doc": 1, "messages": {"x": PLAIN}},
        "sub/f.avpr": {"protocol": "F", "types": [{"type": "record", "name": "R"}]},
    }
    assert found(tmp_path, files) == [
        "a.avpr: $.types[0].symbols[1]: symbol 'A' is there twice",
        "a.avpr: $.types[1]: expected the definition of a record, error, enum or fixed, found 5",
        "a.avpr: $.messages.one.request[0].type: no type 'Nope'",
        (
            'a.avpr: $.messages.one.request[2]: expected a parameter with a "name" and a "type",'
            ' found {"name": "c"}'
        ),
        "a.avpr: $.messages.one.response: no type 'Gone'",
        "a.avpr: $.messages.one.errors[0]: no type 'Lost'",
        "a.avpr: $.messages.one.errors[1]: no type 'Quotes'",
        'a.avpr: $.messages.two: expected a "response", and there is none ("null" for no value)',
        (
            'a.avpr: $.messages["3"]: expected a message\'s name of letters, digits and _,'
            ' not starting with a digit, found "3"'
        ),
        "a.avpr: $.messages.four: expected a message: an object, found 4",
        "b.avsc: $[0].fields[0].type: no type 'Nope'",
        (
            'b.avsc: $[0].fields[2].type: expected a type under "items" of this array,'
            " and there is none"
        ),
        "c.avpr: $.types: expected a list, found 1",
        "c.avpr: $.messages: expected an object: messages by name, found 2",
        "d.avpr: $.protocol: protocol 'C' is defined already, in c.avpr",
        "e.avpr: $.doc: expected a string, found 1",
        'sub/f.avpr: $.types[0]: expected a list under "fields", and there is none',
    ]


def test_types_are_not_missed_where_a_file_that_may_have_them_cannot_be_read(
    tmp_path: Path,
) -> None:
    uses = {"m": {"request": [], "response": "demo.Tick"}}
    end = "expected a definition, a message, an import or '}', found the end of the file"
    files = {
        "a.avsc": "{",
        "b.avpr": protocol_json(uses, {"type": "fixed", "name": "F", "size": -1}),
        "c.avdl": "protocol C {",
    }
    assert found(tmp_path, files) == [
        "a.avsc: not JSON: line 1, column 2: Expecting property name enclosed in double quotes",
        "b.avpr: $.types[0].size: expected a number of bytes from 0 to 16777216, found -1",
        "c.avdl:1:13: " + end,
    ]


def test_names_that_are_taken_are_all_told(tmp_path: Path) -> None:
    again = {"type": "enum", "name": "Tick", "namespace": "demo", "symbols": ["A"]}
    request = [{"name": "t", "type": again}]
    files = {
        "a.avsc": [TICK, TICK],
        "b.avpr": protocol_json({"m": {"request": request, "response": "null"}}, again, again),
    }
    taken = "'demo.Tick' is defined already, at"
    assert found(tmp_path, files) == [
        f"a.avsc: $[1].name: {taken} $[0]",
        f"b.avpr: $.types[0].name: {taken} a.avsc: $[0]",
        f"b.avpr: $.types[1].name: {taken} a.avsc: $[0]",
        f"b.avpr: $.messages.m.request[0].type.name: {taken} a.avsc: $[0]",
    ]


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    (error,) = find_problems(tmp_path / "nowhere")
    assert "can't read the folder: No such file" in str(error)


def test_defaults_and_empty_items_are_all_told(tmp_path: Path) -> None:
    empty = {"type": "array", "items": "demo.E"}
    request = [
        {"name": "a", "type": "int", "default": "x"},
        {"name": "b", "type": empty},
        {"name": "c", "type": "demo.T", "default": {}},
    ]
    files = {
        "a.avsc": [
            record_json(("x", "int", "x"), ("y", empty), ("z", "string", 1), name="demo.T"),
            record_json(name="demo.E"),
            record_json(("t", "demo.T"), ("u", "int", None), name="demo.U"),
            record_json(("n", "Nope"), ("u", "int", 1.5), name="demo.V"),
        ],
        "b.avpr": protocol_json({"m": {"request": request, "response": "demo.U"}}),
    }
    assert {line.partition(": ")[2].partition(": ")[0] for line in found(tmp_path, files)} == {
        "$[0].fields[0].default",
        "$[0].fields[1].type.items",
        "$[0].fields[2].default",
        "$[2].fields[1].default",
        "$[3].fields[0].type",
        "$[3].fields[1].default",
        "$.messages.m.request[0].default",
        "$.messages.m.request[1].type.items",
        "$.messages.m.request[2].default",
    }


def test_records_and_defaults_that_never_end_are_all_told(tmp_path: Path) -> None:
    files = {
        "a.avsc": [
            record_json(("b", "x.B"), name="x.A"),
            record_json(("a", "x.A"), ("all", {"type": "array", "items": "x.A"}), name="x.B"),
            record_json(("c", "x.C"), name="x.C"),
        ],
    }
    text = found(tmp_path, files)
    assert len(text) in {2, 3}  # A and B may be named once, or each
    assert all("would hold itself without end" in line for line in text)
    assert text[-1].startswith("a.avsc: $[2]: 'x.C'")
    maybe = ["x.D", "null"]
    files = {
        "a.avsc": [
            record_json(("e", ["x.E", "null"], {}), name="x.D"),
            record_json(("d", maybe, {}), name="x.E"),
        ]
    }
    text = found(tmp_path, files)
    assert text
    assert all("this default would be filled in with itself, endlessly" in line for line in text)


def test_what_uses_a_broken_type_is_not_blamed_for_it(tmp_path: Path) -> None:
    files = {
        "a.avsc": [
            record_json(("b", "demo.B", {"x": 1}), name="demo.A"),
            record_json(("x", "int"), ("y", "Nope"), name="demo.B"),
            {"type": "enum", "name": "demo.C", "symbols": ["1"]},
            record_json(("c", "demo.C", "1"), name="demo.D"),
        ],
        "b.avpr": protocol_json({"m": {"request": [], "response": "demo.A"}}),
    }
    assert [line.partition(": ")[2].partition(": ")[0] for line in found(tmp_path, files)] == [
        "$[2].symbols[0]",
        "$[1].fields[1].type",
    ]


def test_what_is_imported_is_known_and_looked_at_wherever_it_is(tmp_path: Path) -> None:
    files = {
        "all/a.avdl": """protocol A {
            import idl "sub/b.avdl";
            import idl "nowhere.avdl";
            import idl "../more/c.avdl";
            record R { B b; C c; Nope d; }
            void f(Gone x);
        }""",
        "all/sub/b.avdl": "record B { int x = 'y'; }",
        "all/z.avdl": 'protocol Z { import idl "sub/b.avdl"; void f(B b, C c); }',
        "more/c.avdl": "record C { array<null> x; }",
    }
    write(tmp_path, files)
    told = [
        "../more/c.avdl:1:18: items of type null may take no bytes at all",
        "a.avdl:3:24: can't read nowhere.avdl: No such file or directory",
        'sub/b.avdl:1:20: expected a default of type int, found "y"',
    ]
    assert found_below(tmp_path / "all") == told
    # With all of them there, none can define what is missing.
    write(tmp_path / "all", {"nowhere.avdl": "record N {}"})
    told[1:2] = ["a.avdl:5:34: no type 'Nope'", "a.avdl:6:20: no type 'Gone'"]
    assert found_below(tmp_path / "all") == told


def found_below(folder: Path) -> list[str]:
    return [str(error).replace(f"{folder}/", "") for error in find_problems(folder)]


def test_every_import_that_is_wrong_is_told(tmp_path: Path) -> None:
    files = {
        "a.avdl": 'protocol A { import protocol "d.avdl"; import idl "b.avdl"; }',
        "b.avdl": 'protocol B { import idl "c.avdl"; }',
        "c.avdl": 'protocol C { import idl "d.avdl"; import idl "b.avdl"; }',
        "d.avdl": "protocol D { void f(int x = 'y'); }",
        "e.avdl": 'protocol E { import idl "g.avdl"; import idl "g.avdl"; }',
        "f.avdl": 'protocol F { import idl "g.avdl"; }',
        "g.avdl": "protocol G {",
    }
    (tmp_path / "h.avdl").symlink_to("h.avdl")
    end = "expected a definition, a message, an import or '}', found the end of the file"
    assert found(tmp_path, files) == [
        "a.avdl:1:30: d.avdl is read by: import idl",
        "b.avdl:1:25: a circle: b.avdl imports c.avdl imports b.avdl",
        'd.avdl:1:29: expected a default of type int, found "y"',
        "g.avdl:1:13: " + end,
        f"h.avdl: can't read the file: {os.strerror(errno.ELOOP)}",
    ]


def test_messages_that_are_imported_twice_are_told_beside_other_problems(tmp_path: Path) -> None:
    files = {
        "a.avdl": 'protocol A { import idl "c.avdl"; void f(); }',
        "b.avdl": 'protocol B { import idl "c.avdl"; import idl "d.avdl"; }',
        "c.avdl": "protocol C { void f(); }",
        "d.avdl": "protocol D { void f(); void g(); }",
        "e.avdl": 'protocol E { import idl "b.avdl"; void g(); }',
        "f.avdl": 'protocol F { import idl "d.avdl"; int f(Nope x); }',
    }
    assert found(tmp_path, files) == [
        "a.avdl:1:40: message 'f' is imported already, from c.avdl",
        "b.avdl:1:46: message 'f' of d.avdl is there already, from c.avdl",
        "f.avdl:1:41: no type 'Nope'",
    ]


def test_problems_of_a_file_stand_in_the_order_of_its_lines(tmp_path: Path) -> None:
    lines = "\n".join(f"void f{at}(Nope x);" for at in range(12))
    text = found(tmp_path, {"a.avdl": f"protocol A {{ {lines} }}"})
    assert [line.split(":")[1] for line in text] == [str(at) for at in range(1, 13)]
