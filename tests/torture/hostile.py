"""Hostile peers beside well-behaved ones: a server, a hundred who mean harm, ten who do not.

    python -m tests.torture.hostile [ROUNDS] [SECONDS] [SEED]

First every kind of hostile peer lives a few times, with short limits of time, and has to end as
`hostilities.EXPECTED` says. Then a hundred of them act at a fixed rate beside clients whose calls
are timed, in turns with a hundred benign peers at that rate. Then they do what they can.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from benchmarks.children import machine_cpu, process_cpu
from tests.torture.figures import Run
from tests.torture.hostilities import EXPECTED
from tests.torture.processes import Child
from tests.torture.served import Served

PEERS = 100
RATE = 10.0  # acts a second of each
GOOD = 10  # clients whose calls are timed
MIB = 1024 * 1024
MAX_GROWTH = 64  # MiB, at a fixed rate
MAX_GROWTH_OF_ALL = 256  # where all kinds do what they can, and some send what costs most
LONGEST_STEP = 300  # ms of CPU

SHORT = {"handshake_timeout": 1, "write_stall_timeout": 1, "piece_timeout": 1}


class Siege:
    """A server, its hostile peers and its good clients; leaving the block ends them.

    Args:
        seed: Of all chance.
        good: How many good clients.
        limits: Of the server.
    """

    def __init__(self, seed: int, good: int = GOOD, **limits: float) -> None:
        self._clients = good
        with ExitStack() as stack:
            self.server = stack.enter_context(Served(limits))
            address = self.server.address
            start = stack.enter_context
            self.hostile = start(Child("tests.torture.hostile_peers", address, seed))
            self.good = start(Child("tests.torture.good_clients", address, good, seed))
            self.good.ask("measure", 0.2)  # the first ones take longer
            self._before = self.server.at_rest(good)
            self.server.ask("reset")
            self._stack = stack.pop_all()

    def measure(self, run: Run, seconds: float) -> dict[str, Any]:
        """Time calls of the good clients; beside their figures gives the cores that others took."""
        others = self._others()
        measured: dict[str, Any] = self.good.ask("measure", seconds, seconds=seconds + 60)
        if not measured["calls"]:
            run.problem("good clients made no calls")
        for failed in measured["failed"]:
            run.problem(f"a good client: {failed}")
        return measured | {"others": (self._others() - others) / seconds}

    def _others(self) -> float:
        """CPU seconds of everybody else."""
        ours = (process_cpu(child.pid) or 0 for child in (self.server, self.hostile, self.good))
        return (machine_cpu() or 0) - sum(ours)

    def judge(self, run: Run, max_growth: int = MAX_GROWTH_OF_ALL) -> None:
        """Note what it took of the server, and what it left there."""
        before, last = self._before, self.server.ask("account")
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        peak = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024
        run.add("growth", (peak - int(before["resident"])) // MIB, "MiB", at_most=max_growth)
        run.add("longest step", round(last["longest_step"] * 1000), "ms", at_most=LONGEST_STEP)
        after = self.server.at_rest(self._clients)
        run.add("files lost", after["files"] - before["files"], at_most=0)
        left = after["connections"] - self._clients
        run.add("connections left", left, at_most=0)
        run.add("handlers left", after["running"], at_most=0)
        run.add("half values left", after["half_values"], "bytes", at_most=0)
        for what in after["not_at_rest"]:
            run.problem(f"left: {what}")
        self.server.complain(run)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def each_kind(run: Run, siege: Siege, times: int) -> None:
    """Every kind ends as it should, and leaves nothing behind."""
    siege.hostile.tell("lives", times)
    siege.measure(run, 1)
    outcomes = siege.hostile.wait(300)["outcomes"]
    run.add("kinds", len(outcomes), at_least=len(EXPECTED))
    run.add("lives", sum(sum(each.values()) for each in outcomes.values()))
    for name, came_to in sorted(outcomes.items()):
        if came_to != {EXPECTED[name]: times}:
            run.problem(f"{name}: expected {EXPECTED[name]!r}, came to {came_to}")
    siege.judge(run)


def at_a_fixed_rate(run: Run, siege: Siege, rounds: int, seconds: float, settle: float = 1) -> None:
    """What good clients notice of hostile peers, against what they notice of benign ones."""
    ratios: list[float] = []
    measured: dict[str, list[dict[str, Any]]] = {"benign": [], "hostile": []}
    acts = {"benign": 0, "hostile": 0}
    for number in range(rounds):
        for kind in [*measured][:: -1 if number % 2 else 1]:
            names = siege.hostile.told if kind == "hostile" else [kind]
            siege.hostile.ask("go", names, PEERS, RATE)
            time.sleep(settle)
            measured[kind].append(siege.measure(run, seconds))
            acts[kind] += siege.hostile.ask("stop")["acts"]
        ratios.append(measured["hostile"][-1]["p99"] / measured["benign"][-1]["p99"])
    run.add("rounds", rounds)
    for kind, figures in measured.items():
        run.add(f"{kind} acts a second", round(acts[kind] / rounds / (seconds + settle)))
        p99 = statistics.median(each["p99"] for each in figures)
        run.add(f"p99 beside {kind} peers", round(p99 * 1000, 1), "ms")
    run.add("p99, times", round(statistics.median(ratios), 2), at_most=3)
    run.add("at most", round(max(ratios), 2))
    others = [each["others"] for figures in measured.values() for each in figures]
    run.add("cores that others took", round(statistics.median(others), 2))
    siege.judge(run, MAX_GROWTH)


def at_full_speed(run: Run, siege: Siege, seconds: float) -> None:
    """Whatever they can do."""
    siege.hostile.ask("go", siege.hostile.told, PEERS, 0)
    measured = siege.measure(run, seconds)
    told = siege.hostile.ask("stop")
    run.add("acts a second", round(told["acts"] / seconds))
    run.add("good calls", measured["calls"])
    for name in ("p50", "p99", "worst"):
        run.add(name, round(measured[name] * 1000, 1), "ms")
    siege.judge(run)


def main(rounds: int = 5, seconds: int = 12, seed: int = 1) -> int:
    with Run("hostile", "each kind") as first, Siege(seed, 1, **SHORT) as siege:
        each_kind(first, siege, 3)
    with Run("hostile", "at a fixed rate") as second, Siege(seed) as siege:
        at_a_fixed_rate(second, siege, rounds, seconds)
    with Run("hostile", "at full speed") as third, Siege(seed) as siege:
        at_full_speed(third, siege, 2 * seconds)
    return first.exit_code or second.exit_code or third.exit_code


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
