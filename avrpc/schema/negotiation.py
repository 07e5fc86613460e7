"""What fits between a client's version of a protocol and a server's, message by message.

Both ends compute it when they connect, from both texts, and come to the same answers: the verdicts
at once, as a server's event loop waits for them; what differs, in words, when somebody asks. A
message is then called with codecs that read what the other version writes (`AgreedMessage`); where
the two versions of it are the same, with its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from .agreed import AgreedMessage, AgreedVersions, matching_error
from .compat import Change, Comparison, Verdict, match_fields, steps_for
from .messages import Kind, Signature
from .protocol import Message, Protocol
from .types import Type

MAX_CHANGES = 200  # told of one pair of types; who wants to know more looks at the texts


class _Types(NamedTuple):
    """Two versions of a type, whose changes are found when they are asked for."""

    comparison: Comparison
    writer: Type
    reader: Type
    path: str

    def changes(self) -> Iterator[Change]:
        return self.comparison.changes(self.writer, self.reader, self.path)


@dataclass(frozen=True, eq=False)
class Fit:
    """How one thing that travels fits: what the one end writes, as the other reads it."""

    verdict: Verdict = Verdict.SAME
    _told: tuple[Change | _Types, ...] = field(default=(), repr=False)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What differs: of each type that travels at most 200 things, and what breaks it."""
        found: list[Change] = []
        for one in self._told:
            if isinstance(one, Change):
                found.append(one)
                continue
            changes = one.changes()
            found += islice(changes, MAX_CHANGES)
            rest = list(changes)
            if rest:
                found += [change for change in rest if change.kind == "incompatible"][:1]
                found.append(Change(one.path, "more", "and more"))
        return tuple(found)

    def first(self, kind: str) -> Change | None:
        """The first change of a kind, also beyond those in `changes`."""
        for one in self._told:
            for change in [one] if isinstance(one, Change) else one.changes():
                if change.kind == kind:
                    return change
        return None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fit):
            return NotImplemented
        return (self.verdict, self.changes) == (other.verdict, other.changes)

    def __hash__(self) -> int:
        return hash(self.verdict)


_SAME = Fit()


@dataclass(frozen=True, slots=True)
class MessageFit:
    """How one message fits.

    Attributes:
        name: The message.
        request: Its parameters: written by the client, read by the server.
        response: Its response: written by the server, read by the client.
        errors: Its declared errors, likewise.
        wire: How it travels. A side is streamed only where both versions stream it; else the
            array travels whole.
    """

    name: str
    request: Fit
    response: Fit
    errors: Fit
    wire: Kind

    @property
    def verdict(self) -> Verdict:
        """The worst of the three."""
        return max(self.request.verdict, self.response.verdict, self.errors.verdict)

    @property
    def callable(self) -> bool:
        """Whether it can be called."""
        return self.verdict < Verdict.INCOMPATIBLE

    def changes(self) -> Iterator[str]:
        """All that differs, in words."""
        for part, fit in (
            ("request", self.request),
            ("response", self.response),
            ("errors", self.errors),
        ):
            for change in fit.changes:
                yield f"{part}: {change}"

    @property
    def reason(self) -> str:
        """What is worst about it, in words; empty if nothing is."""
        if self.verdict is Verdict.MISSING:
            return "the server has no such message"
        for kind in ("incompatible", "partial"):
            for part in (self.request, self.response, self.errors):
                change = part.first(kind) if part.verdict > Verdict.RESOLVABLE else None
                if change is not None:
                    return str(change)
        return ""


