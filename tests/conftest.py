"""What every test file has, and what holds for all of them."""

import os
import shutil
from collections.abc import Callable, Generator

import pytest
from hypothesis import settings

from tests.hang import pytest_runtest_protocol  # noqa: F401 - a hook
from tests.own_coverage import (  # noqa: F401 - hooks
    pytest_addoption,
    pytest_pyfunc_call,
    pytest_sessionstart,
)

# A time limit for each example would measure the machine. In CI, `settings()` is derandomised.
settings.register_profile("avrpc", settings(), deadline=None, max_examples=50)
settings.load_profile("avrpc")
# `make torture-properties`; what has fewer examples in `make test` asks for `examples`.
settings.register_profile("torture", deadline=None, derandomize=False, max_examples=20_000)


@pytest.fixture
def require_program() -> Callable[[str], str]:
    """Give the path of a program, or skip the test, naming what is absent."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"the program {name} is not installed")
        return path

    return find


# With AVRPC_REQUIRE_ALL=1, as in CI, a skip is a failure: a test that silently no longer runs
# is worse than one that fails.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and os.environ.get("AVRPC_REQUIRE_ALL") == "1":
        # A skip's longrepr is (path, line, "Skipped: reason").
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"AVRPC_REQUIRE_ALL is set, and a test was left out: {reason}"
