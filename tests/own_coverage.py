"""The rule that each module's branches are covered by the test file of its own name.

Coverage of the whole by the whole hides a module that is only ever run by accident, through a
test of something else. So a run with ``--cov --own-coverage`` gets one more test for each module
whose own test file is in the run; it fails below 90 %.

What counts is what coverage counts, statements and branches, in the context of the own test file
and in the empty one: lines that run on import have no test to be credited to. A context is a file
and not a test, since with each change coverage writes down what it has: that doubled the time of
a run.
Programs that a test starts are not measured; the own tests of a module run it in process.
Nor are tests that are no module's own: measuring triples the time that a test takes.
"""

import ast
import re
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

AT_LEAST = 90  # percent

_OWN_FILES = pytest.StashKey[set[Path]]()
_MEASURED_FILE = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--own-coverage",
        action="store_true",
        help="fail for a module whose own test file covers too little (needs --cov)",
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    if not config.getoption("--own-coverage") or config.getoption("collectonly"):
        return
    if _controller(config) is None or config.getoption("cov_context"):
        raise pytest.UsageError("--own-coverage needs --cov, and has contexts of its own")
    own = {config.rootpath / own_test_file(module) for module in modules(config.rootpath)}
    config.stash[_OWN_FILES] = own
    if not hasattr(config, "workerinput"):  # in a run with several processes, the one that counts
        config.pluginmanager.register(_Judge())


def _controller(config: pytest.Config) -> Any:
    """What runs the measuring; None if nothing does."""
    return getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if _OWN_FILES in item.config.stash:
        file = item.nodeid.partition("::")[0]
        if item.config.stash.get(_MEASURED_FILE, "") != file:
            item.config.stash[_MEASURED_FILE] = file
            _controller(item.config).cov.switch_context(file)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    own = pyfuncitem.config.stash.get(_OWN_FILES, None)
    if own is None or pyfuncitem.path in own:
        return (yield)
    coverage: Coverage = _controller(pyfuncitem.config).cov
    coverage.stop()
    try:
        return (yield)
    finally:
        coverage.start()


class _Judge:
    """Adds the tests of the rule to a run, when all that they look at has been measured."""

    def __init__(self) -> None:
        self._files: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._files.add(report.nodeid.partition("::")[0])

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        result = yield
        config = session.config
        coverage = _controller(config).cov
        for module in modules(config.rootpath):
            if own_test_file(module) not in self._files:
                continue
            begin = time.time()
            problem = shortfall(coverage, config.rootpath, module)
            end = time.time()
            report = pytest.TestReport(
                nodeid=f"own coverage::{module}",
                location=(module, None, module),
                keywords={},
                outcome="failed" if problem else "passed",
                longrepr=problem or None,
                when="call",
                duration=end - begin,
                start=begin,
                stop=end,
            )
            config.hook.pytest_runtest_logreport(report=report)
        return result


def modules(root: Path) -> list[str]:
    """List the modules of the package that the rule is about, as paths from ``root``."""
    files = sorted((root / "avrpc").rglob("*.py"))
    return [file.relative_to(root).as_posix() for file in files if not _has_nothing_to_test(file)]


def own_test_file(module: str) -> str:
    """Tell where the tests of a module stand: avrpc/a/b.py -> tests/a/test_b.py."""
    path = Path(module)
    folder = Path("tests", *path.parent.parts[1:])
    return (folder / f"test_{path.stem.strip('_')}.py").as_posix()


def shortfall(coverage: Coverage, root: Path, module: str) -> str:
    """Say in one line what a module's own tests leave uncovered; empty if that is little."""
    own = own_test_file(module)
    path = str(root / module)
    data = coverage.get_data()
    data.set_query_contexts([r"\A\Z", rf"\A{re.escape(own)}\Z"])
    try:
        _, statements, _, missing, missing_text = coverage.analysis2(path)
        branches = coverage.branch_stats(path)
    finally:
        data.set_query_contexts(None)
    total = len(statements) + sum(exits for exits, _ in branches.values())
    covered = len(statements) - len(missing) + sum(taken for _, taken in branches.values())
    if covered * 100 >= total * AT_LEAST:
        return ""
    half = [str(line) for line, (exits, taken) in sorted(branches.items()) if 0 < taken < exits]
    return (
        f"{module}: {covered * 100 / total:.1f} % is covered by {own}, {AT_LEAST} % shall be; "
        f"lines never run: {missing_text or 'none'}; "
        f"with a branch never taken: {', '.join(half) or 'none'}"
    )


def _has_nothing_to_test(file: Path) -> bool:
    """Tell whether a file is a starter, or an __init__ of imports and names alone."""
    if file.name == "__main__.py":
        return True
    return file.name == "__init__.py" and all(
        isinstance(node, ast.Import | ast.ImportFrom)
        or _is_docstring(node)
        or _names_dunders_only(node)
        for node in ast.parse(file.read_text()).body
    )


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _names_dunders_only(node: ast.stmt) -> bool:
    """Such as ``__all__ = [...]`` and ``__version__ = "..."``."""
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return all(isinstance(each, ast.Name) and each.id.startswith("__") for each in targets)
