"""Avro IDL cut into tokens: what each stands for, and what is none, at the very character."""

import pytest

from avrpc.errors import SchemaError
from avrpc.schema.idl_tokens import LinePlace, Spot, Text, Token, doc_text


def cut(text: str) -> list[tuple[str, str]]:
    """The tokens without their places, and without the end."""
    tokens = Text(text, "f").tokens()
    assert tokens[-1].kind == "end"
    return [(token.kind, token.text) for token in tokens[:-1]]


def only(text: str) -> tuple[Text, Token]:
    whole = Text(text, "f")
    token, _ = whole.tokens()
    return whole, token


TOKENS: list[tuple[str, list[tuple[str, str]]]] = [
    ("", []),
    (" \t\r\n\f", []),
    ("// to the end\n//\r/* ** */ /**/ /***/ // no line end", []),
    ("record A{}", [("name", "record"), ("name", "A"), ("sign", "{"), ("sign", "}")]),
    ("a.b-c.`d`", [("name", "a.b-c.`d`")]),
    ("_a1 é 文字列", [("name", "_a1"), ("name", "é"), ("name", "文字列")]),
    ("a-1", [("name", "a"), ("number", "-1")]),
    ("<<>>[]():;,@=?", [("sign", sign) for sign in "<<>>[]():;,@=?"]),
    ("1 -0x1F +.5e-3f", [("number", "1"), ("number", "-0x1F"), ("number", "+.5e-3f")]),
    ("-Infinity NaN", [("number", "-Infinity"), ("name", "NaN")]),
    (r'"a\"b" ' + r"'a\'b'", [("string", r'"a\"b"'), ("string", r"'a\'b'")]),
    ("a \x1a anything ` goes", [("name", "a")]),
    ("/* a /* b */ c /* d */", [("name", "c")]),
]


@pytest.mark.parametrize(("text", "tokens"), TOKENS)
def test_a_text_is_cut_into_tokens(text: str, tokens: list[tuple[str, str]]) -> None:
    assert cut(text) == tokens


def test_a_token_knows_the_last_doc_comment_in_front_of_it() -> None:
    tokens = Text("/** a */ /** b */ // c\n x /* d */ y /** e */", "f").tokens()
    assert [(token.text, token.doc) for token in tokens] == [
        ("x", "/** b */"),
        ("y", None),
        ("", "/** e */"),
    ]


NO_TOKENS = [
    ("a - b", "f:1:3: '-' means nothing here"),
    ("a\n  #", "f:2:3: '#' means nothing here"),
    ("a\r\n\r\n\u200b", "f:3:1: '\\u200b' means nothing here"),
    ("a\rb\r $", "f:3:2: '$' means nothing here"),
    ("é 文 /* open", "f:1:5: this comment has no end (*/)"),
    ("/** open *", "f:1:1: this comment has no end (*/)"),
    ('"open\n"', 'f:1:1: this string has no end (") on its line'),
    ("'open\\", "f:1:1: this string has no end (') on its line"),
    ("``", "f:1:1: expected a name between backticks, such as `error`"),
    ("`a b`", "f:1:1: expected a name between backticks, such as `error`"),
]


@pytest.mark.parametrize(("text", "error"), NO_TOKENS)
def test_what_is_no_token_is_refused_by_line_and_column(text: str, error: str) -> None:
    with pytest.raises(SchemaError) as caught:
        Text(text, "f").tokens()
    assert str(caught.value) == error


def test_places_without_a_file_are_line_and_column() -> None:
    assert str(Text("ab", "").error(1, "oh")) == "1:2: oh"


def test_tokens_are_shown_in_errors() -> None:
    assert str(Token("name", "a" * 41, 0)) == f"'{'a' * 37}...'"
    assert str(Token("string", '"a"', 0)) == '"a"'
    assert str(Token("end", "", 0)) == "the end of the file"
    assert Token("name", "a.`b`", 0).name == "a.b"


STRINGS = [
    (r'""', ""),
    (r"'it\'s'", "it's"),
    (r'"\n\r\t\b\f\\\/\"\'"', "\n\r\t\b\f\\/\"'"),
    (r'"\0\7\101\3771"', "\0\aA\xff1"),
    (r'"\477"', "'7"),
    (r'"\u00e4\u20AC"', "ä€"),
    (r'"\ud83d\ude00"', "😀"),
    ('"ä\t😀"', "ä\t😀"),
]


