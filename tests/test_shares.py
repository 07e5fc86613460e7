"""The account of where time goes: that each kind of code is put down to whom it belongs."""

from __future__ import annotations

import collections
import sys
import time

import pytest
import trio

from benchmarks import shares
from benchmarks.shares import CALLS, CODECS, FRAMES, KERNEL, LOOP, PARTS, REST


def frame_of(filename: str, name: str) -> object:
    """A frame of a function of that name, in a file of that name."""
    made: dict[str, object] = {"sys": sys}
    source = f"def {name.strip('<>')}():\n return sys._getframe()\n"
    exec(compile(source, filename, "exec"), made)
    return made[name.strip("<>")]()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("filename", "name", "part"),
    [
        (str(shares.AVRPC / "transport.py"), "send_now", KERNEL),
        (str(shares.AVRPC / "transport.py"), "aclose", CALLS),
        (str(shares.AVRPC / "schema" / "codec.py"), "decode", CODECS),
        ("<string>", "f12", CODECS),
        (str(shares.AVRPC / "wire" / "incoming.py"), "parse", FRAMES),
        (str(shares.AVRPC / "session.py"), "tell", CALLS),
        (str(shares.TRIO / "_core" / "_run.py"), "reschedule", LOOP),
        ("<attrs generated methods outcome._impl.Value>", "__init__", LOOP),
        (__file__, "echo", REST),
    ],
)
def test_code_is_put_down_to_whose_it_is(filename: str, name: str, part: str) -> None:
    assert shares.part_of(frame_of(filename, name)) == part  # type: ignore[arg-type]


def test_what_runs_is_counted() -> None:
    counts: collections.Counter[str] = collections.Counter()
    with shares.sampling(counts):
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
    assert counts[REST] > 10
    assert counts.total() == counts[REST]


async def test_account_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    await shares.main(scale=0.02, rounds=2)
    printed = capsys.readouterr().out
    assert all(part in printed for part in PARTS)
    counted = await shares.account(shares.one_at_a_time, 300, 2)
    assert counted.micros > 0
    assert sum(counted.shares.values()) == pytest.approx(1)
    assert counted.shares[LOOP] > 0


def test_what_compiling_would_win_follows_from_the_share() -> None:
    told = shares.Account(10.0, dict.fromkeys(PARTS, 0.0) | {FRAMES: 0.2, LOOP: 0.8})
    assert told.compiled == pytest.approx(1.25)
    assert "| 1.25 |" in shares.table({"calls": told})


def test_program_runs_under_trio() -> None:
    assert trio.run(shares.main, 0.005, 1) is None
