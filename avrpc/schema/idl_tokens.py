"""Avro IDL cut into words, numbers, strings and signs, each with where it stands.

Whole tokens are found by one regular expression, whose repetitions never go back, so the time is
linear in the length of the text. What a string or a number means is worked out when it is asked
for, and what is wrong inside one is reported at the very character.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from avrpc.errors import SchemaError

from .defaults import MAX_LONG, MIN_LONG
from .strictjson import Place

_PART = r"(?:`[^\W\d]\w*+`|[^\W\d]\w*+)"
_TOKEN = re.compile(
    rf"""
      (?P<space>   [ \t\n\r\f]++ | //[^\n\r]*+ )
    | (?P<doc>     /\*\*(?!/).*?\*/ )
    | (?P<comment> /\*.*?\*/ )
    | (?P<name>    {_PART}(?:[.-]{_PART})*+ )
    | (?P<number>  [-+]?\.?[0-9](?:[eEpP][-+]|[\w.])*+ | [-+](?:NaN|Infinity)\b )
    | (?P<string>  "(?:[^"\\\n\r]|\\[^\n\r])*+" | '(?:[^'\\\n\r]|\\[^\n\r])*+' )
    | (?P<sign>    [][(){{}}:;,@=?<>] )
    """,
    re.VERBOSE | re.DOTALL,
)
_LINE_END = re.compile(r"\r\n?|\n")
_INDENT = re.compile(r"[^\S\n\r\f\v]*")

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([0-3][0-7]{2}|[0-7]{1,2})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"} | {
    sign: sign for sign in "\\/'\""
}

_INTEGER = re.compile(r"(-?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))[lL]?")
_FLOAT = re.compile(
    r"([-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+))[fFdD]?"
    r"|([-+]?[0-9]+)[fFdD]"
)
_HEX_FLOAT = re.compile(
    r"([-+]?0[xX](?:[0-9a-fA-F]+\.?|[0-9a-fA-F]*\.[0-9a-fA-F]+)[pP][-+]?[0-9]+)[fFdD]?"
)
_MAX_NUMBER = 100  # characters; turning digits into a number takes the square of their count

OLD_END = "\x1a"  # ended texts on old systems, and so says the grammar; what follows is ignored


class Token(NamedTuple):
    """A word, number, string or sign, or the end.

    Attributes:
        kind: name, number, string, sign or end.
        text: As it stands in the text.
        at: Where it starts, in characters from the start of the text.
        doc: The last doc comment between the token before and this one, as it stands.
    """

    kind: str
    text: str
    at: int
    doc: str | None = None

    def __str__(self) -> str:
        if self.kind == "end":
            return "the end of the file"
        text = self.text if len(self.text) <= 40 else f"{self.text[:37]}..."
        return text if self.kind == "string" else f"'{text}'"

    @property
    def name(self) -> str:
        """A name without its backticks."""
        return self.text.replace("`", "")


class Text:
    """The text of a file, and what it says at a place."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in _LINE_END.finditer(self.text))]

    def position(self, at: int) -> str:
        """Name a place as `file:line:column`."""
        return ":".join(filter(None, (self.source, *map(str, self._line_and_column(at)))))

    def error(self, at: int, problem: str) -> SchemaError:
        line, column = self._line_and_column(at)
        return SchemaError(problem, source=self.source, line=line, column=column)

    def _line_and_column(self, at: int) -> tuple[int, int]:
        """Count both from 1, in characters."""
        line = bisect_right(self._starts, at)
        return line, at - self._starts[line - 1] + 1

    def tokens(self) -> list[Token]:
        """Cut the text into tokens; the last one is the end.

        Raises:
            SchemaError: Something in it is no token.
        """
        found = []
        at, doc, text = 0, None, self.text
        while at < len(text) and text[at] != OLD_END:
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._no_token(at)
            kind = match.lastgroup
            if kind == "doc":
                doc = match.group()
            elif kind not in {"space", "comment"}:
                assert kind is not None
                found.append(Token(kind, match.group(), at, doc))
                doc = None
            at = match.end()
        found.append(Token("end", "", at, doc))
        return found

    def _no_token(self, at: int) -> SchemaError:
        sign = self.text[at]
        if self.text.startswith("/*", at):
            return self.error(at, "this comment has no end (*/)")
        if sign in "\"'":
            return self.error(at, f"this string has no end ({sign}) on its line")
        if sign == "`":
            return self.error(at, "expected a name between backticks, such as `error`")
        return self.error(at, f"{sign!r} means nothing here")

    def string(self, token: Token) -> str:
        """Tell what a string token stands for."""

        def unescape(match: re.Match[str]) -> str:
            hex_digits, octal, sign = match.groups()
            if hex_digits or octal:
                return chr(int(hex_digits, 16) if hex_digits else int(octal, 8))
            if sign not in _ESCAPED:
                what = "\\u needs four hex digits" if sign == "u" else f"\\{sign} is no escape"
                raise self.error(token.at + 1 + match.start(), what)
            return _ESCAPED[sign]

        made = _ESCAPE.sub(unescape, token.text[1:-1])
        try:
            # Two escapes may be the halves of one character.
            return made.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self.error(token.at, "a string holds half of a surrogate pair") from None

    def number(self, token: Token) -> int | float:
        """Tell what a number token stands for."""
        text = token.text
        if len(text) > _MAX_NUMBER:
            raise self.error(token.at, f"a number of more than {_MAX_NUMBER} characters")
        if match := _INTEGER.fullmatch(text):
            sign, hex_digits, octal, digits = match.groups()
            size = (
                int(hex_digits, 16)
                if hex_digits
                else int(digits)
                if digits
                else int(octal or "0", 8)
            )
            number = -size if sign else size
            if not MIN_LONG <= number <= MAX_LONG:
                raise self.error(token.at, f"{token} does not fit 64 bits")
            return number
        if match := _FLOAT.fullmatch(text):
            made = float(match[1] or match[2])
        elif match := _HEX_FLOAT.fullmatch(text):
            try:
                made = float.fromhex(match[1])
            except (OverflowError, ValueError):  # the second for an exponent beyond any
                made = math.inf
        elif text[1:] in NO_NUMBERS:
            raise self.no_json(token)
        else:
            octal_hint = "; a number that starts with 0 is octal" if text.isdigit() else ""
            raise self.error(token.at, f"{token} is no number{octal_hint}")
        if math.isinf(made):
            raise self.error(token.at, f"{token} is more than a double holds")
        return made

    def no_json(self, token: Token) -> SchemaError:
        """Refuse NaN and the infinities, which IDL can write and JSON, so Avro's texts, can't."""
        return self.error(token.at, f"JSON has no {token.text}, so no Avro text can hold it")


