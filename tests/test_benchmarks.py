"""The harness of the benchmarks; what it measures is not judged here."""

import dataclasses
import io
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import zipfile
import zlib
from typing import cast

import pytest

from avrpc.schema.negotiation import Negotiation
from benchmarks import environments, flight_rows, protocols, report, texts
from benchmarks.__main__ import matches, parse
from benchmarks.client_main import supports
from benchmarks.figures import (
    Measurement,
    Row,
    Spread,
    WireCount,
    percentile,
    rotated,
    slope,
    summarise,
)
from benchmarks.goals import judge
from benchmarks.harness import Child, ChildFailed, ask, measure, take_rounds
from benchmarks.peers import PEERS, Peer, PeerSpec
from benchmarks.relay import Relay
from benchmarks.workloads import (
    BESIDE_LARGE,
    BLOB,
    COMPARISONS,
    IDLE,
    LAST,
    OTHERS_ALONE,
    OTHERS_BESIDE,
    OVER_TLS,
    STREAMS,
    UNARY,
    WATCH,
    WATCH_NEWER,
    WATCH_OLDER,
    WORKLOADS,
    Workload,
)

ROOT = pathlib.Path(__file__).resolve().parent.parent

SLOW_READER = next(one for one in COMPARISONS if one.of is OTHERS_BESIDE)
OLDER = next(one for one in COMPARISONS if one.of is WATCH_OLDER)


# --- figures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([7.0], 50, 7.0),
        ([7.0], 99, 7.0),
        ([1.0, 2.0], 50, 1.0),
        ([1.0, 2.0, 3.0], 50, 2.0),
        (list(range(1, 101)), 99, 99),
        (list(range(1, 1001)), 99, 990),
        ([1.0, 2.0], 0, 1.0),
        ([1.0, 2.0], 100, 2.0),
    ],
)
def test_percentile_is_one_of_the_values(
    values: list[float], percent: float, expected: float
) -> None:
    assert percentile(values, percent) == expected


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_spread_ignores_what_is_missing() -> None:
    assert Spread.of([3.0, None, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([None]) is None


def test_slope_leaves_set_up_out() -> None:
    assert slope((10, 30), (1_000 + 10 * 45, 1_000 + 30 * 45)) == 45


@pytest.mark.parametrize(
    ("by", "expected"), [(0, ["a", "b", "c"]), (1, ["b", "c", "a"]), (5, ["c", "a", "b"])]
)
def test_rotated_keeps_the_circle(by: int, expected: list[str]) -> None:
    assert rotated(["a", "b", "c"], by) == expected


def test_rotated_nothing_is_nothing() -> None:
    assert rotated([], 3) == []


def test_rounds_change_which_peer_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def note(peer: PeerSpec, workload: object, number: int, seconds: float) -> Measurement:
        seen.append((number, workload, peer.name))
        return Measurement(number, peer.name, "")

    monkeypatch.setattr("benchmarks.harness.measure", note)
    peers = [PeerSpec("a", ""), PeerSpec("b", "")]
    list(take_rounds(peers, {"a": [UNARY, WATCH], "b": [UNARY]}, rounds=2, seconds=1))
    assert seen == [
        (1, UNARY, "a"),
        (1, UNARY, "b"),
        (1, WATCH, "a"),
        (2, UNARY, "b"),
        (2, UNARY, "a"),
        (2, WATCH, "a"),
    ]


def test_no_round_is_begun_for_which_there_is_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0, 0, 10, 21])  # the rounds take 10 and 11 seconds
    monkeypatch.setattr("benchmarks.harness.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("benchmarks.harness.measure", lambda p, w, n, s: Measurement(n, "a", ""))
    peers = [PeerSpec("a", "")]
    taken = list(take_rounds(peers, {"a": [UNARY]}, rounds=5, seconds=1, until=31))
    assert [m.round for m in taken] == [1, 2]


def test_curves_are_measured_in_some_of_the_rounds_and_bytes_in_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "benchmarks.harness.measure", lambda p, w, n, s: Measurement(n, "a", w.name)
    )
    peers = [PeerSpec("a", "")]
    workloads = [UNARY, IDLE, STREAMS[10], LAST]
    taken = list(take_rounds(peers, {"a": workloads}, rounds=5, seconds=1))
    assert {w.name: sum(m.workload == w.name for m in taken) for w in workloads} == {
        UNARY.name: 5,
        IDLE.name: 3,
        STREAMS[10].name: 2,
        LAST.name: 0,
    }