class Negotiation(Mapping[str, MessageFit]):
    """How every message of a client's protocol fits the server's, by name.

    Attributes:
        client: The client's protocol.
        server: The server's.
        only_at_server: Messages that only the server has.
    """

    def __init__(self, client: Protocol, server: Protocol) -> None:
        self.client = client
        self.server = server
        self.comparison = Comparison(steps_for(len(client.text), len(server.text)))
        self._agreed_messages: dict[tuple[str, bool], Message] = {}
        self.only_at_server = tuple(name for name in server.messages if name not in client.messages)
        same = client.sha256 == server.sha256
        self._fits = {
            name: MessageFit(name, _SAME, _SAME, _SAME, message.kind)
            if same
            else self._fit(name, message.kind)
            for name, message in client.messages.items()
        }

        wires = {name: fit.wire for name, fit in self._fits.items() if fit.callable}
        self._agreed_versions = AgreedVersions(client, server, wires, self.comparison)

    def __getitem__(self, name: str) -> MessageFit:
        return self._fits[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fits)

    def __len__(self) -> int:
        return len(self._fits)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all messages."""
        return max((fit.verdict for fit in self._fits.values()), default=Verdict.SAME)

    def __repr__(self) -> str:
        return f"<negotiation of {self.client.name}: {self.verdict}>"

    def at_client(self, name: str) -> Message:
        """A message of the client's, to be called as agreed."""
        return self._agreed(name, self.client, self.server, at_client=True)

    def at_server(self, name: str) -> Message:
        """A message of the server's, to be handled as agreed."""
        return self._agreed(name, self.server, self.client, at_client=False)

    def _agreed(self, name: str, own: Protocol, peer: Protocol, *, at_client: bool) -> Message:
        fit, message = self._fits[name], own.messages[name]
        if fit.verdict is Verdict.SAME and _same_errors(message, peer.messages[name]):
            return message
        key = name, at_client
        if key not in self._agreed_messages:
            self._agreed_messages[key] = AgreedMessage(
                message, peer.messages[name], self._agreed_versions, at_client=at_client
            )
        return self._agreed_messages[key]

    def _fit(self, name: str, kind: Kind) -> MessageFit:
        client = self.client.signatures.messages[name]
        server = self.server.signatures.messages.get(name)
        if server is None:
            missing = Fit(Verdict.MISSING)
            return MessageFit(name, missing, missing, missing, kind)
        wire = _wire_kind(client.kind, server.kind)
        request = self._request(client, server)
        response = self._types(server.response, client.response, f"{name}()")
        if client.kind.streams_response != server.kind.streams_response:
            response = _add(response, _whole(f"{name}()", client.kind.streams_response))
        return MessageFit(name, request, response, self._errors(client, server), wire)

    def _types(self, writer: Type, reader: Type, path: str) -> Fit:
        verdict = self.comparison.verdict(writer, reader)
        if verdict is Verdict.SAME:
            return _SAME
        return Fit(verdict, (_Types(self.comparison, writer, reader, path),))

    def _request(self, client: Signature, server: Signature) -> Fit:
        name = client.name
        if (client.kind is Kind.ONE_WAY) != (server.kind is Kind.ONE_WAY):
            one, other = client.kind, server.kind
            return _misfit(name, f"the client's version is {one}, the server's {other}")
        fit = self._types(client.request, server.request, name)
        streams = client.kind.streams_request, server.kind.streams_request
        pairs = match_fields(client.request, server.request)
        if streams == (True, True) and pairs[-1][1] is not client.request.fields[-1]:
            return _misfit(name, "the two versions stream different parameters")
        if streams[1]:
            field, source = pairs[-1]
            if source is None and field.has_default and field.default_json != []:
                path = f"{name}.{field.name}"
                return _misfit(path, "streamed by the server only, so its default must be []")
        if streams[0] != streams[1]:
            fit = _add(fit, _whole(name, streams[0]))
        return fit

    def _errors(self, client: Signature, server: Signature) -> Fit:
        fit = _SAME
        for error in server.errors:
            mine = matching_error(error, client.errors)
            path = f"{client.name}() error"
            if mine is None:
                text = f"{error.name} is not declared at the client, and arrives as a RemoteError"
                fit = _add(fit, Fit(Verdict.PARTIAL, (Change(path, "partial", text),)))
                continue
            found = self._types(error, mine, path)
            if found.verdict is Verdict.INCOMPATIBLE:
                found = replace(found, verdict=Verdict.PARTIAL)
            fit = _add(fit, found)
        return fit


def _wire_kind(client: Kind, server: Kind) -> Kind:
    request = client.streams_request and server.streams_request
    response = client.streams_response and server.streams_response
    if request:
        return Kind.STREAM_BOTH if response else Kind.STREAM_REQUEST
    if response:
        return Kind.STREAM_RESPONSE
    return Kind.ONE_WAY if client is Kind.ONE_WAY else Kind.UNARY


def _same_errors(message: Message, other: Message) -> bool:
    """Whether their errors have the same numbers; which are the same may stand in any order."""
    names = [[error.name for error in one.error_types] for one in (message, other)]
    return names[0] == names[1]


def _misfit(path: str, text: str) -> Fit:
    return Fit(Verdict.INCOMPATIBLE, (Change(path, "incompatible", text),))


def _whole(path: str, at_client: bool) -> Fit:
    one = "client" if at_client else "server"
    text = f"only the {one}'s version streams it: the array travels whole"
    return Fit(Verdict.RESOLVABLE, (Change(path, "whole", text),))


def _add(fit: Fit, other: Fit) -> Fit:
    return Fit(max(fit.verdict, other.verdict), fit._told + other._told)  # noqa: SLF001 - our own
