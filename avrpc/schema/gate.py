"""What a schema may be, so that neither it nor any value of it can hurt whoever reads it.

The limits hold for every text, a peer's and our own files' alike. Bytes and
brackets are counted before JSON is parsed (Python's parser calls itself for each bracket), and
`parse` counts the rest as it reads. The rules of Avro itself are `parse`'s own, and how deep values
may nest is `types`'.

Bytes are no measure for the work that a value makes: `record {boolean; 20 nulls}` is 22 Python
objects from one byte. So values are counted in *nodes* of some 0.15 us each. How many a value has
at most, with what is in arrays and maps left out, follows from its type, and how many bytes it
takes at least. What is in an array, a map or a record that holds itself pays with bytes of its own.
So a type's nodes per byte are bounded, and only messages that are long for that (4 MiB of text are
not, 200 KiB of booleans are) have to be counted before they are decoded: see `scan`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sized
from itertools import accumulate
from typing import NamedTuple

from .strictjson import Place
from .types import (
    PRIMITIVES,
    Array,
    Fixed,
    Map,
    Primitive,
    Record,
    Type,
    Union,
    components,
    held_records,
    parts,
    records_in,
)

MAX_TEXT_BYTES = 256 * 1024  # of a protocol, as it is sent; PROTOCOL.md promises it
MAX_BRACKETS = 64  # in each other; a person stops at fifteen, Python 3.11's parser at 990
MAX_TYPES = 1000  # with names, of a protocol
MAX_MESSAGES = 1000
MAX_FIELDS = 1000  # of a record, or parameters of a message
MAX_SYMBOLS = 10_000
MAX_BRANCHES = 100
MAX_NAME_LENGTH = 255
MAX_NODES = 250_000  # of a message, or of a frame of items: some 40 ms, and 40 MB
MAX_RECORD_NODES = 10_000  # of a record, what is in its arrays and maps left out

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ALL_BUT_SIGNS = bytes(set(range(256)) - set(b'[]{}"\\'))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def check_text(text: bytes, place: Place) -> None:
    """Refuse the text of a protocol that is too long, or whose brackets nest too deeply."""
    if len(text) > MAX_TEXT_BYTES:
        raise place.error(f"expected a text of at most {MAX_TEXT_BYTES} bytes, found {len(text)}")
    signs = text.translate(None, _ALL_BUT_SIGNS).replace(b'""', b"")
    if b'"' in signs or b"\\" in signs:  # strings hold brackets or quotes; most texts have none
        signs = _STRING.sub(b"", text).translate(None, _ALL_BUT_BRACKETS)
    deepest = max(accumulate(map(_STEP.__getitem__, signs)), default=0)
    if deepest > MAX_BRACKETS:
        raise place.error(
            f"expected at most {MAX_BRACKETS} brackets in each other, found {deepest}"
        )


def check_count(found: Sized, limit: int, what: str, place: Place) -> None:
    """Refuse a list, an object or a name that is too long."""
    if len(found) > limit:
        raise place.error(f"expected at most {limit} {what}, found {len(found)}")


class Size(NamedTuple):
    """Bounds for any value of a type.

    Attributes:
        most_nodes: How many nodes it has at most, but for what is in its arrays and maps, and for
            recursive records in its unions.
        least_bytes: How many bytes it takes at least.
    """

    most_nodes: int
    least_bytes: int


_LEAST_BYTES = {"null": 0, "float": 4, "double": 8}
_PLAIN = {kind: Size(1, _LEAST_BYTES.get(kind, 1)) for kind in PRIMITIVES}
_NONE = Size(0, 0)


def nodes_of(of: Primitive | Fixed) -> int:
    """Count nodes by what making the value costs: a UUID takes 0.9 us."""
    if of.logical is None:
        return 1
    if of.logical.name == "decimal":
        return 3 + of.logical.precision // 8  # 1,000 digits take 20 us
    return 6 if of.logical.name == "uuid" else 2


def tag_nodes(of: Union) -> int:
    """Count what naming the branch of a value costs: a tuple, a `Branch` and calls."""
    return 2 if of.tagged else 0


_NOTHING: Mapping[Type, int] = {}


def size_of(of: Type, known: dict[Type, Size], added: Mapping[Type, int] = _NOTHING) -> Size:
    """Work out the bounds for a type.

    Args:
        known: Those of the records that it holds, arrays and maps aside. Unions are added.
        added: How many nodes a value of a type has besides its own.
    """
    if of in added and not isinstance(of, Record):
        size = _size_of(of, known, added)
        return Size(size.most_nodes + added[of], size.least_bytes)
    return _size_of(of, known, added)


def _size_of(of: Type, known: dict[Type, Size], added: Mapping[Type, int]) -> Size:
    match of:
        case Primitive():
            plain = _PLAIN[of.kind]
            return plain if of.logical is None else Size(nodes_of(of), plain.least_bytes)
        case Record():
            return known[of]
        case Union() if of in known:
            return known[of]
        case Union():
            # A recursive record in it is counted by itself: the branch's number pays for it.
            sizes = [
                _NONE
                if isinstance(branch, Record) and branch.recursive
                else size_of(branch, known, added)
                for branch in of.branches
            ]
            nodes = tag_nodes(of) + max([size.most_nodes for size in sizes])
            known[of] = Size(nodes, 1 + min([size.least_bytes for size in sizes]))
            return known[of]
        case Fixed():
            return Size(nodes_of(of), of.size)
    return Size(1, 1)  # an enum; an array or a map, when empty


def record_sizes(
    records: Iterable[Record], added: Mapping[Type, int] = _NOTHING
) -> dict[Type, Size]:
    """Work out the bounds for records, those that they hold first.

    Args:
        records: In the order of `shallow_order`.
        added: As for `size_of`.
    """
    known: dict[Type, Size] = {}
    for record in records:
        nodes, least = 1 + added.get(record, 0), 0
        for field in record.fields:
            most_nodes, least_bytes = size_of(field.type, known, added)
            nodes += most_nodes
            least += least_bytes
        known[record] = Size(nodes, least)
    return known


def shallow_order(records: Iterable[Record]) -> list[Record]:
    """Bring records into an order in which `record_sizes` can take them."""
    return [record for group in components(records, _held_shallow) for record in group.records]


def _held_shallow(record: Record) -> list[Record]:
    """Give the records that count as part of a value of `record`: no array or map between."""
    found: list[Record] = []
    for field in record.fields:
        if isinstance(field.type, Record):
            found.append(field.type)
        elif isinstance(field.type, Union):
            found += [
                branch
                for branch in field.type.branches
                if isinstance(branch, Record) and not branch.recursive
            ]
    return found


class Weight(NamedTuple):
    """How many nodes the values of a type have: at most `nodes`, and `nodes_per_byte` more."""

    nodes: int
    nodes_per_byte: float

    @property
    def safe_bytes(self) -> int:
        """How long a value may be that need not be counted."""
        return int((MAX_NODES - self.nodes) / self.nodes_per_byte)


def weigh(root: Type, added: Mapping[Type, int] = _NOTHING) -> Weight:
    """Work out how many nodes bytes can make of a type.

    An item of an array, an entry of a map and a recursive record pay for their own nodes, with at
    least a byte each; the dearest of them is what a byte can make. The rest is the root's own.

    Args:
        root: The type.
        added: How many nodes a value of a type has besides its own: what its reader adds.
    """
    records = [one for group in components(records_in(root), held_records) for one in group.records]
    known = record_sizes(shallow_order(records), added)
    dearest = max((_ratio(known[one]) for one in records if one.recursive), default=1.0)
    left = list(dict.fromkeys(field.type for record in records for field in record.fields))
    left.append(root)
    while left:
        one = left.pop()
        if isinstance(one, Array):
            dearest = max(dearest, _ratio(size_of(one.items, known, added)))
        elif isinstance(one, Map):
            entry = size_of(one.values, known, added)
            dearest = max(dearest, _ratio(Size(1 + entry.most_nodes, 1 + entry.least_bytes)))
        if not isinstance(one, Record):
            left.extend(parts(one))
    return Weight(size_of(root, known, added).most_nodes, dearest)


def _ratio(size: Size) -> float:
    return size.most_nodes / size.least_bytes
