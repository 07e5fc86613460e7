"""Verdicts: what a reader's version of a type makes of values that another version wrote.

The rules are those of the Avro specification, "Schema Resolution". What it leaves open, or gets
wrong, is settled so:

* In a reader's union the branch of the same full name comes first, before the first that matches.
  For a branch of a writer's union so does the one of the same kind: taken literally, the
  specification reads the int of a union of float and int as a float, even between equal versions.
* A field is looked for by its name before its aliases, and by an alias only among those fields of
  the writer's that no field of the reader's has the name of.
* Two logical types that differ do not match (a timestamp in milliseconds read as one in
  microseconds would be wrong and unnoticed), while adding or dropping one is fine.

A verdict on a type depends on those on its parts, and types may contain themselves. So every pair
of types is taken to fit until it is seen not to, whereupon the pairs made of it are looked at
again, until nothing changes. Then only is it settled which branch takes what, and how well each
pair fits: as well as the worst that it is made of. Nothing is nested in that, so no text can make
it deep, and a bound on the steps keeps it short.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from threading import Lock

from .changes import Change, own_changes
from .gate import MAX_TEXT_BYTES
from .matching import (
    MISFIT,
    PROMOTIONS,
    TOO_LARGE,
    Look,
    Pair,
    Verdict,
    enums,
    logical,
    match_fields,
    names_of,
    primitives,
    renamed,
    same_name,
)
from .types import NAMED, Array, Enum, Fixed, Map, Named, Primitive, Record, Type, Union, short

__all__ = ["Change", "Comparison", "Pair", "Verdict", "match_fields", "same_name", "steps_for"]


def steps_for(one_bytes: int, other_bytes: int) -> int:
    """Give the steps to allow for comparing texts of so many bytes: what honest ones never take.

    A step takes 0.5 to 1 us. Two versions of a text of 250 KB, of 940 records that are used both
    ways and have all changed, take 16,000; of records that might each be any other, millions. What
    fits is found in the smaller of the two, so that a stranger's small text takes little time also
    where ours is large: one of 16 KiB has 3,638 steps, one of 256 KiB 28,214.
    """
    return 2_000 + min(one_bytes, other_bytes) // 10


MAX_STEPS = steps_for(MAX_TEXT_BYTES, MAX_TEXT_BYTES)


class _Branches:
    """Where to look in a reader's union: by name or alias, and by kind for what has no name."""

    __slots__ = ("full", "kinds", "names")

    def __init__(self, reader: Union) -> None:
        self.full: dict[str, int] = {}
        self.names: dict[str, list[int]] = {}
        self.kinds: dict[str, int] = {}
        for at, branch in enumerate(reader.branches):
            if isinstance(branch, NAMED):
                self.full[branch.name] = at
                for name in names_of(branch):
                    self.names.setdefault(name, []).append(at)
            else:
                self.kinds[branch.kind] = at


_NO = Verdict.INCOMPATIBLE
_BAD = str(_NO)
_OF_PRIMITIVES = {level: Look(level) for level in Verdict}


