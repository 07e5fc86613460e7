"""What of two versions of a type can be told without looking into it: names, fields, symbols."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from .types import Enum, Field, Fixed, Named, Primitive, Record, Type, short

Pair = tuple[Type, Type]  # a writer's and a reader's


class Verdict(IntEnum):
    """How a writer's version fits a reader's, from best to worst."""

    SAME = 0
    RESOLVABLE = 1  # every value arrives, changed as the rules say
    PARTIAL = 2  # some values do: the reader does not know every branch, symbol or error
    INCOMPATIBLE = 3
    MISSING = 4  # of messages: the other end has none of that name

    def __str__(self) -> str:
        return self.name.lower()


# What a number or a text may become, by the specification.
PROMOTIONS = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}


class Look(NamedTuple):
    """What is seen of a pair when looking at it without its parts.

    Attributes:
        own: How it fits as far as that goes.
        parts: The pairs that a value of it takes. They have to fit; of branches, those that do.
        failed: Pairs that could have been among them, and do not fit: they are the reason.
    """

    own: Verdict
    parts: tuple[Pair, ...] = ()
    failed: tuple[Pair, ...] = ()


_NO = Verdict.INCOMPATIBLE
MISFIT = Look(_NO)
TOO_LARGE = Look(_NO, (), ())  # not the same object: nobody looked


def names_of(reader: Named) -> frozenset[str]:
    """The names under which a writer may know a type."""
    return frozenset((short(reader.name), *reader.aliases))


def same_name(writer: Named, reader: Named) -> bool:
    """Whether a reader's named type takes values of a writer's, going by their names."""
    known = names_of(reader)
    return writer.name in known or short(writer.name) in known


def match_fields(writer: Record, reader: Record) -> list[tuple[Field, Field | None]]:
    """Each field of the reader, with the writer's field that it is read from, if any."""
    theirs = {field.name: field for field in writer.fields}
    matched = [(field, theirs.get(field.name)) for field in reader.fields]
    unmatched = [at for at, (field, source) in enumerate(matched) if not source and field.aliases]
    taken = {source.name for _, source in matched if source} if unmatched else set()
    for at in unmatched:
        field, _ = matched[at]
        alias = next((one for one in field.aliases if one in theirs and one not in taken), None)
        if alias is not None:
            matched[at] = field, theirs[alias]
            taken.add(alias)
    return matched


def renamed(writer: Named, reader: Named) -> Verdict:
    return Verdict.SAME if writer.name == reader.name else Verdict.RESOLVABLE


def enums(writer: Enum, reader: Enum) -> Verdict:
    if writer.symbols == reader.symbols:
        return renamed(writer, reader)
    unknown = set(writer.symbols) - set(reader.symbols)
    if not unknown or reader.default is not None:
        return Verdict.RESOLVABLE
    return Verdict.PARTIAL if len(unknown) < len(writer.symbols) else _NO


def primitives(writer: Primitive, reader: Primitive) -> Verdict:
    if writer.kind == reader.kind:
        return logical(writer, reader)
    if reader.kind not in PROMOTIONS.get(writer.kind, ()):
        return _NO
    text = {writer.kind, reader.kind} == {"string", "bytes"}
    if text and (writer.logical or reader.logical):
        return _NO  # a decimal's bytes are no text, nor a UUID's text bytes
    return max(logical(writer, reader), Verdict.RESOLVABLE)


def logical(writer: Primitive | Fixed, reader: Primitive | Fixed) -> Verdict:
    if writer.logical == reader.logical:
        return Verdict.SAME
    both = writer.logical is not None and reader.logical is not None
    return _NO if both else Verdict.RESOLVABLE
