"""Reading IDL files: what each construct means in JSON, where errors point, and any text at all."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.errors import SchemaError
from avrpc.schema import Protocol
from avrpc.schema.idl import Document, read_idl
from avrpc.schema.idl_link import defined_first
from avrpc.schema.messages import collect_protocol, read_protocol
from avrpc.schema.parse import Names
from avrpc.schema.strictjson import compact
from avrpc.schema.text import self_contained
from tests.schema.idl_random import protocols


def parsed(text: str | bytes) -> Protocol:
    """Go all the way, as the registry does for a file that imports nothing."""
    document = read_idl(text, "f")
    names = Names()
    collect_protocol(names, document.json, document.place)
    own = set(names.definitions)
    read_protocol(names, document.json, document.place)
    names.parse_all()
    return Protocol.parse(self_contained(names, defined_first(document.json, names), own))


def same_order(text: str) -> str:
    """JSON as people write it, in one line: keys keep their order."""
    return compact(json.loads(text))


# What stands between the braces of `protocol P`, and the JSON that it means: all of it is what
# Java's IdlReader makes, down to the order of the keys.

TYPES = [
    ("record R {}", '{"type": "record", "name": "R", "fields": []}'),
    (
        "error E { string why; }",
        '{"type": "error", "name": "E", "fields": [{"name": "why", "type": "string"}]}',
    ),
    ("fixed MD5(0x10);", '{"type": "fixed", "name": "MD5", "size": 16}'),
    ("enum E {}", '{"type": "enum", "name": "E", "symbols": []}'),
    ("enum E { A, B }", '{"type": "enum", "name": "E", "symbols": ["A", "B"]}'),
    (
        "enum E { A, error } = error;",
        '{"type": "enum", "name": "E", "symbols": ["A", "error"], "default": "error"}',
    ),
    (
        "enum E { /** a */ A, @x(1) B }",
        '{"type": "enum", "name": "E", "symbols": ["A", "B"]}',
    ),
    (
        '@p(1) @aliases(["P.Old", "Older"]) @q({"a": [2]}) record R {}',
        """{"type": "record", "name": "R", "fields": [], "p": 1, "q": {"a": [2]},
            "aliases": ["P.Old", "Older"]}""",
    ),
    (
        '@p(1) @aliases(["X"]) enum E { A } = A;',
        """{"type": "enum", "name": "E", "symbols": ["A"], "default": "A", "p": 1,
            "aliases": ["X"]}""",
    ),
    (
        '@logicalType("decimal") @precision(4) @scale(2) @aliases([]) fixed D(2);',
        """{"type": "fixed", "name": "D", "size": 2, "logicalType": "decimal", "precision": 4,
            "scale": 2}""",
    ),
    (
        "record R { int a, b = 3; long c; }",
        """{"type": "record", "name": "R", "fields": [
            {"name": "a", "type": "int"},
            {"name": "b", "type": "int", "default": 3},
            {"name": "c", "type": "long"}]}""",
    ),
    (
        """record R { array<map<string>> a = [{"k": "v"}]; map<int> b = {}; }""",
        """{"type": "record", "name": "R", "fields": [
            {"name": "a", "type": {"type": "array", "items": {"type": "map", "values": "string"}},
             "default": [{"k": "v"}]},
            {"name": "b", "type": {"type": "map", "values": "int"}, "default": {}}]}""",
    ),
    (
        'record R { string? a; string? b = null; int? c = 5; string? d = null, e = "y", f; }',
        """{"type": "record", "name": "R", "fields": [
            {"name": "a", "type": ["null", "string"]},
            {"name": "b", "type": ["null", "string"], "default": null},
            {"name": "c", "type": ["int", "null"], "default": 5},
            {"name": "d", "type": ["null", "string"], "default": null},
            {"name": "e", "type": ["string", "null"], "default": "y"},
            {"name": "f", "type": ["null", "string"]}]}""",
    ),
    (
        'record R { @t(1) int @f(2) @aliases(["b"]) @order("ignore") @g(3) a = 4; }',
        """{"type": "record", "name": "R", "fields": [
            {"name": "a", "type": {"type": "int", "t": 1}, "default": 4, "order": "ignore",
             "aliases": ["b"], "f": 2, "g": 3}]}""",
    ),
    (
        'record R { int @order("ASCENDING") a; int @order("Descending") b; }',
        """{"type": "record", "name": "R", "fields": [
            {"name": "a", "type": "int"}, {"name": "b", "type": "int", "order": "descending"}]}""",
    ),
    (
        "record R { string date, `error`, schema; int namespace; R? `record`; }",
        """{"type": "record", "name": "R", "fields": [
            {"name": "date", "type": "string"}, {"name": "error", "type": "string"},
            {"name": "schema", "type": "string"}, {"name": "namespace", "type": "int"},
            {"name": "record", "type": ["null", "R"]}]}""",
    ),
    (
        """/** One. */ @x(1) record /** No. */ R /** No. */ {
            /** Lost. */ /** Two. */ @y(1) int a, /** Three. */ @z(1) b /** No. */;
            @y(1) /** No. */ int c, d;
            /** No. */ }""",
        """{"type": "record", "name": "R", "doc": "One.", "fields": [
            {"name": "a", "type": {"type": "int", "y": 1}, "doc": "Two."},
            {"name": "b", "type": {"type": "int", "y": 1}, "doc": "Three.", "z": 1},
            {"name": "c", "type": {"type": "int", "y": 1}},
            {"name": "d", "type": {"type": "int", "y": 1}}], "x": 1}""",
    ),
    (
        "/** An enum. */ enum E { A } /***/ fixed F(1);",
        """{"type": "enum", "name": "E", "doc": "An enum.", "symbols": ["A"]},
           {"type": "fixed", "name": "F", "doc": "", "size": 1}""",
    ),
]


@pytest.mark.parametrize(("text", "types"), TYPES)
def test_types(text: str, types: str) -> None:
    wanted = same_order(f'{{"protocol": "P", "types": [{types}], "messages": {{}}}}')
    assert parsed(f"protocol P {{ {text} }}").text == wanted


MESSAGES = [
    ("void f();", '"f": {"request": [], "response": "null"}'),
    (
        "null f(int a, R? b = null);",
        """"f": {"request": [{"name": "a", "type": "int"},
                             {"name": "b", "type": ["null", "R"], "default": null}],
                 "response": "null"}""",
    ),
    (
        'R f(R r, string @x(1) s = "a");',
        """"f": {"request": [{"name": "r", "type": "R"},
                             {"name": "s", "type": "string", "default": "a", "x": 1}],
                 "response": "R"}""",
    ),
    (
        "string? f(@t(1) int a);",
        """"f": {"request": [{"name": "a", "type": {"type": "int", "t": 1}}],
                 "response": ["null", "string"]}""",
    ),
    (
        "array<@x(1) int> f();",
        """"f": {"request": [], "response": {"type": "array", "items": {"type": "int", "x": 1}}}""",
    ),
    ("union {null, R} f();", '"f": {"request": [], "response": ["null", "R"]}'),
    (
        "decimal(4, 2) f();",
        """"f": {"request": [], "response":
                {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}}""",
    ),
    ("void f() throws E;", '"f": {"request": [], "response": "null", "errors": ["E"]}'),
    (
        "int f() throws E, n.F;",
        '"f": {"request": [], "response": "int", "errors": ["E", "F"]}',
    ),
    (
        "void f(int a) oneway;",
        """"f": {"request": [{"name": "a", "type": "int"}], "response": "null",
                 "one-way": true}""",
    ),
    (
        "void `error`(); void `void`(); int map(int `int`); void oneway() oneway;",
        """"error": {"request": [], "response": "null"},
           "void": {"request": [], "response": "null"},
           "map": {"request": [{"name": "int", "type": "int"}], "response": "int"},
           "oneway": {"request": [], "response": "null", "one-way": true}""",
    ),
    (
        "/** Does it. */ @x(1) @y([]) void f(/** One. */ int a, /** No. */ int /** Two. */ b);",
        """"f": {"doc": "Does it.", "x": 1, "y": [], "request": [
                {"name": "a", "type": "int", "doc": "One."},
                {"name": "b", "type": "int", "doc": "Two."}], "response": "null"}""",
    ),
    (
        '@stream("response") array<R> f(string a) throws E;',
        """"f": {"stream": "response", "request": [{"name": "a", "type": "string"}],
                 "response": {"type": "array", "items": "R"}, "errors": ["E"]}""",
    ),
    (
        '@idempotent(true) @stream("request") int f(array<R> r);',
        """"f": {"idempotent": true, "stream": "request",
                 "request": [{"name": "r", "type": {"type": "array", "items": "R"}}],
                 "response": "int"}""",
    ),
]

# Java's IdlReader (1.12) refuses annotations here, where it takes them for the response's.
OURS = [("@idempotent(true) R f();", '"f": {"idempotent": true, "request": [], "response": "R"}')]


@pytest.mark.parametrize(("text", "messages"), MESSAGES + OURS)
def test_messages(text: str, messages: str) -> None:
    types = "record R { int i; } error E {} error F {}"
    wanted = same_order(
        f"""{{"protocol": "P", "namespace": "n", "types": [
            {{"type": "record", "name": "R", "fields": [{{"name": "i", "type": "int"}}]}},
            {{"type": "error", "name": "E", "fields": []}},
            {{"type": "error", "name": "F", "fields": []}}], "messages": {{{messages}}}}}"""
    )
    assert parsed(f'@namespace("n") protocol P {{ {types} {text} }}').text == wanted
    assert parsed(f'@namespace("n") protocol P {{ {text} {types} }}').text == wanted


def test_our_marks_make_a_message_what_they_say() -> None:
    made = parsed('protocol P { @stream("both") @idempotent(true) array<int> f(array<int> a); }')
    assert str(made.messages["f"].kind) == "streamed both ways"
    assert made.messages["f"].idempotent


PROTOCOLS = [
    ("protocol P {}", '{"protocol": "P"'),
    ("protocol a.b.P {}", '{"protocol": "P", "namespace": "a.b"'),
    ('@namespace("a.b") protocol P {}', '{"protocol": "P", "namespace": "a.b"'),
    ('@namespace("x") protocol a.b.P {}', '{"protocol": "P", "namespace": "a.b"'),
    ('@namespace("") protocol P {}', '{"protocol": "P"'),
    (
        '/** Says it. */ @x(1) @namespace("n") @y(2) protocol P {}',
        '{"protocol": "P", "namespace": "n", "doc": "Says it.", "x": 1, "y": 2',
    ),
    (
        "/** No. */ /** Says it. */ protocol /** No. */ P { /** No. */ } /** No. */",
        '{"protocol": "P", "doc": "Says it."',
    ),
    ("protocol P {}\x1awhat old systems left behind '", '{"protocol": "P"'),
]


@pytest.mark.parametrize(("text", "start"), PROTOCOLS)
def test_protocols(text: str, start: str) -> None:
    assert parsed(text).text == same_order(f'{start}, "types": [], "messages": {{}}}}')


def test_bytes_are_utf_8_with_or_without_a_mark() -> None:
    text = '/** ä */ protocol P { record R { string a = "😀"; } } // ü'
    assert parsed(text.encode()).text == parsed(text).text
    assert parsed(text.encode("utf-8-sig")).text == parsed(text).text
    with pytest.raises(SchemaError, match=r"^f: not UTF-8: byte 1 is 0xff"):
        read_idl(b"/\xff", "f")


NAMESPACES = """
@namespace("n") protocol P {
  @namespace("m") record A { m.B b; }
  record m.B { A? a; }
  record B {}
  @namespace("") record C { n.B b; }
  @namespace("n") @aliases(["n.Old", "o.Old"]) record D { n.B b; m.B c; C d; }
  D f(m.B b) throws E;
  error n.E {}
}"""


def test_namespaces() -> None:
    assert parsed(NAMESPACES).text == same_order(
        """{"protocol": "P", "namespace": "n", "types": [
            {"type": "record", "name": "A", "namespace": "m", "fields": [
                {"name": "b", "type": {"type": "record", "name": "B", "fields": [
                    {"name": "a", "type": ["null", "A"]}]}}]},
            {"type": "record", "name": "B", "fields": []},
            {"type": "record", "name": "C", "namespace": "", "fields": [
                {"name": "b", "type": "n.B"}]},
            {"type": "record", "name": "D", "fields": [
                {"name": "b", "type": "B"}, {"name": "c", "type": "m.B"},
                {"name": "d", "type": "C"}], "aliases": ["Old", "o.Old"]},
            {"type": "error", "name": "E", "fields": []}],
          "messages": {"f": {"request": [{"name": "b", "type": "m.B"}], "response": "D",
            "errors": ["E"]}}}"""
    )


FILES: list[tuple[str, str, Any]] = [
    ("schema int;", "[]", "int"),
    ("schema union {};", "[]", []),
    ("namespace a.b;", "[]", None),
    (
        "namespace a.b; schema array<R>; record R { c.E e; a.b.R? r; } @namespace('c') enum E {}",
        """[{"type": "record", "name": "R", "namespace": "a.b", "fields": [
                {"name": "e", "type": "c.E"}, {"name": "r", "type": ["null", "R"]}]},
            {"type": "enum", "name": "E", "namespace": "c", "symbols": []}]""",
        {"type": "array", "items": "R"},
    ),
    (
        "/** One. */ record R {} /** Two. */ @x(1) fixed a.F(1);",
        """[{"type": "record", "name": "R", "doc": "One.", "fields": []},
            {"type": "fixed", "name": "F", "namespace": "a", "doc": "Two.", "size": 1, "x": 1}]""",
        None,
    ),
    ("@namespace('') record R {}", '[{"type": "record", "name": "R", "fields": []}]', None),
]


@pytest.mark.parametrize(("text", "types", "main"), FILES)
def test_files_without_a_protocol_hold_types(text: str, types: str, main: Any) -> None:
    document = read_idl(text)
    assert compact(document.json) == same_order(types)
    assert document.main == main
    assert not document.is_protocol


def test_imports_are_told_with_their_places() -> None:
    text = """protocol P {
      import idl "a.avdl"; void f();
      import protocol 'b\\u0061.avpr';
      import schema "c.avsc"; }"""
    found = read_idl(text, "f").imports
    assert [(one.kind, one.location, one.before, one.place.source) for one in found] == [
        ("idl", "a.avdl", 0, "f:2:18"),
        ("protocol", "ba.avpr", 1, "f:3:23"),
        ("schema", "c.avsc", 1, "f:4:21"),
    ]
    assert len(read_idl("import idl 'a'; record R {} import idl 'b';").imports) == 2


def test_the_example_of_the_docs_is_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "idl.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```avdl .*?\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    made = parsed(example)
    assert made.name == "demo.Quotes"
    assert {name: str(message.kind) for name, message in made.messages.items()} == {
        "last": "unary",
        "watch": "streamed response",
        "record": "streamed request",
        "note": "one-way",
    }


# -- errors

SYNTAX = [
    ("", "1:1: expected 'record', 'error', 'enum', 'fixed', 'import', 'protocol', 'namespace' or"),
    ("\n // only this\n", "3:1: expected 'record', 'error'"),
    ("protocl P {}", "1:1: expected 'record', 'error', 'enum', 'fixed', 'import', 'protocol',"),
    ("protocl P {}", "found 'protocl'; did you mean 'protocol'?"),
    ("record R {} protocol P {}", "1:13: expected 'record', 'error', 'enum', 'fixed' or 'import',"),
    ("@x(1) namespace n;", "1:7: expected 'record', 'error', 'enum', 'fixed', 'import',"),
    ("record R {};", "1:12: expected 'record', 'error', 'enum', 'fixed' or 'import', found ';';"),
    ("record R {};", "found ';'; none is needed after '}'"),
    ("record R {} @x(1)", "1:18: expected 'record', 'error', 'enum', 'fixed' or 'import', found"),
    ("namespace;", "1:10: expected a namespace, found ';'"),
    ("namespace a", "1:12: expected ';', found the end of the file"),
    ("schema int", "1:11: expected ';', found the end of the file"),
    ("protocol {}", "1:10: expected the protocol's name, found '{'"),
    ("protocol P", "1:11: expected '{', found the end of the file"),
    ("protocol P {", "1:13: expected a definition, a message, an import or '}', found the end"),
    ("protocol P {} x", "1:15: expected the end of the file, found 'x'"),
    ("protocol P { record R {}; }", "1:25: expected a definition, a message, an import or '}',"),
    ("protocol P { record R {}; }", "found ';'; none is needed after '}'"),
    ('protocol P { import avdl "a"; }', "1:21: expected 'idl', 'protocol' or 'schema', found 'av"),
    ('protocol P { import scheme "a"; }', "found 'scheme'; did you mean 'schema'?"),
    ("protocol P { import idl a; }", "1:25: expected the path of a file, in quotes, found 'a'"),
    ('@x(1) import idl "a";', "1:2: @x can't stand in front of an import"),
    ('protocol P { @x(1) import idl "a"; }', "1:15: @x can't stand in front of an import"),
    ("protocol P { recrod R {} }", "1:14: expected a message, or 'record', 'error' or 'enum',"),
    ("protocol P { recrod R {} }", "found 'recrod'; did you mean 'record'?"),
    ("record 5 {}", "1:8: expected the name of the record, found '5'"),
    ("record R { int; }", "1:15: expected the field's name, found ';'"),
    ("record R { int a }", "1:18: expected ',' or ';', found '}'"),
    ("record R { int a = ; }", "1:20: expected a value in JSON, found ';'"),
    ("record R { int a, ; }", "1:19: expected the field's name, found ';'"),
    ("record R { int a;", "1:18: expected a type, found the end of the file"),
    ("fixed F { }", "1:9: expected '(', found '{'"),
    ("fixed F(x);", "1:9: expected the size in bytes, found 'x'"),
    ("fixed F(1)", "1:11: expected ';', found the end of the file"),
    ("enum E { A, }", "1:13: expected a symbol, found '}'"),
    ("enum E { A B }", "1:12: expected ',' or '}', found 'B'"),
    ("enum E { A } = ;", "1:16: expected a symbol, found ';'"),
    ("enum E { A } = A", "1:17: expected ';', found the end of the file"),
    ("protocol P { void (); }", "1:19: expected the message's name, found '('"),
    ("protocol P { void f; }", "1:20: expected '(', found ';'"),
    ("protocol P { void f(int); }", "1:24: expected the parameter's name, found ')'"),
    ("protocol P { void f(int a int b); }", "1:27: expected ',' or ')', found 'int'"),
    ("protocol P { void f() trows E; }", "1:23: expected ';', 'throws' or 'oneway', found 'trows'"),
    ("protocol P { void f() trows E; }", "; did you mean 'throws'?"),
    ("protocol P { void f() oneway\n throws E; }", "2:2: expected ';', found 'throws'"),
    ("protocol P { void f() throws ; }", "1:30: expected the name of an error, found ';'"),
    ("protocol P { void f() throws E F; }", "1:32: expected ',' or ';', found 'F'"),
    ("protocol P { void f();\n\tint f(); }", "2:6: message 'f' is there already, at f:1:19"),
    ('@doc("x") protocol P {}', "1:2: @doc is no annotation: it is said by a comment /** ... */"),
    ("@size(1) fixed F(1);", "1:2: @size is no annotation: it is said by the IDL itself"),
    ("record R { int @default(1) a; }", "1:17: @default is no annotation: it is said by '= value'"),
    ("protocol P { @errors([]) void f(); }", "1:15: @errors is no annotation: it is said by 'thr"),
    ("protocol P { @one-way(true) void f(); }", "1:15: @one-way is no annotation: it is said by '"),
]


@pytest.mark.parametrize(("text", "error"), SYNTAX)
def test_what_is_no_idl_is_refused_by_line_and_column(text: str, error: str) -> None:
    with pytest.raises(SchemaError) as caught:
        read_idl(text, "f")
    assert str(caught.value).startswith("f:")
    assert error in str(caught.value)


# The rules of Avro are those of the JSON; what is checked here is where they point.
RULES = [
    ("protocol a-b {}", "1:10: expected a name of letters, digits and _, with dots between"),
    ("protocol Протоколы {}", "1:10: expected a name of letters, digits and _, with dots betw"),
    ("@namespace(5) protocol P { record R {} }", "1:12: expected a namespace: names with dots"),
    ("protocol P { record R { strin a; } }", "1:25: no type 'strin'; did you mean 'string'?"),
    ("protocol P { record R { int b; \n int a-b; } }", "2:6: expected a name of letters, digits"),
    ("protocol P { record R { array<Nope> a, b; } }", "1:31: no type 'Nope'"),
    ("protocol P { record R { union{int, union{int}} a; } }", "1:36: a union directly in a union"),
    ("protocol P { record R { array<int?> a, a; } }", "1:40: field 'a' is there twice"),
    ("protocol P { record R { int? a = 'x'; } }", "1:34: expected a default for union {int, null}"),
    (
        "protocol P { record R { map<int> a = {'x': 'y'}; } }",
        "1:44: expected a default of type int",
    ),
    (
        "protocol P { record R { array<int> a = [1, 'y']; } }",
        "1:44: expected a default of type int",
    ),
    ("protocol P { record R { Nope? a = 'x'; } }", "1:25: no type 'Nope'"),
    ("protocol P { record R { int @order('up') a; } }", "1:36: expected ascending, descending or"),
    ("protocol P { record R { int @order(1) a; } }", "1:36: expected ascending, descending or"),
    ("protocol P { record R { int @aliases(['a b']) a; } }", "1:39: expected a name of letters"),
    ("protocol P { @aliases([1]) record R {} }", "1:24: expected a name, found 1"),
    ("protocol P { @aliases('x') record R {} }", '1:23: expected a list, found "x"'),
    ("protocol P { record R {}\nenum R {} }", "2:6: 'R' is defined already, at f:1:21"),
    ("protocol P { record R { R r; } }", "1:21: 'R': a value would hold itself without end"),
    ("protocol P { record `int` {} }", "1:21: 'int' is a primitive type's name"),
    ("protocol P { enum E { A, A } }", "1:26: symbol 'A' is there twice"),
    ("protocol P { enum E { A } = B; }", '1:29: expected one of the symbols ["A"], found "B"'),
    ("protocol P { fixed F(-1); }", "1:22: expected a number of bytes from 0 to"),
    ("protocol P { void a-b(); }", "1:19: expected a message's name of letters"),
    ("protocol P { void f(int a, int a); }", "1:32: parameter 'a' is there twice"),
    ("protocol P { void f(R r); }", "1:21: no type 'R'"),
    ("protocol P { R? f(); }", "1:14: no type 'R'"),
    (
        "protocol P { int f() oneway; }",
        '1:14: expected "null": the message is one-way, found "int"',
    ),
    ("protocol P { record R {} void f() throws R; }", "1:42: expected the name of a type defined"),
    ("protocol P { error E {} void f() throws E, E; }", "1:44: error 'E' is there twice"),
    (
        "protocol P { @stream('response') int f(); }",
        "1:34: expected an array, since it is streamed",
    ),
    ("protocol P { @stream('up') int f(); }", '1:22: expected "response", "request" or "both"'),
    ("protocol P { @idempotent(1) int f(); }", "1:26: expected true or false, found 1"),
    ("protocol P { @stream('both') array<int> f(); }", "1:42: no parameter to stream"),
    ("protocol P { @stream('request') int f(string s); }", "1:39: expected an array, since it is"),
    ("protocol P { array<null> f(); }", "1:20: items of type null may take no bytes at all"),
]


@pytest.mark.parametrize(("text", "error"), RULES)
def test_what_breaks_a_rule_is_refused_by_line_and_column(text: str, error: str) -> None:
    with pytest.raises(SchemaError) as caught:
        parsed(text)
    assert str(caught.value).startswith(f"f:{error}")
    line, column = error.split(":")[:2]
    assert (caught.value.source, caught.value.path) == ("f", "")
    assert (caught.value.line, caught.value.column) == (int(line), int(column))


# -- any text


@given(protocols())
def test_a_protocol_in_idl_is_the_one_in_json(case: tuple[str, Any]) -> None:
    text, wanted = case
    assert compact(read_idl(text).json) == compact(wanted)


WHOLE: list[str] = [
    *(f"protocol P {{ {text} }}" for text, _ in TYPES),
    *(f"protocol P {{ record R {{ int i; }} error E {{}} {text} }}" for text, _ in MESSAGES),
    *(text for text, _ in PROTOCOLS),
    *(text for text, *_ in FILES),
    NAMESPACES,
]
WORDS = (
    *("protocol", "P", "x", "record", "error", "enum", "fixed", "import", "idl", "schema", "union"),
    *("array", "map", "int", "string", "void", "throws", "oneway", "namespace", "decimal", "date"),
    *("1", "-1.5", '"a"', "'b'", "NaN", "true", "null", "/** */", "/*", "//", "`", "\\", "\n"),
    *"{}()<>[],;:=?@.-",
)


@st.composite
def broken(draw: st.DrawFn) -> str:
    """A file with some pieces of others in it, or pieces gone."""
    text = draw(st.sampled_from(WHOLE))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 12)))
        other = draw(st.sampled_from(WHOLE))
        at = draw(st.integers(0, len(other)))
        piece = draw(st.sampled_from(["", other[at : at + draw(st.integers(0, 12))]]))
        text = text[:start] + piece + text[end:]
    return text


def assert_read_or_refused(text: str | bytes) -> None:
    try:
        document = read_idl(text, "f")
        assert isinstance(document, Document)
        if document.is_protocol:
            parsed(text)
    except SchemaError as exc:
        assert exc.source == "f"  # noqa: PT017 - that it is raised is not demanded


@given(broken())
def test_a_broken_file_is_read_or_refused(text: str) -> None:
    assert_read_or_refused(text)


@given(st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_words_are_read_or_refused(text: str) -> None:
    assert_read_or_refused(text)


@given(st.one_of(st.text(), st.binary()))
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    assert_read_or_refused(text)
