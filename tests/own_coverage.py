"""The rule that each module's branches are covered by the test file of its own name.

Coverage of the whole by the whole hides a module that is only ever run by accident, through a
test of something else. So a run with ``--cov --cov-context=test --own-coverage`` gets one more
test for each module whose own test file is in the run; it fails below 90 %.

What counts is what coverage counts, statements and branches, in the contexts of the own file's
tests and in the empty one: lines that run on import have no test to be credited to.
Programs that a test starts are not measured; the own tests of a module run it in process.
Nor are tests that are no module's own: measuring triples the time that a test takes.
"""

import ast
import re
from collections.abc import Generator
from pathlib import Path

import pytest
from coverage import Coverage

AT_LEAST = 90  # percent

_COVERAGE = pytest.StashKey[Coverage]()
_OWN_FILES = pytest.StashKey[set[Path]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--own-coverage",
        action="store_true",
        help="fail for a module whose own test file covers too little (needs --cov-context=test)",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    if not config.getoption("--own-coverage") or config.getoption("collectonly"):
        return
    plugin = config.pluginmanager.getplugin("_cov")
    controller = getattr(plugin, "cov_controller", None)
    if controller is None or config.getoption("cov_context") != "test":
        raise pytest.UsageError("--own-coverage needs --cov --cov-context=test")
    files = {item.path for item in items}
    own = {module: config.rootpath / own_test_file(module) for module in modules(config.rootpath)}
    config.stash[_COVERAGE] = controller.cov
    config.stash[_OWN_FILES] = set(own.values())
    # They come last, when all that they look at has been measured.
    items += [
        OwnCoverage.from_parent(session, module=module, coverage=controller.cov)
        for module, file in own.items()
        if file in files
    ]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    coverage = pyfuncitem.config.stash.get(_COVERAGE, None)
    if coverage is None or pyfuncitem.path in pyfuncitem.config.stash[_OWN_FILES]:
        return (yield)
    coverage.stop()
    try:
        return (yield)
    finally:
        coverage.start()


class OwnCoverage(pytest.Item):
    """The test that a module's own test file covers enough of it."""

    def __init__(self, *, module: str, coverage: Coverage, parent: pytest.Session) -> None:
        super().__init__(module, parent, nodeid=f"own coverage::{module}")
        self._module = module
        self._coverage = coverage

    def runtest(self) -> None:
        problem = shortfall(self._coverage, self.config.rootpath, self._module)
        if problem:
            pytest.fail(problem, pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.config.rootpath / self._module, None, self.name


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
    data.set_query_contexts([r"\A\Z", rf"\A{re.escape(own)}::"])
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
