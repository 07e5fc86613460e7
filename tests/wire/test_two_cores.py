"""Two cores that do what their owners may do, with the bytes between them as slow as they like.

The owners keep the documented preconditions and nothing else. Then no core raises, none calls the
other a violator, every call ends with exactly one outcome at both ends, what was sent is what came,
and when all is over every count is where it began.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from avrpc.wire import (
    AssemblyBudget,
    CallReceived,
    CancelReceived,
    Codec,
    Connection,
    CreditReceived,
    EndReceived,
    ErrorReceived,
    Event,
    GoawayCode,
    GoawayReceived,
    ItemsReceived,
    PackReceived,
    PeerViolated,
    PongReceived,
    ResultReceived,
    Role,
    StatusCode,
    StatusReceived,
    ValueTooLarge,
    WireLimits,
    open_codec,
)
from tests.profiles import examples
from tests.wire.pair import (
    BOTH,
    DOWN,
    LARGEST_SMALL_VALUE,
    MAX_VALUE_BYTES,
    SHAPES,
    SMALL,
    UNARY,
    UP,
    Pair,
)

# Enough for two of the largest values and some: at times a half value has no room.
BUDGET_BYTES = 80_000

EDGES = (LARGEST_SMALL_VALUE, LARGEST_SMALL_VALUE + 1)
sizes = st.sampled_from([1, 30, 1000, *EDGES, 10_000, MAX_VALUE_BYTES])
picks = st.integers(0, 7)
# How much passes at a time: mostly little, so that much is under way.
amounts = st.sampled_from([1, 7, 500, 3000, 3000, 3000, 100_000])


@dataclass
class Side:
    """What one end knows of a call."""

    number: int
    ended: bool = False  # the client's items
    cancelled: bool = False
    outcome: object = None
    sent: bytes = b""  # items
    received: bytes = b""
    owed: int = 0  # credit, for items that came
    answer: bytes | None = None  # result or error that the server sent


@dataclass
class Knowledge:
    """What the owner of one end knows."""

    core: Connection
    calls: dict[int, Side] = field(default_factory=dict)
    outcomes: Counter[int] = field(default_factory=Counter)

    def open_calls(self, *numbers: int) -> list[int]:
        return [
            call_id
            for call_id, call in self.calls.items()
            if self.core.is_open(call_id) and call.number in (numbers or (UNARY, DOWN, UP, BOTH))
        ]


def chosen(call_ids: list[int], pick: int) -> int:
    return call_ids[pick % len(call_ids)]


class TwoCores(RuleBasedStateMachine):
    def __init__(
        self,
        limits: WireLimits = SMALL,
        client_limits: WireLimits = SMALL,
        codec: Codec | None = None,
    ) -> None:
        super().__init__()
        self.budget = AssemblyBudget(BUDGET_BYTES)
        self.pair = Pair(limits, client_limits=client_limits, budget=self.budget, codec=codec)
        self.client = Knowledge(self.pair.client)
        self.server = Knowledge(self.pair.server)
        self.ends = {Role.CLIENT: self.client, Role.SERVER: self.server}
        self.values = 0
        self.refused: set[int] = set()
        self.pings: Counter[Role] = Counter()
        self.pongs: Counter[Role] = Counter()

    def value(self, size: int) -> bytes:
        """Bytes unlike those of any other value."""
        self.values += 1
        return self.values.to_bytes(4).ljust(size, bytes([self.values % 251]))[:size]

    # What a client's owner does ...

    @precondition(lambda self: self.client.core.has_slot(streamed=True))
    @rule(
        number=st.sampled_from([UNARY, DOWN, UP, BOTH]),
        size=sizes,
        time_left=st.sampled_from([None, 250]),
        metadata=st.sampled_from([None, {}, {"k": b"v"}, {"k": bytes(506)}]),
    )
    def call(
        self, number: int, size: int, time_left: int | None, metadata: dict[str, bytes] | None
    ) -> None:
        outgoing = self.client.core.outgoing
        if outgoing.is_large(size) and not outgoing.places:
            return
        call_id = outgoing.call(number, self.value(size), time_left=time_left, metadata=metadata)
        self.client.calls[call_id] = Side(number)

    @precondition(lambda self: self.client.open_calls(UP, BOTH))
    @rule(pick=picks, size=sizes, times=st.integers(1, 3))
    def item_of_the_client(self, pick: int, size: int, times: int) -> None:
        call_id = chosen(self.client.open_calls(UP, BOTH), pick)
        call = self.client.calls[call_id]
        if not call.ended and not call.cancelled:
            self.send_items(self.client, call_id, size, times)

    @precondition(lambda self: self.client.open_calls(UP, BOTH))
    @rule(pick=picks)
    def end(self, pick: int) -> None:
        call_id = chosen(self.client.open_calls(UP, BOTH), pick)
        call, outgoing = self.client.calls[call_id], self.client.core.outgoing
        if not call.ended and not call.cancelled and not outgoing.busy(call_id):
            outgoing.end(call_id)
            call.ended = True

    @precondition(lambda self: len(self.client.open_calls()) > 2)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        call_id = chosen(self.client.open_calls(), pick)
        self.cancel_once(call_id)

    def cancel_once(self, call_id: int) -> None:
        call = self.client.calls[call_id]
        if not call.cancelled:
            self.client.core.outgoing.cancel(call_id)
            call.cancelled = True

    # ... a server's ...

    @precondition(lambda self: self.server.open_calls(DOWN, BOTH))
    @rule(pick=picks, size=sizes, times=st.integers(1, 3))
    def item_of_the_server(self, pick: int, size: int, times: int) -> None:
        call_id = chosen(self.server.open_calls(DOWN, BOTH), pick)
        self.send_items(self.server, call_id, size, times)

    @precondition(lambda self: self.server.open_calls())
    @rule(pick=picks, size=sizes, well=st.booleans())
    def answer(self, pick: int, size: int, well: bool) -> None:
        call_id = chosen(self.server.open_calls(), pick)
        self.answer_with(call_id, size, well=well)

    def answer_with(self, call_id: int, size: int, *, well: bool) -> None:
        call, outgoing = self.server.calls[call_id], self.server.core.outgoing
        if outgoing.busy(call_id) or (outgoing.is_large(size) and not outgoing.places):
            return
        call.answer = self.value(size)
        if well:
            if SHAPES[call.number].streams_response:
                call.answer = b""
            outgoing.result(call_id, call.answer)
        else:
            outgoing.error(call_id, call.answer, {"k": b"v"})

    @precondition(lambda self: self.server.open_calls())
    @rule(pick=picks)
    def status(self, pick: int) -> None:
        call_id = chosen(self.server.open_calls(), pick)
        self.server.core.outgoing.status(call_id, StatusCode.INTERNAL, "x" * 2000, started=True)

    @precondition(lambda self: len(self.server.calls) > 6)
    @rule()
    def goaway_of_the_server(self) -> None:
        self.server.core.goaway(GoawayCode.SHUTDOWN, "bye")

    # ... and both.

    def send_items(self, end: Knowledge, call_id: int, size: int, times: int) -> None:
        for _ in range(times):
            item = self.value(size)
            outgoing = end.core.outgoing
            may_start = outgoing.may_start_item(call_id) and not outgoing.busy(call_id)
            needs_no_place = not outgoing.is_large(size) or outgoing.places > 0
            sent = outgoing.try_item(call_id, item)
            assert sent or not (may_start and needs_no_place)
            assert may_start or not sent
            if sent:
                end.calls[call_id].sent += item

    @rule(role=st.sampled_from(Role))
    def give_credit(self, role: Role) -> None:
        end = self.ends[role]
        for call_id in end.open_calls():
            call = end.calls[call_id]
            if call.owed and not (role is Role.CLIENT and call.cancelled):
                end.core.outgoing.credit(call_id, call.owed)
                call.owed = 0

    @rule(role=st.sampled_from(Role))
    def ping(self, role: Role) -> None:
        self.ends[role].core.outgoing.ping(7)
        self.pings[role] += 1

    @rule(sender=st.sampled_from(Role), size=amounts)
    def leave(self, sender: Role, size: int) -> None:
        self.pair.leave(sender, size)

    @rule(sender=st.sampled_from(Role), size=amounts)
    def arrive(self, sender: Role, size: int) -> None:
        for event in self.pair.arrive(sender, size):
            self.hear(sender.other, event)

    @rule(sender=st.sampled_from(Role), size=amounts)
    def leave_and_arrive(self, sender: Role, size: int) -> None:
        self.leave(sender, size)
        self.arrive(sender, size)

    # What they are told ...

    def hear(self, role: Role, event: Event) -> None:
        end = self.ends[role]
        match event:
            case ItemsReceived(call_id) | EndReceived(call_id) if call_id in self.refused:
                pass  # they came together with a CALL for which there was no memory
            case CallReceived(call_id, number):
                assert call_id not in end.calls
                end.calls[call_id] = Side(number)
            case ItemsReceived(call_id, _, data):
                end.calls[call_id].received += data
                end.calls[call_id].owed += len(data)
                assert (
                    self.ends[role.other]
                    .calls[call_id]
                    .sent.startswith(end.calls[call_id].received)
                )
            case EndReceived(call_id):
                assert end.calls[call_id].received == self.client.calls[call_id].sent
            case CancelReceived(call_id):
                assert self.client.calls[call_id].cancelled
                if end.core.is_open(call_id) and call_id not in end.calls:
                    end.core.outgoing.status(call_id, StatusCode.CANCELLED, "", started=False)
            case ResultReceived(call_id) | ErrorReceived(call_id) | StatusReceived(call_id):
                self.hear_outcome(event)
            case GoawayReceived():
                for call_id in event.unaccepted:
                    assert call_id not in self.server.calls
                    self.client.outcomes[call_id] += 1
            case ValueTooLarge(call_id, limit, shared):
                assert role is Role.SERVER  # its memory is short, at times
                assert limit == (BUDGET_BYTES if shared else MAX_VALUE_BYTES)
                self.refused.add(call_id)
                if end.core.is_open(call_id):
                    end.core.outgoing.status(
                        call_id, StatusCode.RESOURCE_EXHAUSTED, "", started=call_id in end.calls
                    )
            case PongReceived(value):
                assert value == 7
                self.pongs[role] += 1
            case CreditReceived():
                pass
            case _:
                raise AssertionError(event)

    def hear_outcome(self, event: ResultReceived | ErrorReceived | StatusReceived) -> None:
        self.client.outcomes[event.call_id] += 1
        assert not self.client.core.is_open(event.call_id)
        assert not self.server.core.is_open(event.call_id)
        if not isinstance(event, StatusReceived):
            server = self.server.calls[event.call_id]
            assert event.data == server.answer
            assert self.client.calls[event.call_id].received == server.sent

    # ... and what holds at any time.

    @invariant()
    def counts_are_within_their_limits(self) -> None:
        for end in self.ends.values():
            core, table = end.core, end.core._calls
            windows = {core.role: core.peer_limits.window_bytes}
            windows[core.role.other] = core.limits.window_bytes
            assert len(core.held) <= core.limits.max_frame_bytes + 4
            assert 0 <= core.outgoing.places <= SMALL.max_values_in_pieces
            assert 0 <= table.assembling <= SMALL.max_values_in_pieces
            assert table.streamed == len(
                [call for call in table if SHAPES.index(call.shape) != UNARY]
            )
            assert len(table.late) <= SMALL.max_calls
            if table.contexts is not None:
                assert max(table.contexts.held) <= SMALL.max_contexts
            for call in table:
                for sender, credit in call.credit.items():
                    assert -MAX_VALUE_BYTES < credit.available <= windows[sender]
        assert 0 <= self.budget.available <= BUDGET_BYTES
        assert len(self.server.core._calls) <= len(self.client.core._calls) <= SMALL.max_calls

    def teardown(self) -> None:
        for _ in range(100):
            for sender in Role:
                self.leave_and_arrive(sender, 1_000_000)
            for call_id in self.server.open_calls():
                self.answer_with(call_id, MAX_VALUE_BYTES, well=True)
        for end in self.ends.values():
            table, outgoing = end.core._calls, end.core.outgoing
            assert (end.core.open_calls, table.streamed, table.assembling) == (0, 0, 0)
            assert (outgoing.places, outgoing.leaving) == (SMALL.max_values_in_pieces, False)
            assert end.core.held == outgoing.data == b""
            assert table.contexts is None or table.contexts.held == (0, 0)
        assert self.client.core._calls.budget.available == AssemblyBudget().max_bytes
        assert self.budget.available == BUDGET_BYTES
        assert self.client.outcomes == Counter(dict.fromkeys(self.client.calls, 1))
        assert self.pings[Role.CLIENT] == self.pongs[Role.CLIENT]
        assert self.pings[Role.SERVER] == self.pongs[Role.SERVER]
        told = [*self.pair.events[Role.CLIENT], *self.pair.events[Role.SERVER]]
        assert not [event for event in told if isinstance(event, PeerViolated)]


TestTwoCores = TwoCores.TestCase
TestTwoCores.settings = examples(40, long=5000, stateful_step_count=60)


# How often each rule is used in a long run. There is no GOAWAY in it, as no calls come after one.
WEIGHTS = {
    "call": 6,
    "item_of_the_client": 8,
    "item_of_the_server": 8,
    "end": 2,
    "cancel": 1,
    "answer": 2,
    "status": 1,
    "give_credit": 4,
    "ping": 1,
    "leave_and_arrive": 20,
    "leave": 2,
    "arrive": 2,
}


# A server's limits and a client's, and what they compress with.
UNLIKE = (
    replace(SMALL, max_frame_bytes=64 * 1024, window_bytes=2**31 - 1, max_metadata_bytes=8192),
    replace(SMALL, max_frame_bytes=SMALL.max_metadata_bytes + 1200, window_bytes=100),
)
LIMITS: dict[str, tuple[WireLimits, WireLimits, str | None]] = {
    "alike": (SMALL, SMALL, None),
    "smallest windows": (
        replace(SMALL, window_bytes=1),
        replace(SMALL, window_bytes=1),
        None,
    ),
    "unlike": (*UNLIKE, None),
    "zstd": (SMALL, SMALL, "zstd"),
    "unlike, zstd": (*UNLIKE, "zstd"),
    "snappy": (SMALL, SMALL, "snappy"),
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("limits", "client_limits", "codec"), LIMITS.values(), ids=LIMITS)
def test_two_cores_agree_over_a_long_run(
    limits: WireLimits, client_limits: WireLimits, codec: str | None, seed: int
) -> None:
    random = Random(seed)
    cores = TwoCores(limits, client_limits, open_codec(codec) if codec else None)

    def some(*choices: Any) -> Any:
        return random.choice(choices)

    # What each may be given, and whether it can be used now.
    role = partial(some, *Role)
    size = partial(some, 1, 30, 30, 1000, *EDGES, 10_000, MAX_VALUE_BYTES)
    amount = partial(some, 1, 7, 500, 3000, 3000, 3000, 100_000)
    pick, times, well = partial(some, *range(8)), partial(some, 1, 2, 3), partial(some, True, False)
    for rule_name in random.choices([*WEIGHTS], [*WEIGHTS.values()], k=2500):
        if rule_name == "call" and cores.client.core.has_slot(streamed=True):
            cores.call(some(UNARY, DOWN, UP, BOTH, BOTH), size(), some(None, 250), None)
        elif rule_name == "item_of_the_client" and cores.client.open_calls(UP, BOTH):
            cores.item_of_the_client(pick(), size(), times())
        elif rule_name == "item_of_the_server" and cores.server.open_calls(DOWN, BOTH):
            cores.item_of_the_server(pick(), size(), times())
        elif rule_name == "end" and cores.client.open_calls(UP, BOTH):
            cores.end(pick())
        elif rule_name == "cancel" and cores.client.open_calls():
            cores.cancel(pick())
        elif rule_name == "answer" and cores.server.open_calls():
            cores.answer(pick(), size(), well())
        elif rule_name == "status" and cores.server.open_calls():
            cores.status(pick())
        elif rule_name in {"give_credit", "ping"}:
            getattr(cores, rule_name)(role())
        elif rule_name in {"leave_and_arrive", "leave", "arrive"}:
            getattr(cores, rule_name)(role(), amount())
        cores.counts_are_within_their_limits()
    cores.teardown()
    told = Counter(type(event) for events in cores.pair.events.values() for event in events)
    # It was worth its time: of everything there was a lot.
    rare = {GoawayReceived, PackReceived, PeerViolated, ValueTooLarge}
    assert not [kind for kind in get_args(Event) if kind not in rare and told[kind] < 10]
