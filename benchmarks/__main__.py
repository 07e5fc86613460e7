"""The command: `python -m benchmarks --help`."""

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence

from benchmarks import report
from benchmarks.client_main import positive
from benchmarks.figures import Measurement, WireCount, summarise
from benchmarks.harness import ChildFailed, ask, count_bytes, take_rounds
from benchmarks.peers import BASELINE, PEERS
from benchmarks.workloads import COMPARISONS, WORKLOADS, Workload

QUICK_SECONDS = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the file; return 1 if anything failed."""
    options = parse(arguments)
    rounds = 1 if options.quick else options.rounds
    seconds = QUICK_SECONDS if options.quick else options.seconds
    facts = report.machine()

    chosen: dict[str, list[Workload]] = {}
    versions = {}
    measurements: list[Measurement] = []
    for peer in PEERS:
        wanted = [w for w in WORKLOADS if options.only.lower() in f"{peer.name}: {w.name}".lower()]
        if not wanted:
            continue
        try:
            about = ask(peer)
        except ChildFailed as error:
            say(f"{peer.name} cannot be measured: {error}")
            measurements += [
                Measurement(round=1, peer=peer.name, workload=w.name, failed=str(error))
                for w in wanted
            ]
            continue
        versions[peer.name] = about.versions
        chosen[peer.name] = [w for w in wanted if w.name in about.workloads]
    if not chosen and not measurements:
        say(f"nothing is called {options.only!r}; there are:")
        for peer in PEERS:
            for workload in WORKLOADS:
                say(f"  {peer.name}: {workload.name}")
        return 2

    peers = [peer for peer in PEERS if peer.name in chosen]
    for measurement in take_rounds(peers, chosen, rounds, seconds):
        say(report.progress(measurement, rounds))
        measurements.append(measurement)
    wire: list[WireCount] = []
    went = {(m.peer, m.workload) for m in measurements if not m.failed}
    for peer in peers:
        for workload in chosen[peer.name]:
            if workload.wire_counts and (peer.name, workload.name) in went:
                counts = workload.wire_counts
                if options.quick:
                    counts = (counts[0] // 5, counts[1] // 5)
                counted = count_bytes(peer, workload, counts)
                say(report.progress_of_bytes(counted))
                wire.append(counted)

    rows = summarise(measurements, wire, WORKLOADS, COMPARISONS, BASELINE)
    for line in report.machine_lines(facts, measurements):
        print(line)
    for name, libraries in versions.items():
        print(f"{name}: {', '.join(f'{lib} {version}' for lib, version in libraries.items())}")
    print()
    report.print_table(rows, BASELINE, sys.stdout)
    if options.json:
        document = report.document(
            options={"rounds": rounds, "seconds": seconds, "only": options.only},
            facts=facts,
            versions=versions,
            measurements=measurements,
            wire=wire,
            rows=rows,
        )
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        say(f"every figure: {options.json}")
    return 1 if any(row.failed for row in rows) else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
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
