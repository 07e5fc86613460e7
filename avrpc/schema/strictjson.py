"""JSON as an interface file may have it: no duplicate keys, no NaN, and errors that say where."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from avrpc.errors import SchemaError


class Place:
    """Where in a text something stands; makes the errors that name it.

    One is made for each part of a text, and hardly any is ever asked for its path.
    """

    __slots__ = ("_above", "_key", "source")

    def __init__(self, source: str = "", key: str | int = "$", above: Place | None = None) -> None:
        self.source = source
        self._key = key
        self._above = above

    def __truediv__(self, key: str | int) -> Place:
        return Place(self.source, key, self)

    @property
    def path(self) -> str:
        """The JSON path: `$.messages.watch.request[0]`."""
        keys: list[str] = []
        place = self
        while (above := place._above) is not None:
            keys.append(_step(place._key))
            place = above
        return f"{place._key}{''.join(reversed(keys))}"  # noqa: SLF001

    def error(self, problem: str) -> SchemaError:
        return SchemaError(problem, source=self.source, path=self.path)

    def expected(self, what: str, found: object) -> SchemaError:
        return self.error(f"expected {what}, found {show(found)}")


def _step(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    if key.replace("-", "_").isidentifier():
        return f".{key}"
    return f"[{json.dumps(key, ensure_ascii=False)}]"


_IN_STEPS = json.JSONEncoder(ensure_ascii=False).iterencode


def show(found: object) -> str:
    """Show a JSON value in an error, cut to a readable length."""
    if isinstance(found, str):
        found = found[:60]
    text = ""
    for more in _IN_STEPS(found):  # what is found may be most of a text, and be shown often
        text += more
        if len(text) > 60:
            return f"{text[:57]}..."
    return text


class _Duplicates(list[tuple[dict[str, Any], str]]):
    """Notes an object that names a key twice; where it stands is only known once all is read."""

    def hook(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs) and not self:
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            self.append((made, twice))
        return made


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:  # Python reads 1e999 as infinity, and would write it as such
        raise ValueError("a number beyond the range of a double")
    return number


def decode(text: str | bytes, place: Place) -> str:
    """Give the text that bytes are in UTF-8, with or without a mark in front."""
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise place.error(f"not UTF-8: byte {exc.start} is 0x{text[exc.start]:02x}") from exc


def read_json(text: str | bytes, source: str = "") -> Any:
    """Parse JSON text.

    Raises:
        SchemaError: It is not UTF-8 or not JSON (with line and column), names a key twice in one
            object (with the path), nests deeper than Python reads, or has a number beyond a double.
    """
    top = Place(source, "")
    text = decode(text, top)
    duplicates = _Duplicates()
    try:
        made = json.loads(
            text,
            object_pairs_hook=duplicates.hook,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        if "\\u" in text or not text.isascii():
            # A lone surrogate ("\ud800") is legal JSON and can't be sent: it has no UTF-8 form.
            json.dumps(made, ensure_ascii=False).encode()
    except json.JSONDecodeError as exc:
        raise top.error(f"not JSON: line {exc.lineno}, column {exc.colno}: {exc.msg}") from exc
    except UnicodeEncodeError as exc:
        raise top.error("a string holds half of a surrogate pair") from exc
    except RecursionError as exc:
        raise top.error("nested too deeply") from exc
    except ValueError as exc:
        raise top.error(f"not JSON: {exc}") from exc
    if duplicates:
        found, key = duplicates[0]
        raise Place(source, _path_to(found, made)).error(f"key {json.dumps(key)} is there twice")
    return made


def _path_to(wanted: object, root: Any) -> str:
    """Find an object in others. There may be a hundred thousand, so most get no place."""
    left = [(root, Place())]
    while left:
        one, place = left.pop()
        if one is wanted:
            return place.path
        for key, value in one.items() if isinstance(one, dict) else enumerate(one):
            if value and isinstance(value, (dict, list)):
                left.append((value, place / key))
    return "$"  # inside a value that a duplicate key hides


def compact(made: Any) -> str:
    """Write JSON as we send and hash it: no spaces, keys as they came, text not escaped.

    It is what JavaScript's JSON.stringify writes, and so what avsc hashes, but for numbers: a
    1.0 in the file stays 1.0, where JavaScript knows no difference from 1.
    """
    return json.dumps(made, separators=(",", ":"), ensure_ascii=False)
