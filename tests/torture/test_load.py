"""A short form of `make torture-load`."""

from pathlib import Path

import pytest

import avrpc
from tests.torture import load
from tests.torture.figures import Run
from tests.torture.served import Served

MIB = 1024 * 1024


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run("load", file=tmp_path / "figures.json")


def test_many_connections_and_calls_take_little_and_leave_nothing(run: Run) -> None:
    with Served() as server, load.peers_of(server) as peers:
        before = load.idle(run, server, peers, 200, load.IDLE)
        load.parked_calls(run, server, peers, before)
        assert run.held, (run.problems, run.figures)
        assert run.figures["cancelled"]["value"] == 2000
        load.connect_at_once(run, server, peers, 200)
        assert not run.problems
        assert run.figures["answered"]["value"] == 200
        assert run.figures["files lost"]["value"] == 0


def test_half_values_stay_under_their_limit_and_the_others_are_refused_by_its_name(
    run: Run,
) -> None:
    limits = avrpc.Limits(max_message_bytes=MIB, max_assembly_bytes=8 * MIB)
    load.half_values(run, 12, limits)
    assert run.held, (run.problems, run.figures)
    assert run.figures["refused"]["value"] == 4


def test_server_that_may_open_few_files_serves_as_many_as_fit_and_the_others_after_them(
    run: Run,
) -> None:
    load.few_files(run)
    assert run.held, (run.problems, run.figures)
    assert run.figures["answered"]["value"] == 3 * load.FILES
