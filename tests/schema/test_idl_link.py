"""What IDL files bring each other, and in which order their definitions are written."""

import json
from pathlib import Path
from typing import Any

import pytest

from avrpc.errors import SchemaError
from avrpc.schema import Registry
from avrpc.schema.idl import read_idl
from avrpc.schema.idl_link import defined_first
from avrpc.schema.messages import collect_protocol
from avrpc.schema.parse import Names
from tests.schema.build import record_json


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def registry(folder: Path, files: dict[str, str]) -> Registry:
    return Registry(write(folder, files))


def refused(folder: Path, files: dict[str, str]) -> str:
    """The error, without the folder's name."""
    with pytest.raises(SchemaError) as caught:
        registry(folder, files)
    return str(caught.value).replace(f"{folder}/", "")


def messages(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)["messages"]
    return found


# -- definitions


def ordered(text: str, *others: Any) -> Any:
    names = Names()
    document = read_idl(f'@namespace("n") protocol P {{ {text} }}')
    collect_protocol(names, document.json, document.place)
    for other in others:
        names.collect(other, "", document.place)
    return defined_first(document.json, names)["types"]


def test_a_type_is_defined_where_it_is_first_used() -> None:
    text = """record A { B b; array<x.C?> c; map<B> again; A? a; }
        record B { union {null, E, x.F} e; }
        enum E { Z }
        @namespace("x") record C { n.E e; F f; }
        fixed x.F(1);
        record G { C c; Other o; }
        record C {}"""
    e = {"type": "enum", "name": "E", "symbols": ["Z"]}
    f = {"type": "fixed", "name": "F", "namespace": "x", "size": 1}
    b = record_json(("e", ["null", e, f]), name="B")
    x_c = {"type": "record", "name": "C", "namespace": "x"}
    x_c["fields"] = record_json(("e", "n.E"), ("f", "F"))["fields"]
    assert ordered(text, record_json(name="n.Other")) == [
        record_json(
            ("b", b),
            ("c", {"type": "array", "items": ["null", x_c]}),
            ("again", {"type": "map", "values": "B"}),
            ("a", ["null", "A"]),
            name="A",
        ),
        record_json(("c", record_json(name="C")), ("o", "Other"), name="G"),
    ]


def test_a_long_chain_of_types_is_not_nested_without_end() -> None:
    chain = "".join(f"record R{at} {{ R{at + 1} next; }}" for at in range(500))
    types = ordered(f"{chain} record R500 {{}}")
    assert 1 < len(types) < 20
    deep = json.dumps(types)
    assert deep.count('"record"') == 501


# -- messages


def test_messages_come_with_an_import_where_it_stands(tmp_path: Path) -> None:
    made = registry(
        tmp_path,
        {
            "a.avdl": """@namespace("a") protocol A {
                void one(R r) throws b.E;
                import idl "sub/b.avdl";
                /** Own. */ R two();
                import protocol "c.avpr";
                record R { int i; }
            }""",
            "sub/b.avdl": """@namespace("b") protocol B {
                error E {} record R { int i; }
                @stream("response") @x(1) array<R?> b(map<R> r, a.R s = {"i": 1}) throws E;
                void log(string text) oneway;
            }""",
            "c.avpr": json.dumps(
                {
                    "protocol": "C",
                    "messages": {
                        "c": {
                            "doc": "Of C.",
                            "request": [
                                {"name": "f", "type": {"type": "fixed", "name": "F", "size": 1}},
                                {"name": "g", "type": {"type": ["null", "F"], "y": 2}},
                                {"name": "h", "type": {"type": "string", "z": 3}},
                            ],
                            "response": "a.R",
                            "errors": None,
                        }
                    },
                }
            ),
        },
    )
    assert list(made) == ["C", "a.A", "b.B"]
    found = messages(made["a.A"].text)
    assert list(found) == ["one", "b", "log", "two", "c"]
    assert found["b"] == {
        "stream": "response",
        "x": 1,
        "request": [
            {"name": "r", "type": {"type": "map", "values": "b.R"}},
            {"name": "s", "type": "R", "default": {"i": 1}},
        ],
        "response": {"type": "array", "items": ["null", "b.R"]},
        "errors": ["b.E"],
    }
    assert found["log"] == messages(made["B"].text)["log"]
    assert found["c"]["request"] == [
        {"name": "f", "type": "F"},
        {"name": "g", "type": {"type": ["null", "F"], "y": 2}},
        {"name": "h", "type": {"type": "string", "z": 3}},
    ]
    assert found["c"]["response"] == "R"
    assert set(made["A"].types) == {"F", "b.E", "b.R", "a.R"}
    assert list(made["B"].messages) == ["b", "log"]
    assert made["A"].messages["b"].parameters[1].default == {"i": 1}


def test_messages_come_once_however_many_imports_lead_to_them(tmp_path: Path) -> None:
    made = registry(
        tmp_path,
        {
            "a.avdl": 'protocol A { import idl "b.avdl"; import idl "c.avdl"; void a(); }',
            "b.avdl": 'protocol B { import idl "d.avdl"; void b(); }',
            "c.avdl": 'protocol C { void c(); import idl "d.avdl"; import idl "d.avdl"; }',
            "d.avdl": "protocol D { void d(); }",
        },
    )
    assert list(made["A"].messages) == ["d", "b", "c", "a"]
    assert list(made["C"].messages) == ["c", "d"]


def test_a_name_that_would_mean_another_type_there_stays_whole(tmp_path: Path) -> None:
    made = registry(
        tmp_path,
        {
            "a.avdl": 'protocol n.A { import idl "b.avdl"; record R {} }',
            "b.avdl": """@namespace("m") protocol B {
                record R { int i; } record n.`record` { int i; }
                R f(n.R r, n.`record` s); }""",
        },
    )
    assert messages(made["A"].text)["f"] == {
        "request": [{"name": "r", "type": "R"}, {"name": "s", "type": "record"}],
        "response": "m.R",
    }


