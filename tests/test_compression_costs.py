"""The benchmark of compression measures what it says."""

import pytest

from avrpc.wire import CODECS, open_codec
from benchmarks import compression_costs as costs


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("streamed", [True, False])
def test_all_of_a_work_travels_and_less_with_a_codec(
    name: str, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "BYTES", 300_000)
    if streamed:
        work = costs.Work("Ticks", [costs.ticks(100)] * 5, streamed=True)
    else:
        work = costs.values("JSON", costs.text, 300_000)
    plain, compressed = costs.measure(work, None), costs.measure(work, open_codec(name))
    assert plain.travelled > work.size
    assert compressed.travelled < work.size * 0.7


def test_line_tells_the_medians_and_where_it_pays() -> None:
    work = costs.Work("work", [[bytes(500_000)], [bytes(500_000)]], streamed=False)
    plain = [costs.Cost(1.0, 2.0, 1_000_000)] * 3
    better = [costs.Cost(1.0 + more, 2.1, 200_000) for more in (0.1, 0.3, 9.0)]
    told = costs.line(work, "zstd", plain, better).split()
    #   ratio, ms per MB at each end, us per value, and 6.4 Mbit saved in 0.4 s
    assert told == ["work", "zstd", "5.00", "300.00", "100.00", "150000.0", "50000.0", "16"]
    assert costs.line(work, "zstd", plain, plain).split()[-1] == "never"
    free = [costs.Cost(0.9, 2.0, 200_000)] * 3
    assert costs.line(work, "zstd", plain, free).split()[-1] == "always"