def test_workloads_have_names_of_their_own() -> None:
    assert len({w.name for w in WORKLOADS}) == len(WORKLOADS)
    assert {w.neighbour for w in WORKLOADS} - {None} <= {w.name for w in WORKLOADS}


# --- canned rounds, and the rows and the table made of them -----------------------------------


def canned(round_: int, peer: str, rate: float, workload: str = UNARY.name) -> Measurement:
    return Measurement(
        round=round_,
        peer=peer,
        workload=workload,
        count=1_000,
        seconds=1_000 / rate,
        p50=0.0001,
        p99=0.0002,
        client_cpu=0.25,
        server_cpu=0.125,
        others_cores=0.1,
    )


ROUNDS = [
    # Round 2 met a busy machine, which halved both; the ratio does not see it.
    *(canned(1, "avrpc", 3_000), canned(1, "grpc.aio", 1_000)),
    *(canned(2, "grpc.aio", 500), canned(2, "avrpc", 1_500)),
    *(canned(3, "avrpc", 3_200), canned(3, "grpc.aio", 1_000)),
    Measurement(1, "avrpc", BLOB.name, failed="the server exited with 1: MemoryError"),
    canned(2, "avrpc", 20, BLOB.name),
    Measurement(1, "grpc.aio", BLOB.name, failed="the client was silent for 40 s"),
    canned(1, "avrpc", 1_000, WATCH.name),
    canned(1, "avrpc", 900, WATCH_OLDER.name),
    canned(1, "avrpc", 100, OTHERS_ALONE.name),
    Measurement(1, "avrpc", OTHERS_BESIDE.name, 2_000, 1.0, client_cpu=0.6, server_cpu=0.2),
    Measurement(1, "other", OTHERS_ALONE.name, 2_000, 1.0),
    Measurement(1, "other", OTHERS_BESIDE.name, 2_000, 1.0),
]
WIRE = [
    WireCount("avrpc", UNARY.name, (10, 110), (500, 2_600), (400, 2_600)),
    WireCount("grpc.aio", UNARY.name, failed="the client exited with 1"),
]


def rows() -> dict[tuple[str, str], Row]:
    made = summarise(ROUNDS, WIRE, WORKLOADS, COMPARISONS, "grpc.aio")
    return {(row.workload, row.peer): row for row in made}


def test_ratio_is_the_median_of_the_ratios_within_rounds() -> None:
    row = rows()[UNARY.name, "avrpc"]
    assert row.rate == Spread(3_000, 1_500, 3_200)
    assert row.ratio is not None
    assert (row.ratio.low, row.ratio.median, row.ratio.high) == pytest.approx((3.0, 3.0, 3.2))
    assert row.failed is None


def test_row_has_cpu_per_100k_and_bytes_per_call() -> None:
    row = rows()[UNARY.name, "avrpc"]
    assert row.client_cpu == Spread(25, 25, 25)
    assert row.server_cpu == Spread(12.5, 12.5, 12.5)
    assert (row.sent, row.received) == (21, 22)


def test_row_of_which_a_round_failed_says_so_and_keeps_the_rest() -> None:
    row = rows()[BLOB.name, "avrpc"]
    assert row.rate == Spread(20, 20, 20)
    assert row.failed == "1 of 2 rounds: the server exited with 1: MemoryError"


def test_row_of_which_every_round_failed_has_the_reason_only() -> None:
    row = rows()[BLOB.name, "grpc.aio"]
    assert row.rate is None
    assert row.failed == "the client was silent for 40 s"


def test_row_of_which_bytes_could_not_be_counted_says_so() -> None:
    assert rows()[UNARY.name, "grpc.aio"].failed == "bytes: the client exited with 1"


