"""What may be a name, and which name was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, TypeGuard

from .gate import MAX_NAME_LENGTH, check_count
from .strictjson import Place

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FULL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_NAMES = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*,)*")

MAX_SUGGESTING = 100_000  # pairs of letters to compare for "did you mean": 3 ms


def suggest(name: str, known: Iterable[str]) -> str:
    """Give "; did you mean 'x'?" for a name close to a known one, else nothing."""
    some, left = [], MAX_SUGGESTING // max(len(name), 1)
    for one in known:
        left -= len(one)
        if left < 0:
            break
        some.append(one)
    close = difflib.get_close_matches(name, some, n=1, cutoff=0.7)
    if not close:
        close = [other for other in some if other.lower() == name.lower()][:1]
    return f"; did you mean {close[0]!r}?" if close else ""


def check_name(name: object, place: Place, what: str = "a name") -> str:
    """Return a simple name as it is, if Avro allows it."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise place.expected(f"{what} of letters, digits and _, not starting with a digit", name)
    check_count(name, MAX_NAME_LENGTH, "characters in a name", place)
    return name


def is_full_name(name: object) -> TypeGuard[str]:
    """Tell whether something is a name, with or without a namespace in front."""
    return isinstance(name, str) and _FULL_NAME.fullmatch(name) is not None


def check_names(names: list[Any], place: Place, what: str = "a name") -> None:
    """Check a list of simple names: all at once, and one by one where something is wrong."""
    try:
        together = ",".join([*names, ""])
        longest = max(map(len, names), default=0)
    except TypeError:
        fine = False
    else:
        fine = together.count(",") == len(names) and longest <= MAX_NAME_LENGTH
        fine = fine and _NAMES.fullmatch(together) is not None
    if not fine:
        for index, name in enumerate(names):
            check_name(name, place / index, what)


def full_name(json: dict[str, Any], key: str, namespace: str, place: Place) -> str:
    """Work out the full name of the definition `json`, whose name stands under `key`."""
    if key not in json:
        raise place.expected(f'a name under "{key}"', json)
    name = json[key]
    if not is_full_name(name):
        raise (place / key).expected("a name of letters, digits and _, with dots between", name)
    if "namespace" in json and "." not in name:
        namespace = json["namespace"]
        if namespace != "" and not is_full_name(namespace):
            raise (place / "namespace").expected(
                "a namespace: names with dots between", json["namespace"]
            )
    if namespace and "." not in name:
        name = f"{namespace}.{name}"
    if len(name) > MAX_NAME_LENGTH:
        check_count(name, MAX_NAME_LENGTH, "characters in a full name", place / key)
    return name


def namespace_of(name: str) -> str:
    """Give all but the last part of a full name."""
    return name.rpartition(".")[0]
