"""For a test that hangs: which trio task waits where.

pytest's own guard (faulthandler_timeout in pyproject.toml) ends a run whose test hangs, and shows
the stack of each thread. With trio that is the event loop, waiting, whatever the test was about.
So a little earlier this prints the tree of tasks.
"""

import signal
import sys
import traceback
from collections.abc import Generator
from types import FrameType

import pytest
import trio

# When, as a share of the time after which faulthandler ends the run.
_WHEN = 0.9


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    def show(signum: int, frame: FrameType | None) -> None:
        capture = item.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            sys.stderr.write(f"\n{item.nodeid} hangs\n{task_tree()}\n")

    timeout = float(item.config.getini("faulthandler_timeout") or 0)
    before = signal.signal(signal.SIGALRM, show)
    signal.setitimer(signal.ITIMER_REAL, timeout * _WHEN)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def task_tree() -> str:
    """Draw the running trio tasks, each with its innermost frames; empty without a trio run.

    Safe to call from a signal handler: it only looks.
    """
    try:
        root = trio.lowlevel.current_root_task()
    except RuntimeError:
        return ""
    return "\n".join(_draw(root, 0)) if root else ""


def _draw(task: trio.lowlevel.Task, depth: int) -> Generator[str]:
    margin = "  " * depth
    yield f"{margin}{task.name}"
    # The innermost are trio's; those that called them tell what the task is waiting for.
    for place in traceback.StackSummary.extract(task.iter_await_frames())[-6:]:
        yield f"{margin}    {place.filename}:{place.lineno} in {place.name}: {place.line}"
    for nursery in task.child_nurseries:
        for child in sorted(nursery.child_tasks, key=lambda each: each.name):
            yield from _draw(child, depth + 1)