@dataclass(slots=True)
class Spot:
    """Where a JSON value came from: a place in the text, and the same for its parts by key."""

    at: int
    parts: dict[str | int, Spot] = field(default_factory=dict)


class LinePlace(Place):
    """A place in the JSON of an IDL file; its errors name line and column instead of a path."""

    __slots__ = ("_spot", "_text")

    def __init__(self, text: Text, spot: Spot) -> None:
        super().__init__(text.position(spot.at), "")
        self._text = text
        self._spot = spot

    def error(self, problem: str) -> SchemaError:
        return self._text.error(self._spot.at, problem)

    def __truediv__(self, key: str | int) -> LinePlace:
        return LinePlace(self._text, self._spot.parts.get(key) or Spot(self._spot.at))


NO_NUMBERS = frozenset(("NaN", "Infinity"))


def doc_text(comment: str) -> str:
    """Give the text of a doc comment, `/**` and all: without stars or indent, as Java's tool does.

    A star or two go if they start every line. Otherwise what white space all lines but the first
    start with goes. Line ends become those of Unix, so that a text does not depend on how a file
    was checked out.
    """
    space = "".join(map(chr, range(33)))
    first, *rest = _LINE_END.split(comment[3:-2].strip(space))
    for stars in ("**", "*"):
        if first.startswith(stars):
            bare = [line[_indent(line) :] for line in rest]
            if all(line.startswith(stars) for line in bare):
                return "\n".join(_after(line, len(stars)) for line in (first, *bare))
    indents = [line[: _indent(line)] for line in rest] or [""]
    least, most = min(indents), max(indents)  # what these two have in common, all have
    pairs = enumerate(zip(least, most, strict=False))
    common = next((at for at, (one, other) in pairs if one != other), len(least))
    return "\n".join((first, *(line[common:] for line in rest)))


def _indent(line: str) -> int:
    match = _INDENT.match(line)
    assert match is not None  # it matches nothing, too
    return match.end()


def _after(line: str, stars: int) -> str:
    """Give what follows the stars, without one space if one is there."""
    return line[stars + (_indent(line[stars:]) > 0) :]