class Comparison:
    """Verdicts on pairs of types, found once and kept. Threads may ask at once.

    Args:
        max_steps: After so many, what is not settled is incompatible, and `changes` says that it
            is too large; `steps_for` tells how many to allow for two texts.
    """

    def __init__(self, max_steps: int = MAX_STEPS) -> None:
        self._levels: dict[Pair, Verdict] = {}
        self._looks: dict[Pair, Look] = {}
        self._misfits: set[Pair] = set()
        self._users: dict[Pair, set[Pair]] = {}
        self._queue: deque[Pair] = deque()
        self._branches: dict[Union, _Branches] = {}
        self._names: dict[Named, frozenset[str]] = {}
        self._final: set[Pair] = set()
        self._left = max_steps
        self._lock = Lock()

    def verdict(self, writer: Type, reader: Type) -> Verdict:
        """How values of ``writer`` fit ``reader``. INCOMPATIBLE also for what is too large."""
        pair = (writer, reader)
        if pair not in self._levels:
            with self._lock:
                self._settle(pair)
        return self._levels[pair]

    def _settle(self, pair: Pair) -> None:
        if pair in self._levels:
            return
        # What is made of settled pairs alone can be told even when nothing is left.
        self._left = max(self._left, 4 + len(getattr(pair[0], "fields", ())))
        before = len(self._users)
        self._add(pair)
        self._settle_what_fits()
        self._settle_how_well(list(self._users)[before:])

    def parts(self, writer: Type, reader: Type) -> tuple[Pair, ...]:
        """Give the pairs that a value of this one takes; of a writer's branches, those that fit."""
        self.verdict(writer, reader)
        return self._looks[writer, reader].parts

    def _add(self, pair: Pair) -> set[Pair]:
        """Meet a pair, for the first time or again; give the pairs that are made of it."""
        users = self._users.get(pair)
        if users is not None:
            return users
        writer, reader = pair
        if isinstance(writer, Primitive) and isinstance(reader, Primitive):
            level = primitives(writer, reader)  # at once: most pairs are such
            self._looks[pair] = _OF_PRIMITIVES[level]
            if level is _NO:
                self._misfits.add(pair)
            users = self._users[pair] = self._final  # nobody has to hear of them again
        else:
            users = self._users[pair] = set()
            self._queue.append(pair)
        return users

    def _settle_what_fits(self) -> None:
        while self._queue:
            pair = self._queue.popleft()
            if pair in self._misfits:
                continue
            self._left -= 1
            look = self._looks[pair] = self._look(pair) if self._left >= 0 else TOO_LARGE
            if look.own is _NO or not self._misfits.isdisjoint(look.parts):
                self._misfits.add(pair)
                self._queue.extend(self._users[pair])

    def _settle_how_well(self, new: list[Pair]) -> None:
        for pair in new:
            self._levels[pair] = _NO if pair in self._misfits else self._looks[pair].own
        for pair in new:
            if pair not in self._misfits:
                look = self._looks[pair]
                self._levels[pair] = max([look.own, *map(self._levels.__getitem__, look.parts)])
        left = [pair for pair in new if Verdict.SAME < self._levels[pair] < _NO]
        while left:
            part = left.pop()
            for pair in self._users[part]:
                if self._levels[pair] < self._levels[part]:
                    self._levels[pair] = self._levels[part]
                    left.append(pair)

    # One look at one pair

    def _take(self, pair: Pair, writer: Type, reader: Type) -> bool:
        """Make a part of a pair, and tell whether it fits by what is known."""
        part = (writer, reader)
        users = self._add(part)
        if users is not self._final:
            self._left -= 1
            users.add(pair)
        return part not in self._misfits

    def _look(self, pair: Pair) -> Look:
        match pair:
            case Union() as writer, reader:
                return self._union(pair, writer, reader)
            case writer, Union() as reader:
                found, failed = self._pick(pair, writer, reader, self._candidates(writer, reader))
                if found is None:
                    return Look(_NO, (), failed)
                return Look(Verdict.RESOLVABLE, ((writer, found),))
            case (Array(items=one), Array(items=other)) | (Map(values=one), Map(values=other)):
                self._take(pair, one, other)
                return Look(Verdict.SAME, ((one, other),))
            case Record() as writer, Record() as reader if self._same_name(writer, reader):
                return self._records(pair, writer, reader)
            case Enum() as writer, Enum() as reader if self._same_name(writer, reader):
                self._left -= (len(writer.symbols) + len(reader.symbols)) // 16
                return Look(enums(writer, reader))
            case Fixed() as writer, Fixed() as reader if self._same_name(writer, reader):
                fits = writer.size == reader.size
                level = max(logical(writer, reader), renamed(writer, reader))
                return Look(level) if fits else MISFIT
        return MISFIT

    def _union(self, pair: Pair, writer: Union, reader: Type) -> Look:
        parts: list[Pair] = []
        failed: list[Pair] = []
        self._left -= len(writer.branches) // 2
        for branch in writer.branches:
            found = self._same(branch, reader) if isinstance(reader, Union) else reader
            if found is not None and not self._take(pair, branch, found):
                found = None
            if found is None and isinstance(reader, Union):
                candidates = self._candidates(branch, reader, same_kind_first=True)
                found, missed = self._pick(pair, branch, reader, candidates)
                failed += missed
            if found is not None:
                parts.append((branch, found))
        if not parts:
            return Look(_NO, (), tuple(failed))
        level = Verdict.RESOLVABLE
        if len(parts) < len(writer.branches):
            level = Verdict.PARTIAL
        elif isinstance(reader, Union) and reader.branches == tuple(found for _, found in parts):
            level = Verdict.SAME
        return Look(level, tuple(parts), tuple(failed))

    def _pick(
        self, pair: Pair, writer: Type, reader: Union, candidates: list[int]
    ) -> tuple[Type | None, tuple[Pair, ...]]:
        """Choose a branch; where there is none, give the best candidate as the reason."""
        for index in candidates:
            if self._take(pair, writer, reader.branches[index]):
                return reader.branches[index], ()
        return None, tuple((writer, reader.branches[index]) for index in candidates[:1])

    def _candidates(
        self, writer: Type, reader: Union, *, same_kind_first: bool = False
    ) -> list[int]:
        """The branches of a reader's union that may match, in the order in which to try them."""
        known = self._index(reader)
        if isinstance(writer, NAMED):
            found = known.names.get(short(writer.name), [])
            if writer.name in known.names and writer.name != short(writer.name):
                found = sorted({*found, *known.names[writer.name]})
            self._left -= len(found) // 16
            first = known.full.get(writer.name)
            return found if first is None else [first, *(at for at in found if at != first)]
        kinds = (writer.kind, *PROMOTIONS.get(writer.kind, ()))
        places = [known.kinds[kind] for kind in kinds if kind in known.kinds]
        if same_kind_first and writer.kind in known.kinds:
            return places[:1] + sorted(places[1:])
        return sorted(places)

    def _same(self, writer: Type, reader: Union) -> Type | None:
        """Give the branch of the same full name, or of the same kind: most often it is that."""
        if len(reader.branches) <= 4:
            key = _key(writer)
            return next((branch for branch in reader.branches if _key(branch) == key), None)
        known = self._index(reader)
        if isinstance(writer, NAMED):
            at = known.full.get(writer.name)
        else:
            at = known.kinds.get(writer.kind)
        return None if at is None else reader.branches[at]

    def _index(self, reader: Union) -> _Branches:
        known = self._branches.get(reader)
        if known is None:
            known = self._branches[reader] = _Branches(reader)
            self._left -= len(reader.branches) // 4
        return known

    def _records(self, pair: Pair, writer: Record, reader: Record) -> Look:
        level = renamed(writer, reader)
        names = len(writer.fields) + sum([1 + len(field.aliases) for field in reader.fields])
        self._left -= names // 8
        matched = match_fields(writer, reader)
        parts = []
        for field, source in matched:
            if source is not None:
                self._take(pair, source.type, field.type)
                parts.append((source.type, field.type))
            elif not field.has_default:
                level = _NO
        if [field.name for field in writer.fields] != [
            source and field.name == source.name and field.name for field, source in matched
        ]:
            level = max(level, Verdict.RESOLVABLE)
        return Look(level, tuple(parts))

    def _same_name(self, writer: Named, reader: Named) -> bool:
        known = self._names.get(reader)
        if known is None:
            known = self._names[reader] = names_of(reader)
        return writer.name in known or short(writer.name) in known

    # In words

    def changes(self, writer: Type, reader: Type, path: str) -> Iterator[Change]:
        """What differs, place by place; each pair of named types is told once."""
        seen: set[Pair] = set()
        left = [(path, (writer, reader), False)]
        while left:
            where, pair, beside = left.pop()
            if pair in seen or self.verdict(*pair) is Verdict.SAME:
                continue
            if isinstance(pair[0], NAMED) and isinstance(pair[1], NAMED):
                seen.add(pair)  # what has no name stands for itself in every place
            for change in own_changes(where, *pair, self._looks[pair]):
                # Why a branch does not fit is no reason why the whole would not.
                yield replace(change, kind="partial") if beside and change.kind == _BAD else change
            left.extend(reversed(list(self._inside(where, pair, beside))))

    def _inside(self, path: str, pair: Pair, beside: bool) -> Iterator[tuple[str, Pair, bool]]:
        look = self._looks[pair]
        match pair:
            case Record() as writer, Record() as reader:
                matched = (field for field, source in match_fields(writer, reader) if source)
                for field, part in zip(matched, look.parts, strict=False):  # no parts if misnamed
                    yield f"{reader}.{field.name}", part, beside
                return
            case (Array(), Array()) | (Map(), Map()):
                path = f"{path}[]"
        for part in look.parts:
            yield path, part, beside
        for part in look.failed:
            yield path, part, beside or pair not in self._misfits


def _key(of: Type) -> str:
    return of.name if isinstance(of, NAMED) else of.kind