def test_slow_reader_is_compared_by_cpu_per_item() -> None:
    # 0.8 s for 2,000 items beside it, 0.375 s for 1,000 without.
    row = rows()[SLOW_READER.name, "avrpc"]
    assert row.ratio is not None
    assert row.ratio.median == pytest.approx((0.8 / 2_000) / (0.375 / 1_000))


def test_versions_are_compared_by_rate() -> None:
    row = rows()[OLDER.name, "avrpc"]
    assert row.ratio is not None
    assert row.ratio.median == pytest.approx(0.9)
    assert row.unit == "of the equal rate"


def test_comparison_without_cpu_figures_says_that_it_is_missing() -> None:
    assert rows()[SLOW_READER.name, "other"].failed == "not measured in any round"


def test_memory_is_what_one_more_takes() -> None:
    held = [(10, 1_000, 5_000), (100, 3_000, 9_000), (110, 11_000, 105_000)]
    measured = Measurement(1, "avrpc", IDLE.name, count=110, seconds=1.0, held=held)
    (row,) = summarise([measured], [], [IDLE], [], "grpc.aio")
    assert row.rate is None
    assert (row.client_memory, row.server_memory) == (
        Spread(100, 100, 100),
        Spread(1_000, 1_000, 1_000),
    )
    assert report.cells(row)[-2:] == ["0.10", "0.98"]
    assert "0.98 KiB each" in report.progress(measured, 1)


def test_row_may_have_bytes_alone() -> None:
    count = WireCount("avrpc", LAST.name, (10, 20), (100, 210), (50, 390))
    (row,) = summarise([], [count], [LAST], [], "grpc.aio")
    assert (row.sent, row.received, row.rate) == (11, 34, None)


def test_goals_are_judged_within_rounds_and_only_where_both_were_measured() -> None:
    wire = [WireCount("avrpc", LAST.name, (0, 10), (0, 100), (0, 360))]
    reached = {one.goal: one for one in judge(ROUNDS, wire)}
    times = reached["unary, one at a time: times grpc.aio"]
    assert (times.met, times.wanted) == (True, ">= 3")
    assert times.found.median == pytest.approx(3.0)
    call = reached["a small call: bytes both ways"]
    assert (call.met, call.found.median) == (False, 46)
    slow = reached["one slow reader of 100: CPU of an item of the others"]
    assert slow.met
    assert slow.found.median == pytest.approx(1.0667, abs=1e-3)
    assert len(reached) == 3
    lines = report.goal_lines(list(reached.values()))
    assert any("MISSED" in line and line.startswith("a small call") for line in lines)


def test_p99_goals_are_differences_in_milliseconds() -> None:
    slower = dataclasses.replace(canned(1, "avrpc", 100, BESIDE_LARGE.name), p99=0.0302)
    reached = {one.goal: one for one in judge([canned(1, "avrpc", 3_000), slower], [])}
    (found,) = reached.values()
    assert not found.met
    assert found.found.median == pytest.approx(30.0)


def test_no_goals_no_lines() -> None:
    assert report.goal_lines([]) == []


def test_plain_table_shows_figures_gaps_and_failures() -> None:
    out = io.StringIO()
    report.print_table(list(rows().values()), "grpc.aio", out)
    lines = out.getvalue().splitlines()
    assert lines[0].split()[:2] == ["workload", "peer"]
    unary = next(line for line in lines if line.startswith(UNARY.name))
    assert "avrpc" in unary
    assert "3,000 (1,500-3,200) calls/s" in unary
    assert "3.00 (3.00-3.20)" in unary
    assert unary.split()[-8:] == ["100", "200", "25.0", "12.5", "21.0", "22.0", "-", "-"]
    (blob,) = [line for line in lines if line.startswith(BLOB.name) and "grpc.aio" in line]
    assert blob.split("  ")[-1] == "failed: the client was silent for 40 s"
    assert "    failed: 1 of 2 rounds: the server exited with 1: MemoryError" in lines
    (cost,) = [line for line in lines if line.startswith(SLOW_READER.name) and "avrpc" in line]
    assert "1.07 CPU per item" in cost


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_table_without_rich_is_plain_on_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    out = Terminal()
    report.print_table(list(rows().values()), "grpc.aio", out)
    assert out.getvalue().startswith("workload  ")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.5, "0.50"), (9.999, "10.0"), (99.99, "100"), (285_123.4, "285,123")],
)
def test_number_has_three_digits_or_all_before_the_point(value: float, text: str) -> None:
    assert report.number(value) == text


