"""A million calls, and a hundred thousand connections: what is left of them.

    python -m tests.torture.soak [CALLS] [CONNECTIONS] [SEED]

A tenth of the calls is made first; the server and its client may have 2 MiB more after the others
than after these, and no file and no task. So with the connections, of which a tenth is cut in the
handshake, and the others end in three ways after it.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from tests.torture.figures import Run
from tests.torture.processes import Child
from tests.torture.served import Served
from tests.torture.soak_client import CLIENTS, ENDS

MIB = 1024 * 1024
MAX_GROWTH = 2  # MiB
HOUR = 3600


class Accounts:
    """What the server and its client hold, from when this is made."""

    def __init__(self, run: Run, server: Served, client: Child) -> None:
        self._run = run
        self._server = server
        self._ends = {"server": server, "client": client}
        self._before = self._look()

    def _look(self) -> dict[str, dict[str, Any]]:
        self._server.at_rest(CLIENTS)
        return {name: end.ask("account") for name, end in self._ends.items()}

    def judge(self) -> None:
        """Note what is more than it was."""
        after, run = self._look(), self._run
        for name, end in self._ends.items():
            was, now = self._before[name], after[name]
            grown = (now["resident"] - was["resident"]) / MIB
            run.add(f"{name}'s growth", round(grown, 2), "MiB", at_most=MAX_GROWTH)
            for what in ("files", "tasks"):
                run.add(f"{name}'s {what}, more", now[what] - was[what], at_most=0)
            for what in now["not_at_rest"]:
                run.problem(f"left: {what}")
            end.complain(run)


def main(calls: int = 1_000_000, connections: int = 100_000, seed: int = 1) -> int:
    with (
        Served() as server,
        Child("tests.torture.soak_client", server.address, seed) as client,
    ):
        with Run("soak", "calls") as first:
            client.ask("calls", calls // 10, seconds=HOUR)
            accounts = Accounts(first, server, client)
            begin = time.monotonic()
            client.ask("calls", calls, seconds=HOUR)
            first.add("calls", calls)
            first.add("a second", round(calls / (time.monotonic() - begin)))
            accounts.judge()
        with Run("soak", "connections") as second:
            client.ask("churn", connections // 10, seconds=HOUR)
            accounts = Accounts(second, server, client)
            ended = client.ask("churn", connections, seconds=HOUR)
            for how in ENDS:
                second.add(how, ended.get(how, 0))
            accounts.judge()
    return first.exit_code or second.exit_code


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