# -- which files


def test_what_is_imported_from_the_same_folder_is_there_once(tmp_path: Path) -> None:
    made = registry(
        tmp_path,
        {
            "a.avdl": """protocol n.A {
                import idl "types/b.avdl"; import schema "c.avsc"; import idl "types/b.avdl";
                void f(B b, C c); }""",
            "types/b.avdl": 'namespace n; import schema "../c.avsc"; record B { C c; }',
            "c.avsc": json.dumps({"type": "fixed", "name": "n.C", "size": 1}),
        },
    )
    assert list(made) == ["n.A"]
    assert [one["name"] for one in json.loads(made["A"].text)["types"]] == ["n.C", "B"]


def test_files_of_elsewhere_give_their_types_and_messages_alone(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "common/b.avdl": 'protocol n.B { import schema "c.json"; record R { C c; } R b(); }',
            "common/c.json": json.dumps({"type": "fixed", "name": "n.C", "size": 1}),
            "mine/.hidden.avdl": "enum n.E {}",
        },
    )
    made = registry(
        tmp_path / "mine",
        {
            "a.avdl": """protocol n.A {
            import idl "../common/b.avdl"; import idl ".hidden.avdl"; void f(R r, E e); }"""
        },
    )
    assert list(made) == ["n.A"]
    assert list(made["A"].messages) == ["b", "f"]
    assert list(made["A"].types) == ["n.C", "n.R", "n.E"]
    same = Registry(write(tmp_path / "same", {"a.avdl": f'import idl "{tmp_path}/mine/a.avdl";'}))
    assert list(same) == []


REFUSED = [
    (
        {"a.avdl": '\nimport idl "b.avdl";'},
        "a.avdl:2:12: can't read b.avdl: No such file or directory",
    ),
    (
        {"sub/a.avdl": 'protocol P { import schema "../b.avsc"; }'},
        "sub/a.avdl:1:28: can't read sub/../b.avsc: No such file or directory",
    ),
    ({"a.avdl": 'import idl ".";'}, "a.avdl:1:12: can't read "),
    ({"a.avdl": 'import idl "a\\0b";'}, "a.avdl:1:12: can't read "),
    (
        {"a.avdl": 'import idl "a.avdl";'},
        "a.avdl:1:12: a circle: a.avdl imports a.avdl",
    ),
    (
        {
            "a.avdl": 'import idl "d.avdl"; import idl "b.avdl";',
            "b.avdl": '// "\nimport idl "c.avdl";',
            "c.avdl": 'protocol C { import idl "a.avdl"; }',
            "d.avdl": "record D {}",
        },
        "a.avdl:1:33: a circle: a.avdl imports b.avdl imports c.avdl imports a.avdl",
    ),
    (
        {"a.avdl": 'import protocol "b.avsc";', "b.avsc": "[]"},
        "a.avdl:1:17: b.avsc is read by: import schema",
    ),
    ({"a.avdl": 'import idl ".b";', ".b": "record"}, ".b:1:7: expected the name of the record"),
    ({"a.avdl": 'import schema ".b";', ".b": "{"}, ".b: not JSON: line 1, column 2"),
    (
        {"a.avdl": 'import protocol ".b";', ".b": "[]"},
        ".b: $: expected a protocol: an object, found []",
    ),
    (
        {"a.avdl": "protocol A { import idl '.b'; }", ".b": "protocol B { int f() oneway; }"},
        '.b:1:14: expected "null": the message is one-way, found "int"',
    ),
    (
        {
            "a.avdl": 'protocol A { void f();\n import idl "b.avdl"; }',
            "b.avdl": "protocol B { void f(); }",
        },
        "a.avdl:2:13: message 'f' of b.avdl is there already, from a.avdl",
    ),
    (
        {
            "a.avdl": 'protocol A { import idl "b.avdl"; \n void f(); }',
            "b.avdl": "protocol B { void f(); }",
        },
        "a.avdl:2:7: message 'f' is imported already, from b.avdl",
    ),
    (
        {
            "a.avdl": 'protocol A { import protocol "b.avpr"; import idl "c.avdl"; }',
            "b.avpr": '{"protocol": "B", "messages": {"f": {"request": [], "response": "int"}}}',
            "c.avdl": "protocol C { void f(); }",
        },
        "a.avdl:1:51: message 'f' of c.avdl is there already, from b.avpr",
    ),
    (
        {
            "a.avdl": "protocol A { import protocol '.b'; }",
            ".b": '{"protocol": "B", "messages": 5}',
        },
        ".b: $.messages: expected an object: messages by name, found 5",
    ),
    (
        {
            "a.avdl": "protocol n.A { import idl 'b.avdl'; record R {} }",
            "b.avdl": "protocol B { record R {} R f(); }",
        },
        "a.avdl:1:10: an imported message uses type 'R', which would mean 'n.R' here",
    ),
]


@pytest.mark.parametrize(("files", "error"), REFUSED)
def test_what_is_wrong_with_imports_is_named(
    files: dict[str, str], error: str, tmp_path: Path
) -> None:
    assert error in refused(tmp_path, files)


def test_long_chains_of_imports_are_followed(tmp_path: Path) -> None:
    chain = {
        f"a{at}.avdl": f'protocol A{at} {{ import idl "a{at + 1}.avdl"; void m{at}(); }}'
        for at in range(100)
    }
    made = registry(tmp_path, chain | {"a100.avdl": "protocol A100 { void last(); }"})
    assert list(made["A0"].messages) == ["last", *(f"m{at}" for at in reversed(range(100)))]
