"""Thirty defects: what each replaces in a module, which its own tests have to notice.

The old text stands exactly once in its file; where it no longer does, the code has changed, and
the defect has to follow it, or to be replaced by another one. To add one, add a row.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.own_coverage import own_test_file

ROOT = Path(__file__).parent.parent.parent

# What the own tests of a module are besides the file of its name.
MORE_TESTS = {"avrpc/wire/incoming.py": ["tests/wire/test_every_frame.py"]}


class Defect(NamedTuple):
    """One defect.

    Attributes:
        name: What is wrong, in a few words.
        file: The module, as a path from the root.
        old: A text that stands there once.
        new: What stands there instead.
    """

    name: str
    file: str
    old: str
    new: str

    @property
    def tests(self) -> list[str]:
        """The own tests of the module, as paths from the root."""
        return [own_test_file(self.file), *MORE_TESTS.get(self.file, [])]

    def seeded(self, text: str) -> str:
        """The module's text with the defect.

        Raises:
            ValueError: The old text does not stand there exactly once.
        """
        count = text.count(self.old)
        if count != 1:
            raise ValueError(
                f"{self.file} has changed: the old text of the defect {self.name!r} in"
                f" tests/mutants/defects.py is expected there once, and is there {count} times:"
                f" bring the defect up to date\n{self.old}"
            )
        return text.replace(self.old, self.new)


DEFECTS = [
    # The wire, in ...
    Defect(
        "a frame may have any length",
        "avrpc/wire/incoming.py",
        "            if length > max_frame_bytes:\n",
        "            if length > max_frame_bytes << 10:\n",
    ),
    Defect(
        "call ids may leave some out",
        "avrpc/wire/incoming.py",
        "            if call_id != last_id + 1:\n",
        "            if call_id < last_id + 1:\n",
    ),
    Defect(
        "more calls than the limit are taken",
        "avrpc/wire/incoming.py",
        "        if not calls.has_slot(limits, streamed=shape.streams):\n",
        "        if not calls.has_slot(limits, streamed=False):\n",
    ),
    Defect(
        "items begin without credit",
        "avrpc/wire/incoming.py",
        "        credit.require_start()\n        count, position =",
        "        count, position =",
    ),
    Defect(
        "items in pieces take the credit of their first piece alone",
        "avrpc/wire/incoming.py",
        "            call.credit[self._peer].available -= end - position\n",
        "",
    ),
    Defect(
        "metadata may be as large as its frame",
        "avrpc/wire/incoming.py",
        "        if after - position > limit:\n",
        "        if after > end:\n",
    ),
    Defect(
        "GOAWAY is told, and ignored",
        "avrpc/wire/incoming.py",
        "        self._calls.draining = True\n",
        "",
    ),
    Defect(
        "calls that were not accepted stay open",
        "avrpc/wire/incoming.py",
        "                self._calls.remove(call)\n                unaccepted.append(call.id)\n",
        "                unaccepted.append(call.id)\n",
    ),
    Defect(
        "one value in pieces more than the limit",
        "avrpc/wire/incoming.py",
        "        if self._calls.assembling >= limit:\n",
        "        if self._calls.assembling > limit:\n",
    ),
    Defect(
        "bytes behind the last field are not noticed",
        "avrpc/wire/incoming.py",
        "        if position != end:\n",
        "        if position > end:\n",
    ),
    Defect(
        "the end of a call leaves its half value",
        "avrpc/wire/calls.py",
        "        self.drop_assembly(call)\n        del self._calls[call.id]\n",
        "        del self._calls[call.id]\n",
    ),
    Defect(
        "ended calls are remembered for ever",
        "avrpc/wire/calls.py",
        "            if len(self.late) > self.limits.max_calls:\n",
        "            if len(self.late) > self.limits.max_calls << 20:\n",
    ),
    Defect(
        "credit grows without end",
        "avrpc/wire/credit.py",
        "        if size <= 0 or self.available + size > MAX_CREDIT:\n",
        "        if size <= 0 or size > MAX_CREDIT:\n",
    ),
    Defect(
        "half values are not given back to the server's budget",
        "avrpc/wire/pieces.py",
        "        self._budget.give_back(self._size)\n",
        "",
    ),
    Defect(
        "a long may have more than 64 bits",
        "avrpc/wire/primitives.py",
        "            if zigzag >> 64:\n                break\n            return",
        "            return",
    ),
    Defect(
        "bytes before the decision are held without end",
        "avrpc/wire/connection.py",
        "        if len(self._held) > MAX_TEXT_PACK_BYTES:\n",
        "        if len(self._held) > MAX_TEXT_PACK_BYTES << 10:\n",
    ),
    # ... and out.
    Defect(
        "items join an open frame without credit",
        "avrpc/wire/outgoing.py",
        "            if credit.available <= 0:\n                return False\n",
        "",
    ),
    Defect(
        "a cancelled call goes on sending its large value",
        "avrpc/wire/outgoing.py",
        "        if kind in BETWEEN_PIECES:  # CANCEL",
        "        if kind is Kind.STATUS:  # CANCEL",
    ),
    # Schemas and values.
    Defect(
        "brackets may nest deeper",
        "avrpc/schema/gate.py",
        "    if deepest > MAX_BRACKETS:\n",
        "    if deepest > MAX_BRACKETS + 1:\n",
    ),
    Defect(
        "values are not counted",
        "avrpc/schema/scan.py",
        "        self.nodes_left -= nodes\n",
        "",
    ),
    Defect(
        "depth is not counted",
        "avrpc/schema/scan.py",
        "                walk.depth += 1\n",
        "",
    ),
    # The handshake.
    Defect(
        "a text is known by its MD5 alone",
        "avrpc/handshake.py",
        "            if (md5, sha256) == (wanted.md5, wanted.sha256):\n"
        "                return wanted\n            return self._texts",
        "            if md5 == wanted.md5:\n"
        "                return wanted\n            return self._texts",
    ),
    Defect(
        "a client's text need not be that of its hashes",
        "avrpc/handshake.py",
        "        if text is None or (md5, sha256) != hashes(text.encode()):\n"
        "            raise _Refused(\n",
        "        if text is None:\n            raise _Refused(\n",
    ),
    # A connection and its calls.
    Defect(
        "a call stays in the table after its outcome",
        "avrpc/session.py",
        "        entry = self.calls.pop(event.call_id, None)\n        if entry is not None:\n"
        "            entry.on_outcome(event)\n",
        "        entry = self.calls.get(event.call_id)\n        if entry is not None:\n"
        "            entry.on_outcome(event)\n",
    ),
    Defect(
        "CANCEL of a call that has not all come is not answered",
        "avrpc/session.py",
        "            self.outgoing.status(event.call_id, StatusCode.CANCELLED, "
        '"cancelled", started=started)\n',
        "",
    ),
    Defect(
        "a call that nobody wants any more is not cancelled",
        "avrpc/session.py",
        "        if self.calls.pop(call_id, None) is not None and not self.over:\n"
        "            self.outgoing.cancel(call_id)\n",
        "        if self.calls.pop(call_id, None) is not None and not self.over:\n",
    ),
    Defect(
        "credit is given back twice",
        "avrpc/call.py",
        "            self._session.wake()\n            self._owed = 0\n",
        "            self._session.wake()\n",
    ),
    Defect(
        "a handler does not run under its caller's deadline",
        "avrpc/server_call.py",
        "            scope.deadline = self.deadline\n",
        "            pass\n",
    ),
    Defect(
        "a handler's exception is told to the caller",
        "avrpc/server_call.py",
        '        self._status(StatusCode.UNKNOWN, f"internal error {error_id}")\n',
        '        self._status(StatusCode.UNKNOWN, f"internal error {error_id}: {error}")\n',
    ),
    Defect(
        "a handler that ran is said not to have begun",
        "avrpc/server_call.py",
        "        self._started = True\n",
        "",
    ),
]
