"""What conftest.py and hang.py promise, shown on little suites of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(folder: Path, tests: str, *options: str, require_all: bool = False) -> tuple[int, str]:
    (folder / "pytest.ini").write_text("[pytest]\ntrio_mode = true\n")
    (folder / "test_it.py").write_text(tests)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "AVRPC_REQUIRE_ALL": str(int(require_all)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", "-p", "tests.conftest", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


NEEDS_A_PROGRAM = """\
import pytest

def test_that_needs_it(require_program):
    require_program("no-such-program")

@pytest.mark.skipif(True, reason="of a mark")
def test_marked():
    pass

@pytest.mark.xfail(reason="known")
def test_expected_to_fail():
    assert False
"""


def test_absent_program_is_a_skip_that_names_it(tmp_path: Path) -> None:
    code, output = run(tmp_path, NEEDS_A_PROGRAM)
    assert code == 0, output
    assert "the program no-such-program is not installed" in output
    assert "2 skipped, 1 xfailed" in output


def test_skip_is_a_failure_that_names_its_reason_where_all_is_required(tmp_path: Path) -> None:
    code, output = run(tmp_path, NEEDS_A_PROGRAM, require_all=True)
    assert code == 1
    assert "left out: Skipped: the program no-such-program is not installed" in output
    assert "left out: Skipped: of a mark" in output
    assert "1 failed, 1 xfailed, 1 error" in output


def test_skip_of_a_whole_file_is_a_failure_too(tmp_path: Path) -> None:
    code, output = run(tmp_path, "import pytest\npytest.importorskip('nowhere')", require_all=True)
    assert code != 0
    assert "left out: Skipped: could not import 'nowhere'" in output


def test_present_program_gives_its_path(tmp_path: Path) -> None:
    code, output = run(
        tmp_path, "def test(require_program): assert require_program('sh')[0] == '/'"
    )
    assert code == 0, output


HANGS = """\
import trio

async def waits_for_ever():
    await trio.Event().wait()

async def test_with_a_task_that_hangs():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waits_for_ever)
"""


@pytest.mark.parametrize("clock", ["", "autojump_clock"])
def test_hung_test_is_ended_and_shows_what_each_task_waits_for(tmp_path: Path, clock: str) -> None:
    tests = HANGS.replace("hangs()", f"hangs({clock})")
    guard = ("-o", "faulthandler_timeout=1", "-o", "faulthandler_exit_on_timeout=true")
    code, output = run(tmp_path, tests, *guard)
    # Usually 1. But faulthandler looks at the frames of a thread that may run on meanwhile, and now
    # and then that look ends the process itself.
    assert code != 0
    assert "test_it.py::test_with_a_task_that_hangs hangs" in output
    assert "in waits_for_ever: await trio.Event().wait()" in output
    assert "Timeout (0:00:01)!" in output
