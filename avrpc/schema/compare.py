"""Finding where two versions of a protocol differ, in words.

What counts is what changes bytes on the wire or what a caller sees. `compat` (a later step) says
which differences fit each other; this only says which is the first.
"""

from __future__ import annotations

import json

from .messages import Signature, Signatures
from .types import NAMED, Array, Enum, Field, Fixed, Map, Record, Type, Union


def difference(ours: Signatures, theirs: Signatures) -> str | None:
    """Give the first difference, in the order of our messages; None if both mean the same."""
    if ours.name != theirs.name:
        return _both(ours.name, theirs.name)
    for name, message in ours.messages.items():
        other = theirs.messages.get(name)
        if other is None:
            return f"message {name!r}: only this end has it"
        found = _message(message, other)
        if found is not None:
            return f"message {name!r}: {found}"
    for name in theirs.messages:
        if name not in ours.messages:
            return f"message {name!r}: only the other end has it"
    return None


def _both(ours: object, theirs: object) -> str:
    return f"this end has {ours}, the other {theirs}"


def _message(ours: Signature, theirs: Signature) -> str | None:
    if ours.kind != theirs.kind:
        return _both(ours.kind, theirs.kind)
    mine, others = ours.request.fields, theirs.request.fields
    names = _names(mine), _names(others)
    if names[0] != names[1]:
        return _both(*(f"the parameters ({one})" for one in names))
    for our_field, their_field in zip(mine, others, strict=True):
        found = _field(our_field, their_field, f"parameter {our_field.name!r}")
        if found is not None:
            return found
    found = type_difference(ours.response, theirs.response, "response")
    if found is not None:
        return found
    errors = [", ".join(error.name for error in one.errors) or "none" for one in (ours, theirs)]
    if errors[0] != errors[1]:
        return f"errors: {_both(*errors)}"
    for our_error, their_error in zip(ours.errors, theirs.errors, strict=True):
        found = type_difference(our_error, their_error, "errors")
        if found is not None:
            return found
    return None


def _names(fields: tuple[Field, ...]) -> str:
    return ", ".join(field.name for field in fields)


def _field(ours: Field, theirs: Field, where: str) -> str | None:
    found = _default(ours, theirs)
    if found is not None:
        return f"{where}: {found}"
    return type_difference(ours.type, theirs.type, where)


def _default(ours: Field, theirs: Field) -> str | None:
    shown = [
        f"the default {json.dumps(one.default_json, sort_keys=True)}"
        if one.has_default
        else "no default"
        for one in (ours, theirs)
    ]
    return _both(*shown) if shown[0] != shown[1] else None


def type_difference(ours: Type, theirs: Type, where: str) -> str | None:
    """Say where two types differ, beginning with `where`; None if they are the same."""
    left = [(where, "", ours, theirs)]
    seen: set[tuple[Type, Type]] = set()
    while left:
        where, inside, one, other = left.pop()
        if (one, other) in seen:
            continue
        seen.add((one, other))
        place = f"{where}: {inside}" if inside else where
        found = _shallow(one, other)
        if found is not None:
            return f"{place}: {found}"
        inner: list[tuple[str, str, Type, Type]] = []
        match one, other:
            case Record(), Record():
                for mine, its in zip(one.fields, other.fields, strict=True):
                    name = f"{one}.{mine.name}"
                    found = _default(mine, its)
                    if found is not None:
                        return f"{where}: {name}: {found}"
                    inner.append((where, name, mine.type, its.type))
            case Array(), Array():
                inner.append((where, f"{inside}[]", one.items, other.items))
            case Map(), Map():
                inner.append((where, f"{inside}[]", one.values, other.values))
            case Union(), Union():
                pairs = zip(one.branches, other.branches, strict=True)
                inner.extend((where, inside, mine, its) for mine, its in pairs)
        left.extend(reversed(inner))
    return None


def _shallow(ours: Type, theirs: Type) -> str | None:
    """Compare two types without what they are made of."""
    if isinstance(ours, NAMED) and isinstance(theirs, NAMED):
        if (ours.kind, ours.name) != (theirs.kind, theirs.name):
            return _both(*(f"the {one.kind} {one.name}" for one in (ours, theirs)))
    elif ours.kind != theirs.kind:
        return _both(ours, theirs)
    if ours.logical != theirs.logical:
        return _both(ours, theirs)
    match ours, theirs:
        case Enum(), Enum():
            if ours.symbols != theirs.symbols:
                return _both(*(f"the symbols {', '.join(one.symbols)}" for one in (ours, theirs)))
            if ours.default != theirs.default:
                return _both(*(f"the default {one.default}" for one in (ours, theirs)))
        case Fixed(), Fixed() if ours.size != theirs.size:
            return _both(*(f"{one.size} bytes" for one in (ours, theirs)))
        case Union(), Union() if len(ours.branches) != len(theirs.branches):
            return _both(ours, theirs)
        case Record(), Record() if _names(ours.fields) != _names(theirs.fields):
            return _both(*(f"the fields {_names(one.fields)}" for one in (ours, theirs)))
    return None
