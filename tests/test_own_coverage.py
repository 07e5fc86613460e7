import subprocess
import sys
from pathlib import Path

import pytest
from coverage import CoverageData

from tests.own_coverage import modules, own_test_file

ROOT = Path(__file__).parent.parent

SETTINGS = """\
[tool.coverage.run]
source = ["avrpc"]
branch = true
core = "ctrace"

[tool.pytest.ini_options]
pythonpath = ["."]
addopts = ["--import-mode=importlib"]
"""

MODULE = """\
def sign(number):
    if number < 0:
        return -1
    if number > 0:
        return 1
    return 0
"""

PARTLY = """\
from avrpc.wire.signs import sign

def test_above():
    assert sign(5) == 1
"""

FULLY = (
    PARTLY
    + """
def test_below():
    assert sign(-5) == -1

def test_zero():
    assert sign(0) == 0
"""
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "avrpc/__init__.py": "",
        "avrpc/wire/__init__.py": "from avrpc.wire.signs import sign\n",
        "avrpc/wire/signs.py": MODULE,
        "tests/conftest.py": "from tests_of_avrpc.own_coverage import *\n",
        "tests/test_other.py": FULLY,
        "tests/wire/test_signs.py": FULLY,
        "pyproject.toml": SETTINGS,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    # Under another name than `tests`, which the little project has itself.
    (tmp_path / "tests_of_avrpc").symlink_to(ROOT / "tests")
    return tmp_path


def run(project: Path, *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--own-coverage", *options]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


MEASURED = ("--cov", "--cov-report=")


def test_module_covered_by_its_own_tests_passes(project: Path) -> None:
    code, output = run(project, "tests", *MEASURED)
    assert code == 0, output
    assert "7 passed" in output  # three in each file, and the one module with code


@pytest.mark.parametrize("processes", [(), ("-n", "1")])
def test_module_covered_by_other_tests_only_fails_in_one_line(
    project: Path, processes: tuple[str, ...]
) -> None:
    (project / "tests/wire/test_signs.py").write_text(PARTLY)
    code, output = run(project, "tests", *MEASURED, *processes)
    assert code == 1
    # 5 of 6 lines and 3 of 4 branches, less what only the other file's tests ran.
    assert (
        "avrpc/wire/signs.py: 60.0 % is covered by tests/wire/test_signs.py, 90 % shall be; "
        "lines never run: 3, 6; with a branch never taken: 2, 4\n"
    ) in output
    assert "1 failed, 4 passed" in output


def test_tests_that_are_no_modules_own_are_not_measured(project: Path) -> None:
    code, output = run(project, "tests", *MEASURED)
    assert code == 0, output
    data = CoverageData(str(project / ".coverage"))
    data.read()
    assert {*data.measured_contexts()} == {"", "tests/wire/test_signs.py"}


def test_module_whose_test_file_is_not_run_is_left_out(project: Path) -> None:
    (project / "tests/wire/test_signs.py").write_text(PARTLY)
    code, output = run(project, "tests/test_other.py", *MEASURED)
    assert code == 0, output
    assert "3 passed" in output


def test_module_is_judged_when_only_its_test_file_is_run(project: Path) -> None:
    (project / "tests/wire/test_signs.py").write_text(PARTLY)
    code, output = run(project, "tests/wire/test_signs.py", *MEASURED)
    assert code == 1
    assert "1 failed, 1 passed" in output


@pytest.mark.parametrize("options", [(), ("--cov", "--cov-context=test"), ("--cov", "--no-cov")])
def test_without_measuring_it_says_what_is_needed(project: Path, options: tuple[str, ...]) -> None:
    code, output = run(project, "tests", *options)
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "--own-coverage needs --cov" in output


@pytest.mark.parametrize(
    ("module", "test_file"),
    [
        ("avrpc/session.py", "tests/test_session.py"),
        ("avrpc/wire/frames.py", "tests/wire/test_frames.py"),
        ("avrpc/schema/__init__.py", "tests/schema/test_init.py"),
        ("avrpc/_tools.py", "tests/test_tools.py"),
    ],
)
def test_own_test_file(module: str, test_file: str) -> None:
    assert own_test_file(module) == test_file


def test_only_files_without_code_of_their_own_are_exempt(tmp_path: Path) -> None:
    package = tmp_path / "avrpc"
    for name, text in {
        "__init__.py": '"""Map."""\nfrom avrpc.a import b\n__all__: list[str] = ["b"]\n',
        "__main__.py": "import sys\nsys.exit(1)\n",
        "a/__init__.py": "from avrpc import c\nb = c\n",
        "a/empty.py": "",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    assert modules(tmp_path) == ["avrpc/a/__init__.py", "avrpc/a/empty.py"]


def test_each_module_has_its_own_test_file() -> None:
    without = [each for each in modules(ROOT) if not (ROOT / own_test_file(each)).is_file()]
    assert not without, "no test file of their own: " + ", ".join(
        f"{each} ({own_test_file(each)})" for each in without
    )