def test_document_has_every_raw_round_and_names_no_host_or_path() -> None:
    document = report.document(
        options={"rounds": 3},
        facts=report.machine(),
        versions={"avrpc": {"avrpc": "1"}},
        skipped={"other": "the client exited with 1"},
        measurements=ROUNDS,
        wire=WIRE,
        rows=list(rows().values()),
        goals=judge(ROUNDS, WIRE),
    )
    text = json.dumps(document)
    assert len(json.loads(text)["rounds"]) == len(ROUNDS)
    assert str(ROOT) not in text
    assert socket.gethostname() not in json.dumps(document["machine"])


def test_texts_are_the_same_each_time_and_as_long_as_wanted() -> None:
    assert len(texts.of(1_000)) == 1_000
    assert texts.of(5_000) == texts.of(5_000)
    assert len(zlib.compress(texts.of(5_000))) < 2_500


def test_flights_are_rows_with_nulls_in_an_order_that_stays(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "flights.zip"
    lines = ["day,dep_delay,tailnum", *(f"{day},NA,N{day}" for day in range(1, 20)), "20,-3,"]
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("flights.csv", "\n".join(lines))
    rows = flight_rows.load(file)
    assert sorted(row["day"] for row in rows) == list(range(1, 21))
    assert {"day": 20, "dep_delay": -3, "tailnum": None} in rows
    assert {"day": 7, "dep_delay": None, "tailnum": "N7"} in rows
    assert [row["day"] for row in rows] != list(range(1, 21))
    assert flight_rows.load(file) == rows


def test_flights_that_are_not_there_say_how_to_get_them(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"benchmarks\.environments"):
        flight_rows.load(tmp_path / "none.zip")


# --- processes --------------------------------------------------------------------------------


def test_relay_counts_bytes_each_way_and_passes_the_end_on() -> None:
    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            asked = b""
            while chunk := connection.recv(4_096):
                asked += chunk
            connection.sendall(asked * 3)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=answer, args=(listener,))
        server.start()
        with Relay(f"tcp://127.0.0.1:{listener.getsockname()[1]}") as relay:
            port = int(relay.address.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                client.sendall(b"x" * 100_000)
                client.shutdown(socket.SHUT_WR)
                got = 0
                while chunk := client.recv(1 << 16):
                    got += len(chunk)
            relay.wait_idle(5)
            assert relay.counts() == (100_000, 300_000)
        server.join()
    assert got == 300_000


def test_relay_to_nobody_closes_and_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    with Relay(gone) as relay:
        port = int(relay.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            assert client.recv(1) == b""


def test_client_that_lacks_a_method_or_an_argument_is_not_run() -> None:
    class Plain:
        class Client:
            async def watch(self, count: int) -> None: ...

        @staticmethod
        def serve(*, tls: bool = False) -> None: ...

    plain = cast("Peer", Plain)
    assert supports(plain, WATCH)
    assert supports(plain, next(w for w in OVER_TLS if w.method == "watch"))
    assert not supports(plain, UNARY)
    assert not supports(plain, OTHERS_ALONE)
    assert not supports(plain, OTHERS_BESIDE)
    assert not supports(plain, dataclasses.replace(WATCH, settings={"pieces": False}))


def test_peer_that_cannot_be_imported_fails_by_name_within_its_row() -> None:
    measurement = measure(PeerSpec("none", "benchmarks.peers.none"), UNARY, 1, 0.1)
    assert measurement.failed == (
        "the server exited with 1: ModuleNotFoundError: No module named 'benchmarks.peers.none'"
    )


def test_child_that_says_nothing_is_given_up_and_ended() -> None:
    with (
        Child("client", [sys.executable, "-c", "import time; time.sleep(60)"]) as child,
        pytest.raises(ChildFailed, match="silent for 0 s"),
    ):
        child.line(0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


def test_command_measures_avrpc_in_processes_of_its_own(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "bench.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "--quick"),
            *("--only", "avrpc: unary, one at a time", "--groups", "rates", "--json", str(file)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert UNARY.name in done.stdout
    document = json.loads(file.read_text(encoding="utf-8"))
    (measured,) = document["rounds"]
    assert measured["peer"] == "avrpc"
    assert measured["count"] > 0
    assert 0 < measured["p50"] <= measured["p99"]
    (row,) = document["rows"]
    assert row["failed"] is None
    # A Tick is 24 bytes at least, each way.
    assert 24 < row["sent"] < 100
    assert 24 < row["received"] < 100


def test_child_may_open_as_many_files_as_there_may_be() -> None:
    code = (
        "import resource as r; from benchmarks.children import allow_connections as allow;"
        "r.setrlimit(r.RLIMIT_NOFILE, (64, 200)); allow(); print(r.getrlimit(r.RLIMIT_NOFILE))"
    )
    with Child("client", [sys.executable, "-c", code]) as child:
        assert child.line(20) == "(200, 200)"


def test_peer_of_which_there_is_no_program_is_named() -> None:
    with pytest.raises(ChildFailed, match=r"^cannot start no-such-python: No such file"):
        ask(PeerSpec("none", "benchmarks.peers.none", python="/nowhere/no-such-python"))


def test_program_of_node_has_the_names_and_numbers_of_the_table() -> None:
    program = (ROOT / "benchmarks" / "peers" / "avsc_peer.js").read_text(encoding="utf-8")
    block = program.partition("const WORKLOADS = {")[2].partition("};")[0]
    names = re.findall(r"^  '([^']+)': \[", block, re.MULTILINE)
    assert len(names) == 8
    assert set(names) <= {w.name for w in WORKLOADS}
    assert f"const HELD = {[*IDLE.held]};" in program


def test_extra_peers_and_floors_take_part_in_some_groups() -> None:
    def names(*arguments: str, workload: Workload = UNARY) -> set[str]:
        options = parse(arguments)
        return {peer.name for peer in PEERS if matches(peer, workload, options)}

    floors = {"bare trio", "fastavro alone"}
    assert names() == {"avrpc", "grpc.aio", *floors}
    assert names("--all") == {peer.name for peer in PEERS}
    assert names("--all", workload=OTHERS_ALONE) == {"avrpc", "grpc.aio"}
    assert names("--only", "AVSC") == {"avsc"}
    assert names("--groups", "memory") == set()


def test_part_that_cannot_be_had_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def get() -> None:
        environments.run(["no-such-program"])

    def fail() -> None:
        environments.run([sys.executable, "-c", "import sys; sys.exit('no room')"])

    parts = {name: (tmp_path / name, what) for name, what in (("a", get), ("b", fail), ("c", get))}
    (tmp_path / "c").touch()
    monkeypatch.setattr(environments, "PARTS", parts)
    environments.main(["a", "b", "c"])
    assert capsys.readouterr().out.splitlines() == [
        "getting a",
        "a cannot be had: cannot start no-such-program: No such file or directory",
        "getting b",
        "b cannot be had: no room",
    ]


def test_clients_of_other_versions_fit_the_server_with_changes() -> None:
    older = Negotiation(protocols.Older, protocols.Bench)["watch"]
    newer = Negotiation(protocols.Newer, protocols.Bench)["watch"]
    assert [change.kind for change in older.response.changes] == ["dropped"]
    assert [change.kind for change in newer.response.changes] == ["defaulted"]


def test_command_measures_versions_that_differ(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "new" / "bench.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "--quick"),
            *("--only", "avrpc: ", "--groups", "versions", "--json", str(file)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"every figure: {file}" in done.stderr
    document = json.loads(file.read_text(encoding="utf-8"))
    measured = {(one["peer"], one["workload"]): one["count"] for one in document["rounds"]}
    assert measured.keys() == {("avrpc", WATCH_OLDER.name), ("avrpc", WATCH_NEWER.name)}
    assert all(measured.values())


def test_command_names_what_there_is_when_nothing_matches() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "no such thing"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert f"avrpc: {UNARY.name}" in done.stderr
