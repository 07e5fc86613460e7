"""Classes for the errors that a protocol declares, and the codec that carries them."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from typing import Any, ClassVar, cast

from avrpc.errors import DeclaredError, InvalidValue, RemoteError
from avrpc.shown import MOST_IN_ERROR, shown

from .codec import Codec
from .compat import Comparison, Verdict
from .fit import At, fit, quote
from .names import namespace_of, suggest
from .own import OwnTypes
from .resolution import Resolution
from .types import Primitive, Record, short
from .varint import Data, read_long, write_long


def error_class(record: Record) -> type[DeclaredError]:
    """Make the class for a declared error."""
    fields = {field.name: field for field in record.fields}
    # A field that is a Python keyword is given, and read, with an underscore, like a parameter.
    spelled = {f"{name}_": name for name in fields if keyword.iskeyword(name)}
    at = At(short(record.name))

    class Declared(DeclaredError):
        full_name: ClassVar[str] = record.name

        def __init__(self, /, **given: Any) -> None:
            given = {spelled.get(name, name): value for name, value in given.items()}
            fit(record, given, at)
            super().__init__(
                **{
                    name: given[name] if name in given else field.make_default()
                    for name, field in fields.items()
                }
            )
            for spelling, name in spelled.items():
                setattr(self, spelling, self.fields[name])

    Declared.__name__ = Declared.__qualname__ = short(record.name)
    Declared.__module__ = namespace_of(record.name) or "avrpc.errors"
    Declared.__doc__ = record.doc or f"The error {record.name}, which its protocol declares."
    return Declared


class Errors:
    """The errors of a protocol: `errors.UnknownSymbol`, or `errors["demo.UnknownSymbol"]`.

    Iterating gives the classes, in the order of the protocol's text.
    """

    def __init__(self, classes: Iterable[type[DeclaredError]]) -> None:
        self._by_name: dict[str, type[DeclaredError]] = {one.full_name: one for one in classes}
        self._by_short: dict[str, list[str]] = {}
        for name in self._by_name:
            self._by_short.setdefault(short(name), []).append(name)

    def __getitem__(self, name: str) -> type[DeclaredError]:
        found = self._by_name.get(name)
        if found is not None:
            return found
        names = self._by_short.get(name, [])
        if len(names) == 1:
            return self._by_name[names[0]]
        if names:
            raise KeyError(f"{name!r} is short for {' and '.join(names)}; use the full name")
        raise KeyError(f"no error {name!r}{suggest(name, [*self._by_short, *self._by_name])}")

    def __getattr__(self, name: str) -> type[DeclaredError]:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as exc:
            raise AttributeError(exc.args[0], name=name, obj=self) from None

    def __iter__(self) -> Iterator[type[DeclaredError]]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name or len(self._by_short.get(cast("str", name), ())) == 1

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._by_short]

    def __repr__(self) -> str:
        return f"<errors: {', '.join(self._by_name) or 'none'}>"


class ErrorCodec:
    """Carries a message's errors: Avro's effective union, a string and then the declared ones.

    Attributes:
        classes: The classes of the declared errors, in order.
    """

    def __init__(
        self,
        message: str,
        classes: Iterable[type[DeclaredError]],
        records: Iterable[Record],
        own: OwnTypes | None = None,
    ) -> None:
        self.classes = tuple(classes)
        self._message = message
        self._text = Codec(Primitive("string"), At(f"{message}() error"))
        self._codecs = [
            Codec(record, At(f"{message}() error", short(record.name)), own=own)
            for record in records
        ]
        self._readers = [
            _reader(one, codec) for one, codec in zip(self.classes, self._codecs, strict=True)
        ]

    def encode(self, error: DeclaredError | str) -> bytes:
        """Encode a declared error; or a text, which is Avro's undeclared "system" error.

        Raises:
            InvalidValue: A field does not fit, or the message does not declare this error.
        """
        if isinstance(error, str):
            return b"\0" + self._text.encode(error)
        for index, one in enumerate(self.classes):
            if isinstance(error, one):
                return write_long(index + 1) + self._codecs[index].encode(error.fields)
        raise InvalidValue(f"{self._message}: does not declare the error {type(error).__name__}")

    def reading(
        self,
        writer: Sequence[Record],
        matching: Sequence[Record | None],
        comparison: Comparison,
        shared: Resolution | None = None,
    ) -> ErrorCodec:
        """The same codec, but for decoding the errors of another version.

        Args:
            writer: That version's errors.
            matching: For each, which of ours it is; None for one that we do not declare.
            comparison: Knows how they fit.
            shared: As for `Codec.reading`.
        """
        made = copy(self)
        made._readers = [  # noqa: SLF001 - our own
            self._reader(theirs, mine, comparison, shared)
            for theirs, mine in zip(writer, matching, strict=True)
        ]
        return made

    def _reader(
        self,
        theirs: Record,
        mine: Record | None,
        comparison: Comparison,
        shared: Resolution | None,
    ) -> _Reader:
        at = At(f"{self._message}() error", short(theirs.name))
        if mine is None or comparison.verdict(theirs, mine) >= Verdict.INCOMPATIBLE:
            return _undeclared(theirs.name, Codec(theirs, at))
        names = [one.full_name for one in self.classes]
        own = self.classes[names.index(mine.name)]
        return _reader(own, Codec(mine, at).reading(theirs, at, comparison, shared))

    def decode(self, data: Data) -> RemoteError:
        """Decode an error: one of the declared classes, or for a text a plain `RemoteError`.

        Raises:
            InvalidValue: The bytes are no such union.
        """
        at = At(f"{self._message}() error")
        try:
            branch, start = read_long(data, 0)
        except ValueError as exc:
            raise at.wrong(str(exc)) from None
        if branch == 0:
            return RemoteError(shown(self._text.decode(data[start:]), MOST_IN_ERROR))
        if not 0 < branch <= len(self._readers):
            raise at.wrong(f"no branch number {branch}")
        return self._readers[branch - 1](data[start:])


_Reader = Callable[[Data], RemoteError]


def _reader(own: type[DeclaredError], codec: Codec) -> _Reader:
    return lambda data: own(**codec.decode(data))


def _undeclared(name: str, codec: Codec) -> _Reader:
    def read(data: Data) -> RemoteError:
        fields = codec.decode(data)
        return RemoteError(f"{name}: {quote(fields)}", name=name, fields=fields)

    return read
