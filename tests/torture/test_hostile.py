"""A short form of `make torture-hostile`: what becomes of each kind, and not how fast."""

from pathlib import Path

from tests.torture import hostile
from tests.torture.figures import Run
from tests.torture.hostilities import DEAR, EXPECTED, LIVES


def test_every_kind_of_hostile_peer_ends_as_it_should_and_good_clients_are_served_meanwhile(
    tmp_path: Path,
) -> None:
    first, second = (Run("hostile", file=tmp_path / "figures.json") for _ in range(2))
    with hostile.Siege(2, 2, **hostile.SHORT) as siege:
        hostile.each_kind(first, siege, 1)
        assert first.held, (first.problems, first.figures)
        assert first.figures["kinds"]["value"] == len(EXPECTED) == len(LIVES | DEAR)
        hostile.at_a_fixed_rate(second, siege, 1, 0.2, settle=0.2)
        assert not second.problems
        for name in ("benign acts a second", "hostile acts a second", "p99, times"):
            assert second.figures[name]["value"] > 0
        for name in ("files lost", "connections left", "handlers left", "half values left"):
            assert second.figures[name]["value"] <= 0
