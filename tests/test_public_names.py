"""What is public is what an ``__init__`` lists in ``__all__``, and this reads the list."""

import ast
import importlib
import inspect
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


def public_modules() -> list[str]:
    """Name the packages that have a list: avrpc itself always, others as they choose."""
    names = []
    for file in sorted((ROOT / "avrpc").rglob("__init__.py")):
        name = ".".join(file.relative_to(ROOT).parent.parts)
        if name == "avrpc" or "__all__" in file.read_text():
            names.append(name)
    return names


@pytest.fixture(params=public_modules())
def module(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def test_all_is_sorted_and_without_doubles(module: ModuleType) -> None:
    assert list(module.__all__) == sorted(set(module.__all__))


def test_all_has_every_name_that_the_init_binds_for_users(module: ModuleType) -> None:
    assert module.__file__
    bound = {
        name
        for node in ast.parse(Path(module.__file__).read_text()).body
        for name in names_bound_by(node)
        if not name.startswith("_")
    }
    assert bound - {"annotations"} == set(module.__all__) - {"__version__"}


def test_each_public_name_has_a_docstring_of_its_own(module: ModuleType) -> None:
    without = [name for name in module.__all__ if not has_docstring(getattr(module, name))]
    assert not without, f"no docstring: {', '.join(without)}"


def names_bound_by(node: ast.stmt) -> list[str]:
    """List the names that a statement gives to its module; a plain import is for its own use."""
    match node:
        case ast.ImportFrom():
            return [alias.asname or alias.name for alias in node.names]
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return [node.name]
        case ast.Assign():
            return [target.id for target in node.targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def has_docstring(thing: object) -> bool:
    """Tell whether somebody wrote a docstring: an inherited or generated one does not count."""
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return True  # a value or an alias of a type: its docs stand where it is made
    text = vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__
    # A dataclass without a docstring gets its signature as one; so does a named tuple.
    return isinstance(text, str) and not text.startswith(f"{thing.__name__}(")


def test_generated_and_inherited_docstrings_do_not_count() -> None:
    class Documented:
        """Is."""

    class Inherits(Documented):
        pass

    def bare() -> None: ...

    generated = type("Made", (), {"__doc__": "Made(number: int)"})
    assert [has_docstring(each) for each in (Documented, Inherits, generated, bare)] == [
        True, False, False, False,
    ]  # fmt: skip
