"""Runs cases, one after the other, and notes how each ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import trio

from avrpc.conformance.kit import NOTHING, Known, Opener, open_kit
from avrpc.conformance.registry import Case
from avrpc.conformance.verdict import Failed, Skipped

# A case waits many times, each time for no longer than the patience and a time of the server's
# together; all together for no longer than this many times both.
_WAITS = 4


class Verdict(Enum):
    """How a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Ending:
    """How one case ended.

    Attributes:
        case: The case.
        verdict: How.
        seconds: How long it took.
        expected: What should have come, if it failed.
        came: What did; or why it was skipped.
        trace: What travelled last, if it failed.
    """

    case: Case
    verdict: Verdict
    seconds: float
    expected: str = ""
    came: str = ""
    trace: list[str] = field(default_factory=list)


async def run_case(one: Case, opener: Opener, patience: float, known: Known = NOTHING) -> Ending:
    """Run a case, on connections of its own.

    Args:
        one: The case.
        opener: Makes a connection to the server.
        patience: How many seconds anything may take to come.
        known: Of the server.
    """
    longest = _WAITS * (patience + known.longest)
    begin = trio.current_time()
    verdict, expected, came = Verdict.PASSED, "", ""
    trace: list[str] = []
    async with open_kit(opener, patience, known) as kit:
        try:
            with trio.fail_after(longest):
                await one.run(kit)
                await kit.check()
        except Skipped as skipped:
            verdict, came = Verdict.SKIPPED, str(skipped)
        except Failed as failed:
            verdict, expected, came = Verdict.FAILED, failed.expected, failed.came
        except trio.TooSlowError:
            expected = f"an end within {longest:g} s"
            verdict, came = Verdict.FAILED, "what it waited for last, but too late"
        except Exception as error:  # noqa: BLE001  # whatever a server makes the kit stumble over
            verdict, expected = Verdict.FAILED, "answers that the kit understands"
            came = f"{type(error).__name__}: {error}"
        if verdict is Verdict.FAILED:
            trace = kit.trace
    return Ending(one, verdict, trio.current_time() - begin, expected, came, trace)
