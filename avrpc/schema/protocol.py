"""Protocols and their messages, as the rest of avrpc sees them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from avrpc.errors import DeclaredError

from .codec import Codec, ItemsCodec
from .compare import difference
from .declared import ErrorCodec, Errors, error_class
from .fit import At
from .gate import MAX_TYPES, check_count, check_text
from .messages import Signature, Signatures, collect_protocol, read_protocol
from .names import namespace_of
from .own import OwnTypes
from .parse import Names
from .strictjson import Place, compact, read_json
from .types import Array, Field, Named, Record, Type, short


class Parameter:
    """A parameter of a message.

    Attributes:
        name: Its name.
        type: Its type; `str(type)` is for people.
        doc: What the text says about it.
        has_default: Whether it may be left out.
    """

    def __init__(self, field: Field) -> None:
        self.name = field.name
        self.type = field.type
        self.doc = field.doc
        self.has_default = field.has_default
        self._make_default = field.make_default

    @property
    def default(self) -> Any:
        """The default, a new value each time; LookupError where there is none."""
        return self._make_default()

    def __repr__(self) -> str:
        return f"<parameter {self.type} {self.name}>"


class _ErrorClasses:
    """The classes of a protocol's errors.

    Not a method of the protocol, whose messages it knows: so that a stranger's text is gone when
    nobody has it, with no cycle that the garbage collector has to find.
    """

    def __init__(self) -> None:
        self._made: dict[Record, type[DeclaredError]] = {}

    def __call__(self, record: Record) -> type[DeclaredError]:
        """Give the class of an error. A class takes 12 us, which few texts of strangers are worth.

        Two threads may make it at once; both get the same.
        """
        made = self._made.get(record)
        return made or self._made.setdefault(record, error_class(record))


class Message:
    """A message of a protocol, with a codec for each thing that travels.

    Codecs are made at their first use, and so are the classes of errors.

    Attributes:
        name: Its name.
        doc: What the text says about it.
        kind: What it carries.
        wire: How it travels. A kind that does not stream what `kind` does means that the other
            end's version does not, and the array travels whole.
        idempotent: Whether running it twice is harmless.
        number: Its rank among the sorted names of its protocol's messages.
        parameters: Its parameters, without the streamed one.
        streamed_parameter: The name of the parameter that is sent item by item.
        request_type: All parameters, the streamed one too, as a record.
        response_type: The response, as an array where it is streamed.
        error_types: What the classes in `errors` were made from.
        own: What the codecs of all messages share.
    """

    def __init__(
        self,
        signature: Signature,
        number: int,
        class_of: Callable[[Record], type[DeclaredError]] = error_class,
        own: OwnTypes | None = None,
    ) -> None:
        self.name = signature.name
        self.doc = signature.doc
        self.kind = self.wire = signature.kind
        self.idempotent = signature.idempotent
        self.number = number
        self.request_type = signature.request
        self.response_type = signature.response
        self.error_types = signature.errors
        self.own = own or OwnTypes()
        self._class_of = class_of
        fields = self.request_type.fields
        streams = self.kind.streams_request
        self._fields = fields[:-1] if streams else fields
        self.parameters = tuple(map(Parameter, self._fields))
        self.streamed_parameter = fields[-1].name if streams else None

    @cached_property
    def errors(self) -> tuple[type[DeclaredError], ...]:
        """The classes of the errors that it declares, in order."""
        return tuple(map(self._class_of, self.error_types))

    @cached_property
    def request(self) -> Codec:
        """Parameters by name, as a dict, without the streamed one."""
        record = Record(self.name, fields=self._fields)
        return Codec(record, At(self.name), parameters=record, own=self.own)

    @cached_property
    def response(self) -> Codec | None:
        """The response; None where it is streamed. Its errors call it ``name()``."""
        if self.kind.streams_response:
            return None
        return Codec(self.response_type, At(f"{self.name}()"), own=self.own)

    @cached_property
    def request_items(self) -> ItemsCodec | None:
        """Items of the streamed parameter; None where there is none."""
        if not self.kind.streams_request:
            return None
        name = f"{self.name}.{self.streamed_parameter}"
        return _items(self._streamed_field.type, name, self.own)

    @cached_property
    def response_items(self) -> ItemsCodec | None:
        """Items of the streamed response; None where it is not streamed."""
        if not self.kind.streams_response:
            return None
        return _items(self.response_type, f"{self.name}()", self.own)

    @cached_property
    def error(self) -> ErrorCodec:
        """The declared errors, and a text for others: Avro's effective error union."""
        return ErrorCodec(self.name, self.errors, self.error_types, self.own)

    @property
    def _streamed_field(self) -> Field:
        return self.request_type.fields[-1]

    def __repr__(self) -> str:
        return f"<message {self.name}: {self.kind}>"


