"""Messages as two versions of a protocol agree on them: each end reads what the other writes.

What an end writes, it writes as its own version says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from .codec import Codec, ItemsCodec
from .compat import Comparison, Pair, Verdict, same_name
from .declared import ErrorCodec
from .fit import At
from .messages import Kind
from .protocol import Message, Protocol, item_place
from .resolution import Resolution
from .types import Array, Record


def matching_error(error: Record, among: tuple[Record, ...]) -> Record | None:
    """Give the client's error that a server's is read as: the one of its full name comes first."""
    exact = [one for one in among if one.name == error.name]
    return next(iter(exact or [one for one in among if same_name(error, one)]), None)


class AgreedVersions:
    """What the messages that two versions agree on share.

    Args:
        client: The client's version.
        server: The server's.
        wires: How each message travels that can be called.
        comparison: Knows how the types fit.
    """

    def __init__(
        self,
        client: Protocol,
        server: Protocol,
        wires: Mapping[str, Kind],
        comparison: Comparison,
    ) -> None:
        self.wires = wires
        self.comparison = comparison
        self._client = client
        self._server = server
        self._parameters: dict[str, tuple[Record, Record]] = {}

    @cached_property
    def requests(self) -> Resolution:
        """How the server reads what the client writes."""
        pairs: list[Pair] = []
        for name, wire in self.wires.items():
            pairs.append(self.parameters(name))
            if wire.streams_request:
                ends = self._client.messages[name], self._server.messages[name]
                theirs, mine = (end.request_type.fields[-1].type for end in ends)
                pairs.append((theirs, mine))
        return self._resolution(pairs)

    @cached_property
    def responses(self) -> Resolution:
        """How the client reads what the server writes: responses and errors."""
        pairs: list[Pair] = []
        for name in self.wires:
            theirs, mine = self._server.messages[name], self._client.messages[name]
            pairs.append((theirs.response_type, mine.response_type))
            for error in theirs.error_types:
                same = matching_error(error, mine.error_types)
                if same is not None:
                    pairs.append((error, same))
        return self._resolution(pairs)

    def _resolution(self, pairs: Iterable[Pair]) -> Resolution:
        verdict = self.comparison.verdict
        differ = [one for one in pairs if Verdict.SAME < verdict(*one) < Verdict.INCOMPATIBLE]
        return Resolution(differ, self.comparison)

    def parameters(self, name: str) -> tuple[Record, Record]:
        """Give the parameters of a message that come at once, as the client's and the server's."""
        known = self._parameters.get(name)
        if known is None:
            ends = self._client.messages[name], self._server.messages[name]
            last = -1 if self.wires[name].streams_request else None
            theirs, mine = (Record(name, fields=end.request_type.fields[:last]) for end in ends)
            known = self._parameters[name] = theirs, mine
        return known


class AgreedMessage(Message):
    """A message of one end, with codecs that read what the other end's version writes.

    Args:
        own: This end's version.
        peer: The other end's.
        versions: Of the two protocols.
        at_client: Whether this end is the client.
    """

    def __init__(
        self, own: Message, peer: Message, versions: AgreedVersions, *, at_client: bool
    ) -> None:
        vars(self).update({key: value for key, value in vars(own).items() if key not in _CODECS})
        self.wire = versions.wires[own.name]
        self._own = own
        self._peer = peer
        self._versions = versions
        self._at_client = at_client

    @cached_property
    def request(self) -> Codec:
        """Parameters by name: without the streamed one to be written, nor read if it streams."""
        if self._at_client:
            return self._own.request
        versions, at = self._versions, At(self.name)
        theirs, mine = versions.parameters(self.name)
        codec = Codec(mine, at, parameters=mine, own=self.own)
        return codec.reading(theirs, at, versions.comparison, versions.requests)

    @cached_property
    def response(self) -> Codec | None:
        """The response; an array where only this end streams it, None where both do."""
        if self.wire.streams_response:
            return None
        versions, at = self._versions, At(f"{self.name}()")
        codec = Codec(self.response_type, at, own=self.own)
        if not self._at_client:
            return codec
        theirs = self._peer.response_type
        return codec.reading(theirs, at, versions.comparison, versions.responses)

    @cached_property
    def request_items(self) -> ItemsCodec | None:
        """Items of the streamed parameter; None where this end has none."""
        own = self._own.request_items
        if own is None or self._at_client or not self.wire.streams_request:
            return own
        versions, array = self._versions, self._peer.request_type.fields[-1].type
        assert isinstance(array, Array)
        at = item_place(own.type, f"{self.name}.{self.streamed_parameter}")
        return own.reading(array.items, at, versions.comparison, versions.requests)

    @cached_property
    def response_items(self) -> ItemsCodec | None:
        """Items of the streamed response; None where this end does not stream it."""
        own = self._own.response_items
        if own is None or not self._at_client or not self.wire.streams_response:
            return own
        versions, array = self._versions, self._peer.response_type
        assert isinstance(array, Array)
        at = item_place(own.type, f"{self.name}()")
        return own.reading(array.items, at, versions.comparison, versions.responses)

    @cached_property
    def error(self) -> ErrorCodec:
        """The declared errors."""
        if not self._at_client:
            return self._own.error
        versions, theirs = self._versions, self._peer.error_types
        mine = [matching_error(one, self.error_types) for one in theirs]
        return self._own.error.reading(theirs, mine, versions.comparison, versions.responses)


_CODECS = frozenset({"request", "response", "request_items", "response_items", "error"})