@pytest.mark.parametrize(("text", "wanted"), STRINGS)
def test_strings_are_read_with_their_escapes(text: str, wanted: str) -> None:
    whole, token = only(text)
    assert whole.string(token) == wanted


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (r'  "a\q"', r"f:1:5: \q is no escape"),
        (r'"\7\8"', r"f:1:4: \8 is no escape"),
        (r'"\u12g4"', r"f:1:2: \u needs four hex digits"),
        (r'"a\ud83d"', "f:1:1: a string holds half of a surrogate pair"),
        (r'"\ude00\ud83d"', "f:1:1: a string holds half of a surrogate pair"),
    ],
)
def test_wrong_escapes_are_refused_where_they_are(text: str, error: str) -> None:
    whole, token = only(text)
    with pytest.raises(SchemaError) as caught:
        whole.string(token)
    assert str(caught.value) == error


NUMBERS: list[tuple[str, int | float]] = [
    ("0", 0),
    ("-0", 0),
    ("12", 12),
    ("-12l", -12),
    ("12L", 12),
    ("010", 8),
    ("-0x1F", -31),
    ("0Xffl", 255),
    ("9223372036854775807", (1 << 63) - 1),
    ("-0x8000000000000000", -(1 << 63)),
    ("1.0", 1.0),
    ("+1.5", 1.5),
    (".5", 0.5),
    ("5.", 5.0),
    ("1e3", 1000.0),
    ("1E-3d", 0.001),
    ("-2.5e+1F", -25.0),
    ("3f", 3.0),
    ("08.5", 8.5),
    ("08f", 8.0),
    ("0x1p3", 8.0),
    ("-0X.8P1f", -1.0),
    ("0x1.8p-1d", 0.75),
]


@pytest.mark.parametrize(("text", "wanted"), NUMBERS)
def test_numbers_are_read_as_java_reads_them(text: str, wanted: float) -> None:
    whole, token = only(text)
    made = whole.number(token)
    assert made == wanted
    assert type(made) is type(wanted)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("9223372036854775808", "'9223372036854775808' does not fit 64 bits"),
        ("-9223372036854775809L", "'-9223372036854775809L' does not fit 64 bits"),
        ("09", "'09' is no number; a number that starts with 0 is octal"),
        ("1_000", "'1_000' is no number"),
        ("+1", "'+1' is no number"),
        ("0x", "'0x' is no number"),
        ("1.2.3", "'1.2.3' is no number"),
        ("1e", "'1e' is no number"),
        ("1e400", "'1e400' is more than a double holds"),
        ("-0x1p5000", "'-0x1p5000' is more than a double holds"),
        ("0x1p99999999999999999999", "'0x1p99999999999999999999' is more than a double holds"),
        ("1" * 101, "a number of more than 100 characters"),
        ("-Infinity", "JSON has no -Infinity, so no Avro text can hold it"),
        ("+NaN", "JSON has no +NaN, so no Avro text can hold it"),
    ],
)
def test_what_is_no_number_is_refused(text: str, problem: str) -> None:
    whole, token = only(text)
    with pytest.raises(SchemaError) as caught:
        whole.number(token)
    assert str(caught.value) == f"f:1:1: {problem}"


# What Java's IdlReader makes of them, but for line ends.
DOCS = [
    ("/** one line */", "one line"),
    ("/***/", ""),
    ("/** */", ""),
    ("/** * starred */", "starred"),
    ("/** two stars **/", "two stars *"),
    ("/**\n * a\n *   b\n *\n *c\n */", "a\n  b\n\nc"),
    ("/**\r\n * a\r\n * b\r\n */", "a\nb"),
    ("/** a\n  * b */", "a\n* b"),
    ("/**\n ** x\n ** y\n */", "x\ny"),
    ("/**\n ** x\n * y\n */", "* x\ny"),
    ("/**\n * a\n b */", "* a\nb"),
    ("/** one\n    two\n      three */", "one\ntwo\n  three"),
    ("/** a\n\n  b */", "a\n\n  b"),
    ("/** a\n\t b\n\t\tc */", "a\n b\n\tc"),
    ("/**\n   x\n     y\n   z\n   */", "x\n  y\nz"),
]


@pytest.mark.parametrize(("comment", "text"), DOCS)
def test_doc_comments_lose_stars_and_indent(comment: str, text: str) -> None:
    assert doc_text(comment) == text


def test_places_of_json_are_looked_up_by_key_and_else_those_around() -> None:
    text = Text("one\n two\n  three", "f")
    top = LinePlace(text, Spot(0, {"a": Spot(5, {1: Spot(11)})}))
    assert str(top.error("oh")) == "f:1:1: oh"
    assert str((top / "a" / 1).expected("x", 5)) == "f:3:3: expected x, found 5"
    assert str((top / "a" / 0 / "b").error("oh")) == "f:2:2: oh"
    assert (top / "a").source == "f:2:2"
