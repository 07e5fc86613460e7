"""What differs between two versions of a type, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .matching import MISFIT, TOO_LARGE, Look, Verdict, match_fields
from .types import NAMED, Array, Enum, Fixed, Map, Named, Record, Type, Union

_NO = Verdict.INCOMPATIBLE
TOO_LARGE_TEXT = (
    "the two versions are too large to be compared, so they count as incompatible:"
    " too many types of the one might be any of too many of the other"
)
MAX_SHOWN = 300  # characters of a type; a union may hold 100 names of 255


@dataclass(frozen=True, slots=True)
class Change:
    """One thing in which two versions differ.

    Attributes:
        path: Where: `Tick.price`, or a message's `request.symbol`.
        kind: One word: defaulted, dropped, renamed, reordered, promoted, converted, widened,
            unwrapped, partial or incompatible.
        text: What it means, for people.
    """

    path: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


def own_changes(path: str, writer: Type, reader: Type, look: Look) -> Iterable[Change]:
    """Say what differs in a pair of types that does not fit as it is, leaving out its parts."""
    if look is TOO_LARGE:
        return [Change(path, "incompatible", TOO_LARGE_TEXT)]
    match writer, reader:
        case Union(), _:
            return _union_changes(path, writer, reader, look)
        case _, Union():
            if look.own is _NO:
                return [] if look.failed else [_misfit(path, writer, reader)]
            return [Change(path, "widened", f"{_shown(writer)} became {_shown(reader)}")]
        case (Array(), Array()) | (Map(), Map()):
            return []
        case Record(), Record() if look is not MISFIT:
            return [*_rename(path, writer, reader), *_field_changes(writer, reader)]
        case Enum(), Enum() if look is not MISFIT:
            return [*_rename(path, writer, reader), *_symbol_changes(path, writer, reader)]
        case _ if look.own is _NO:
            return [_misfit(path, writer, reader)]
        case Fixed(), Fixed() if writer.logical == reader.logical:
            return _rename(path, writer, reader)
    kind = "promoted" if writer.kind != reader.kind else "converted"
    return [Change(path, kind, f"{writer} becomes {reader}")]


def _misfit(path: str, writer: Type, reader: Type) -> Change:
    text = f"expected {_described(reader)}, the writer has {_described(writer)}"
    return Change(path, "incompatible", text)


def _described(of: Type) -> str:
    if isinstance(of, NAMED):
        more = [f"{of.size} byte{'s' * (of.size != 1)}"] if isinstance(of, Fixed) else []
        more += [str(of.logical)] if of.logical else []
        return f"the {of.kind} {of.name}" + (f" ({', '.join(more)})" if more else "")
    return _shown(of)


def _shown(of: Type) -> str:
    return _cut(str(of))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _rename(path: str, writer: Named, reader: Named) -> Iterator[Change]:
    if writer.name != reader.name:
        yield Change(path, "renamed", f"{writer.name} became {reader.name}")


def _union_changes(path: str, writer: Union, reader: Type, look: Look) -> Iterator[Change]:
    known = {branch for branch, _ in look.parts}
    unknown = [str(branch) for branch in writer.branches if branch not in known]
    names = [str(branch) for branch in writer.branches]
    if not known:
        yield _misfit(path, writer, reader)
    elif unknown:
        text = f"the reader has no {_cut(' or '.join(unknown))}: such a value does not arrive"
        yield Change(path, "partial", text)
    elif not isinstance(reader, Union):
        yield Change(path, "unwrapped", f"{_shown(writer)} became {_shown(reader)}")
    elif sorted(names) != sorted(map(str, reader.branches)):
        yield Change(path, "widened", f"{_shown(writer)} became {_shown(reader)}")
    elif names != list(map(str, reader.branches)):
        yield Change(path, "reordered", f"{_shown(writer)} became {_shown(reader)}")


def _field_changes(writer: Record, reader: Record) -> Iterator[Change]:
    matched = match_fields(writer, reader)
    used = [source.name for _, source in matched if source is not None]
    for field, source in matched:
        path = f"{reader}.{field.name}"
        if source is None and field.has_default:
            yield Change(path, "defaulted", "not sent by the writer; its default is filled in")
        elif source is None:
            yield Change(path, "incompatible", "not sent by the writer, and it has no default")
        elif source.name != field.name:
            yield Change(path, "renamed", f"the writer calls it {source.name}")
    kept = set(used)
    for field in writer.fields:
        if field.name not in kept:
            yield Change(f"{reader}.{field.name}", "dropped", "sent by the writer, and not read")
    if used != [field.name for field in writer.fields if field.name in kept]:
        yield Change(str(reader), "reordered", "its fields are in another order")


def _symbol_changes(path: str, writer: Enum, reader: Enum) -> Iterator[Change]:
    known, sent = set(reader.symbols), set(writer.symbols)
    unknown = [symbol for symbol in writer.symbols if symbol not in known]
    if not unknown:
        added = [symbol for symbol in reader.symbols if symbol not in sent]
        if added:
            yield Change(path, "widened", f"the reader also knows {_cut(', '.join(added))}")
        elif writer.symbols != reader.symbols:
            yield Change(path, "reordered", f"the symbols of {reader} are in another order")
    elif reader.default is not None:
        yield Change(path, "defaulted", f"{_cut(' or '.join(unknown))} becomes {reader.default}")
    elif len(unknown) < len(writer.symbols):
        text = f"the reader has no {_cut(' or '.join(unknown))}: such a value does not arrive"
        yield Change(path, "partial", text)
    else:
        yield Change(path, "incompatible", f"the reader knows no symbol of {writer.name}")
