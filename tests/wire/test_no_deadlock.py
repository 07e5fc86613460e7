"""Two cores whose owners have much to say never wait for each other for ever.

Each owner has a program: calls to make and items to send in each, of which many don't fit a frame,
a window or the places for values in pieces. It does what a session does: it waits where the core
says so, and gives credit back at half a window. Whatever order things happen in, and however bytes
trickle, all of it is sent and every call ends; and credit never goes below zero by more than the
one item that took it there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from avrpc.wire import (
    CallReceived,
    CreditReceived,
    EndReceived,
    Event,
    ItemsReceived,
    ResultReceived,
    Role,
    WireLimits,
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

sizes = st.sampled_from(
    [1, 50, 1000, LARGEST_SMALL_VALUE, LARGEST_SMALL_VALUE + 1, 9000, MAX_VALUE_BYTES]
)


class Program:
    """One call: what both owners are to do with it."""

    def __init__(
        self, number: int, parameters: int, up: list[int], down: list[int], answer: int, early: bool
    ) -> None:
        shape = SHAPES[number]
        self.number = number
        self.parameters = parameters
        self.items = {
            Role.CLIENT: up if shape.streams_request else [],
            Role.SERVER: down if shape.streams_response else [],
        }
        self.answer = 0 if shape.streams_response else answer
        self.early = early
        """Whether the server answers without waiting for the end of the client's items."""

    def __repr__(self) -> str:
        return f"Program({vars(self)})"


programs = st.lists(
    st.builds(
        Program,
        st.sampled_from([UNARY, DOWN, UP, BOTH, BOTH]),
        sizes,
        st.lists(sizes, max_size=6),
        st.lists(sizes, max_size=6),
        sizes,
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@dataclass
class Side:
    """How far an owner has come with a call."""

    left: list[int]  # items to send
    owed: int = 0  # credit, for items that came
    last_item: int = 0
    ended: bool = False  # the client's items


@dataclass
class Owner:
    """One end, with the calls that it has."""

    role: Role
    pair: Pair
    programs: list[Program]
    sides: dict[int, Side] = field(default_factory=dict)
    made: int = 0  # calls, by the client
    outcomes: int = 0

    def hear(self, event: Event) -> None:
        match event:
            case CallReceived(call_id):
                self.sides[call_id] = Side([*self.programs[call_id - 1].items[self.role]])
            case ItemsReceived(call_id, _, data):
                self.sides[call_id].owed += len(data)
            case EndReceived(call_id):
                self.sides[call_id].ended = True
            case ResultReceived(call_id):
                assert self.programs[call_id - 1].answer == len(event.data)
                self.outcomes += 1
            case CreditReceived():
                pass
            case _:
                raise AssertionError(event)

    def act(self) -> bool:
        """Do one thing, if there is one that needs no waiting; whether there was."""
        core = self.pair.ends[self.role]
        for call_id, side in self.sides.items():
            if core.is_open(call_id) and (
                self._give_credit(call_id, side)
                or self._send_item(call_id, side)
                or self._finish(call_id, side)
            ):
                return True
        return self.role is Role.CLIENT and self._call()

    def _call(self) -> bool:
        core = self.pair.client
        if self.made == len(self.programs):
            return False
        program = self.programs[self.made]
        if not core.has_slot(streamed=SHAPES[program.number].streams) or (
            core.outgoing.is_large(program.parameters) and core.outgoing.places <= 0
        ):
            return False
        call_id = core.outgoing.call(program.number, bytes(program.parameters))
        self.sides[call_id] = Side([*program.items[self.role]])
        self.made += 1
        return True

    def _give_credit(self, call_id: int, side: Side) -> bool:
        core = self.pair.ends[self.role]
        if side.owed < max(1, core.limits.window_bytes // 2):
            return False
        core.outgoing.credit(call_id, side.owed)
        side.owed = 0
        return True

    def _send_item(self, call_id: int, side: Side) -> bool:
        if not side.left:
            return False
        sent = self.pair.ends[self.role].outgoing.try_item(call_id, bytes(side.left[0]))
        if sent:
            side.last_item = side.left.pop(0)
        return sent

    def _finish(self, call_id: int, side: Side) -> bool:
        outgoing, program = self.pair.ends[self.role].outgoing, self.programs[call_id - 1]
        if side.left or outgoing.busy(call_id):
            return False
        if self.role is Role.CLIENT:
            if side.ended or not SHAPES[program.number].streams_request:
                return False
            outgoing.end(call_id)
            side.ended = True
            return True
        waits = SHAPES[program.number].streams_request and not (side.ended or program.early)
        if waits or (outgoing.is_large(program.answer) and outgoing.places <= 0):
            return False
        outgoing.result(call_id, bytes(program.answer))
        return True


def check_credit(owners: dict[Role, Owner]) -> None:
    """Credit is below zero by less than the last item sent, at both ends, which may lag."""
    for owner in owners.values():
        for call in owner.pair.ends[owner.role]._calls:
            for sender, credit in call.credit.items():
                largest = max(owner.programs[call.id - 1].items[sender], default=0)
                assert credit.available > -max(largest, 1)
                side = owner.sides.get(call.id)  # none while its CALL is still coming
                if sender is owner.role and side is not None:
                    assert credit.available > -max(side.last_item, 1)


ONE = replace(SMALL, window_bytes=1, max_calls=1, max_streamed_calls=1, max_values_in_pieces=1)
FEW = replace(SMALL, window_bytes=3000, max_calls=2, max_streamed_calls=1, max_values_in_pieces=1)
limits = st.sampled_from([SMALL, FEW, ONE])
# What happens next: an end does something, bytes leave it, or arrive from it.
steps = st.lists(
    st.tuples(
        st.sampled_from(["act", "leave", "arrive"]), st.sampled_from(Role), st.integers(1, 9000)
    ),
    max_size=60,
)


@examples(100)
@given(programs, limits, limits, steps)
def test_two_cores_never_wait_for_each_other_for_ever(
    programs: list[Program],
    limits: WireLimits,
    client_limits: WireLimits,
    steps: list[tuple[str, Role, int]],
) -> None:
    pair = Pair(limits, client_limits=client_limits)
    owners = {role: Owner(role, pair, programs) for role in Role}

    def step(what: str, role: Role, size: int | None) -> bool:
        """Whether anything happened."""
        if what == "act":
            done = owners[role].act()
        elif what == "leave":
            before = len(pair._under_way[role])
            pair.leave(role, size)
            done = len(pair._under_way[role]) > before
        else:
            done = bool(pair._under_way[role])
            for event in pair.arrive(role, size):
                owners[role.other].hear(event)
        check_credit(owners)
        return done

    for what, role, size in steps:
        step(what, role, size)
    # From here on everybody does all there is to do, until nobody can.
    while any(step(what, role, None) for what in ("act", "leave", "arrive") for role in Role):
        pass
    client, server = owners[Role.CLIENT], owners[Role.SERVER]
    assert client.outcomes == client.made == len(programs)
    assert pair.client.open_calls == pair.server.open_calls == 0
    assert not any(side.left for side in server.sides.values())
    for program, side in zip(programs, client.sides.values(), strict=True):
        assert program.early or not side.left
