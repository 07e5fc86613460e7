"""Texts that take the most to read and to compare, of a given size: for `schema_costs`."""

import itertools
import json
import string
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_LETTERS = string.ascii_letters
NAMES = [*_LETTERS, *map("".join, itertools.product(_LETTERS, _LETTERS))]


def _text(types: Iterable[Any] = (), **more: Any) -> str:
    return json.dumps({"protocol": "P", "types": list(types)} | more, separators=(",", ":"))


def _record(name: str, *fields: Any) -> dict[str, Any]:
    named = zip(NAMES, fields, strict=False)
    return {"type": "record", "name": name, "fields": [{"name": n, "type": of} for n, of in named]}


def _unions(count: int, width: int) -> str:
    """Records that each hold a union of many others."""
    some = NAMES[:count] * 2
    return _text(
        _record(name, ["null", *some[at : at + width]]) for at, name in enumerate(NAMES[:count])
    )


def _nested(levels: int) -> Any:
    made: Any = "int"
    for _ in range(levels):
        made = ["null", {"type": "array", "items": made}]
    return made


def _errors(count: int) -> str:
    some = NAMES[:count]
    types = [{"type": "error", "name": name, "fields": []} for name in some]
    messages = {
        name: {"request": [], "response": "null", "errors": some} for name in NAMES[: count // 20]
    }
    return _text(types, messages=messages)


def _messages(count: int) -> str:
    fields = _record("", *["int"] * 8)["fields"]
    one = {"request": fields, "response": "null"}
    return _text(messages=dict.fromkeys(NAMES[:count], one))


def _unlike(count: int) -> str:
    """A name that nobody defines, among many that it could be meant to be."""
    some = [{"type": "fixed", "name": name + "ba" * 30, "size": 1} for name in NAMES[1:count]]
    return _text([_record("A", "ab" * 31), *some])


def _records(fields: list[Any]) -> Callable[[int], str]:
    return lambda count: _text(_record(name, *fields) for name in NAMES[:count])


def _aliases(count: int) -> str:
    return _text([{"type": "fixed", "name": "F", "size": 1, "aliases": ["a"] * count}])


# By name, what makes a text that is longer with every number, and the most that the gate takes.
_MAKERS: dict[str, tuple[Callable[[int], str], int]] = {
    "records of few fields": (_records(["int"] * 9), 999),
    "records of many fields": (_records(["int"] * 99), 999),
    "unions of 50": (lambda count: _unions(count, min(50, count - 1)), 990),
    "unions of 99": (lambda count: _unions(count, min(99, count - 1)), 990),
    "unions in each other": (_records([_nested(12)] * 20), 999),
    "errors of all messages": (_errors, 990),
    "messages": (_messages, 1000),
    "aliases": (_aliases, 1 << 18),
    "empty objects": (lambda count: _text(x=[{}] * count), 1 << 18),
    "empty lists": (lambda count: _text(x=[[]] * count), 1 << 18),
    "names that are alike": (_unlike, 990),
}


def texts(size: int) -> Iterator[tuple[str, str]]:
    """Give the texts, each as long as may be."""
    for name, (make, most) in _MAKERS.items():
        low, high = 2, most
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if len(make(middle)) <= size else (low, middle - 1)
        yield name, make(low)


def _field(name: str, of: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": of, **more}


def _used(types: list[dict[str, Any]]) -> str:
    """A protocol that uses all of some records, both ways."""
    names = [one["name"] for one in types]
    messages = {
        f"m{at}": {
            "request": [_field(f"a{number}", name) for number, name in enumerate(some)],
            "response": ["null", *some],
        }
        for at, some in enumerate(names[at : at + 50] for at in range(0, len(names), 50))
    }
    return _text(types, messages=messages)


def changed_records(count: int) -> tuple[str, str]:
    """Give two versions of records that people could have written, all of them changed."""

    def version(*more: dict[str, Any]) -> str:
        return _used(
            [
                {
                    "type": "record",
                    "name": f"R{number}",
                    "fields": [
                        _field("id", "long"),
                        _field("name", "string"),
                        _field("next", ["null", f"R{(number * 7 + 1) % count}"]),
                        _field("tags", {"type": "array", "items": "string"}),
                        *more,
                    ],
                }
                for number in range(count)
            ]
        )

    return version(), version(_field("more", "int", default=0))


def crossed(size: int, width: int) -> tuple[str, str]:
    """Give two versions of records of one short name, each of which might be any other."""

    def version(leaf: str, count: int) -> str:
        names = [f"n{number}.N" for number in range(count)] * 2
        types = [
            {
                "type": "record",
                "name": name,
                "fields": [
                    _field("l", leaf),
                    _field("u", [*names[at : at + min(width, count)], "null"]),
                ],
            }
            for at, name in enumerate(names[:count])
        ]
        message = {"request": [_field("a", names[0])], "response": names[0]}
        return _text(types, messages={"m": message})

    count = next(n for n in itertools.count(10) if len(version("string", n + 1)) > size)
    return version("int", count), version("string", count)


def wide(count: int) -> tuple[str, str]:
    """Give a version of many records, which the other takes for one, of many fields."""
    many = [{"type": "record", "name": f"x{number}.N", "fields": []} for number in range(count)]
    fields = [_field(f"g{number}", "null", default=None) for number in range(count)]
    one = {"type": "record", "name": "N", "fields": fields}
    versions = []
    for types, names in ((many, [one["name"] for one in many]), ([one], ["N"] * count)):
        request = [_field(f"f{number}", name) for number, name in enumerate(names)]
        messages = {"m": {"request": request, "response": "null"}}
        versions.append(_text(types, messages=messages))
    return versions[0], versions[1]
