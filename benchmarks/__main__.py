"""The command: `python -m benchmarks --help`."""

import argparse
import json
import math
import pathlib
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks import flight_rows, goals, report
from benchmarks.client_main import positive
from benchmarks.figures import Measurement, Row, WireCount, summarise
from benchmarks.goals import Reached
from benchmarks.harness import ChildFailed, ask, count_bytes, take_rounds
from benchmarks.peers import BASELINE, PEERS, PeerSpec
from benchmarks.workloads import COMPARISONS, WORKLOADS, Workload

QUICK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is measured in what."""

    peers: list[PeerSpec]
    workloads: dict[str, list[Workload]]
    """By the name of the peer."""
    versions: dict[str, Mapping[str, str]]
    skipped: dict[str, str]
    """Why a peer that was asked for is not measured."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, write the file; return 1 if anything failed."""
    options = parse(arguments)
    if options.quick:
        options.rounds, options.seconds = 1, QUICK_SECONDS
    until = math.inf if options.minutes is None else time.monotonic() + options.minutes * 60
    facts = report.machine()
    plan = choose(options)
    if not any(matches(peer, w, options) for peer in PEERS for w in WORKLOADS):
        say(f"nothing is called {options.only!r}; there are:")
        for peer in PEERS:
            for workload in WORKLOADS:
                say(f"  {peer.name}: {workload.name}")
        return 2

    # Bytes first: they are the same in every round.
    wire = take_bytes(plan, options.quick)
    measurements: list[Measurement] = []
    for measurement in take_rounds(
        plan.peers, plan.workloads, options.rounds, options.seconds, until
    ):
        say(report.progress(measurement, options.rounds))
        measurements.append(measurement)
    taken = max((m.round for m in measurements), default=0)
    if taken < options.rounds and measurements:
        say(f"{taken} rounds of {options.rounds}: there was no time for more")

    rows = summarise(measurements, wire, WORKLOADS, COMPARISONS, BASELINE)
    reached = goals.judge(measurements, wire)
    asked = {"rounds": options.rounds, "taken": taken}
    document = report.document(
        options={**asked, "seconds": options.seconds, "only": options.only},
        facts=facts,
        versions=plan.versions,
        skipped=plan.skipped,
        measurements=measurements,
        wire=wire,
        rows=rows,
        goals=reached,
    )
    show(plan, [*report.machine_lines(facts, measurements)], rows, reached)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        say(f"every figure: {options.json}")
    return 1 if any(row.failed for row in rows) or not plan.peers else 0


def choose(options: argparse.Namespace) -> Plan:
    """Ask the peers that are wanted what they can do, and leave out who does not answer."""
    plan = Plan([], {}, {}, {})
    there = WORKLOADS
    if "data" in options.groups and not flight_rows.FILE.exists():
        there = tuple(w for w in WORKLOADS if w.group != "data")
        plan.skipped["the flights"] = flight_rows.NOT_HERE
    for peer in PEERS:
        wanted = [w for w in there if matches(peer, w, options)]
        if not wanted:
            continue
        try:
            about = ask(peer)
        except ChildFailed as error:
            say(f"{peer.name} is skipped: {error}")
            plan.skipped[peer.name] = str(error)
            continue
        if can := [w for w in wanted if w.name in about.workloads]:
            plan.peers.append(peer)
            plan.workloads[peer.name] = can
            plan.versions[peer.name] = about.versions
    return plan


def take_bytes(plan: Plan, quick: bool) -> list[WireCount]:
    """Count what travels."""
    wire = []
    for peer in plan.peers:
        for workload in plan.workloads[peer.name]:
            if workload.wire_counts and peer.on_wire:
                counts = workload.wire_counts
                if quick and not workload.bytes_only:
                    counts = (counts[0] // 5, counts[1] // 5)
                counted = count_bytes(peer, workload, counts)
                say(report.progress_of_bytes(counted))
                wire.append(counted)
    return wire


def show(plan: Plan, lines: list[str], rows: Sequence[Row], reached: Sequence[Reached]) -> None:
    """Print what a person reads."""
    for name, libraries in plan.versions.items():
        lines.append(
            f"{name}: {', '.join(f'{lib} {version}' for lib, version in libraries.items())}"
        )
    lines += [f"{name}: skipped: {reason}" for name, reason in plan.skipped.items()]
    print(*lines, sep="\n", end="\n\n")
    report.print_table(rows, BASELINE, sys.stdout)
    for line in report.goal_lines(reached):
        print(line)


def matches(peer: PeerSpec, workload: Workload, options: argparse.Namespace) -> bool:
    """Tell whether this is asked for."""
    if peer.extra and not options.all and not options.only:
        return False
    if workload.group not in options.groups or workload.group not in peer.groups:
        return False
    return options.only.lower() in f"{peer.name}: {workload.name}".lower()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    groups = list(dict.fromkeys(w.group for w in WORKLOADS))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure avrpc and its peers side by side, in interleaved rounds.",
    )
    parser.add_argument("--rounds", type=rounds, default=5, metavar="N", help="default: 5")
    parser.add_argument(
        "--seconds",
        type=positive,
        default=1.0,
        metavar="S",
        help="what one measurement takes, warm-up apart (default: 1)",
    )
    parser.add_argument(
        "--minutes",
        type=positive,
        metavar="M",
        help="begin no round that may not end in this time (default: no limit)",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="also the peers that need the extra `peers`, and what benchmarks.environments gets",
    )
    parser.add_argument(
        "--groups",
        nargs="+",
        choices=groups,
        default=groups,
        metavar="GROUP",
        help=f"only these workloads, of: {', '.join(groups)}",
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="SUBSTRING",
        help="only what has this in 'PEER: WORKLOAD', in upper or lower case",
    )
    parser.add_argument(
        "--json", type=pathlib.Path, metavar="FILE", help="write every raw figure there"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one short round, to see that everything runs; its figures mean nothing",
    )
    return parser.parse_args(arguments)


def rounds(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def say(line: str) -> None:
    """Tell how it goes, apart from the results."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