def _items(of: Type, name: str, own: OwnTypes) -> ItemsCodec:
    assert isinstance(of, Array)
    return ItemsCodec(of.items, item_place(of.items, name), own)


def item_place(item: Type, name: str) -> At:
    """What errors call an item: by its record, or by the array that it is of."""
    return At(short(item.name) if isinstance(item, Record) else f"{name}[]")


class Protocol:
    """An interface: messages, and the types of what they carry.

    Attributes:
        name: Its full name.
        namespace: All but the last part of that.
        doc: What the text says about it.
        messages: Its messages by name, in the order of the text.
        messages_by_number: The same, sorted by name.
        types: The types that the text defines, by full name.
        signatures: What its text says of its messages, as types; what versions are compared by.
        text: Its text, self-contained: what is sent to a peer.
        md5: The MD5 of the text in UTF-8, as Avro asks.
        sha256: The SHA-256 of the same.
    """

    def __init__(self, text: str, signatures: Signatures, types: Mapping[str, Named]) -> None:
        self.signatures = signatures
        self.name = signatures.name
        self.namespace = namespace_of(self.name)
        self.doc = signatures.doc
        self.text = text
        encoded = text.encode()
        self.md5 = hashlib.md5(encoded, usedforsecurity=False).digest()
        self.sha256 = hashlib.sha256(encoded).digest()
        self.types = MappingProxyType(dict(types))
        self._class_of = _ErrorClasses()
        numbers = {key: number for number, key in enumerate(sorted(signatures.messages))}
        own = OwnTypes()
        messages = {
            key: Message(signature, numbers[key], self._class_of, own)
            for key, signature in signatures.messages.items()
        }
        self.messages: Mapping[str, Message] = MappingProxyType(messages)
        self.messages_by_number = tuple(messages[key] for key in numbers)

    @classmethod
    def parse(cls, text: str | bytes, *, source: str = "", verbatim: bool = False) -> Protocol:
        """Read a self-contained protocol from its JSON text (what an .avpr file holds).

        Args:
            text: The text, in UTF-8 if bytes.
            source: Where it is from, for errors.
            verbatim: Keep the text as it is, not made compact: for a peer's text, whose hash is
                that of the very bytes.

        Raises:
            SchemaError: It is not valid; the error says what is wrong, and where.
        """
        place = Place(source)
        check_text(text.encode(errors="replace") if isinstance(text, str) else text, place)
        json = read_json(text, source)
        names = Names()
        collect_protocol(names, json, place)
        check_count(names.definitions, MAX_TYPES, "named types", place)
        signatures = read_protocol(names, json, place)
        kept = compact(json) if not verbatim else text if isinstance(text, str) else text.decode()
        return cls(kept, signatures, names.parse_all())

    @cached_property
    def errors(self) -> Errors:
        """The classes of its errors."""
        records = (one for one in self.types.values() if isinstance(one, Record))
        return Errors(self._class_of(one) for one in records if one.kind == "error")

    def message_by_number(self, number: int) -> Message:
        """Give the message of a number; KeyError if there is none."""
        if not 0 <= number < len(self.messages_by_number):
            raise KeyError(f"{self.name} has no message number {number}")
        return self.messages_by_number[number]

    def first_difference(self, other: Protocol) -> str | None:
        """Say in one line how another version differs; None where the two mean the same.

        What counts is all that changes bytes on the wire or what a caller sees. Docs, aliases,
        types that no message uses, the order of messages and `idempotent` do not.
        """
        return difference(self.signatures, other.signatures)

    def __repr__(self) -> str:
        return f"<protocol {self.name}: {len(self.messages)} messages>"
