from collections.abc import Callable
from pathlib import Path

import pytest

from avrpc import ConnectFailed
from avrpc.cli.connecting import Connecting
from avrpc.cli.failures import Usage
from avrpc.cli.versions import (
    is_address,
    read_folder,
    read_git,
    read_protocols,
    reading_server,
)
from tests.cli.conftest import Served
from tests.cli.versions import NEW, OLD, Repository, write

Require = Callable[[str], str]


@pytest.mark.parametrize(
    ("words", "yes"),
    [
        ("tcp://host:1", True),
        ("unix:///a", True),
        ("git:main", False),
        ("git:a://b", False),
        ("schemas", False),
        ("./git:main", False),
    ],
)
def test_an_address_has_a_scheme(words: str, yes: bool) -> None:
    assert is_address(words) == yes


def test_a_folder_has_protocols_or_problems(tmp_path: Path) -> None:
    found = read_folder(write(tmp_path / "good", shop=OLD))
    assert (list(found.protocols), found.files, found.problems) == (["demo.Shop"], 1, ())
    bad = write(tmp_path / "bad", a="{", b={"protocol": "B", "doc": 1}, c=OLD)
    found = read_folder(bad)
    assert found.where == bad
    assert not found.protocols
    first, second = found.problems
    assert (first.file, first.path) == (f"{bad}/a.avpr", "")
    assert str(first).startswith(f"{bad}/a.avpr: not JSON: line 1")
    assert str(second) == f"{bad}/b.avpr: $.doc: expected a string, found 1"


def test_what_is_no_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Usage, match=r"/nowhere: no such folder$"):
        read_folder(f"{tmp_path}/nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(Usage, match=r"/file: not a folder$"):
        read_folder(f"{tmp_path}/file")


def test_who_needs_the_protocols_gets_the_first_problem(tmp_path: Path) -> None:
    assert list(read_protocols(write(tmp_path / "a", shop=OLD)).protocols) == ["demo.Shop"]
    bad = write(tmp_path / "b", b={"protocol": "B", "doc": 1})
    with pytest.raises(Usage, match=r"b\.avpr: \$\.doc: expected a string, found 1$"):
        read_protocols(bad)
    write(tmp_path / "b", c="{")
    with pytest.raises(Usage, match=rf"found 1 \(and 1 more; avrpc check {bad} shows them\)$"):
        read_protocols(bad)


async def test_a_revision_names_its_files_as_git_does(
    tmp_path: Path, require_program: Require
) -> None:
    repository = Repository(tmp_path, require_program)
    folder = write(tmp_path / "s", shop=OLD)
    repository.commit()
    write(tmp_path / "s", shop=NEW)
    found = await read_git(folder, "git:main")
    assert (found.where, list(found.protocols["demo.Shop"].messages)) == (
        "git:main",
        list(OLD["messages"]),
    )
    write(tmp_path / "s", again=OLD)
    repository.commit()
    found = await read_git(folder, "git:main")
    assert [one.file for one in found.problems] == ["git:main:s/shop.avpr"] * len(found.problems)
    assert str(found.problems[0]) == (
        "git:main:s/shop.avpr: $.protocol: protocol 'demo.Shop' is defined already,"
        " in git:main:s/again.avpr"
    )


async def test_a_revision_has_what_its_files_import(
    tmp_path: Path, require_program: Require
) -> None:
    repository = Repository(tmp_path, require_program)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "p.avdl").write_text('protocol P { import idl "../t.avdl"; T f(); }')
    (tmp_path / "t.avdl").write_text("record T {}")
    repository.commit()
    repository.run("tag", "v1")
    (tmp_path / "t.avdl").write_text("record T { array<null> a; }")
    repository.commit()
    found = await read_git(str(tmp_path / "s"), "git:v1")
    assert list(found.protocols["P"].types) == ["T"]
    (problem,) = (await read_git(str(tmp_path / "s"), "git:main")).problems
    assert str(problem).startswith("git:main:s/../t.avdl:1:18: items of type null")


async def test_a_folder_at_the_top_and_one_that_was_not_there_yet(
    tmp_path: Path, require_program: Require
) -> None:
    repository = Repository(tmp_path, require_program)
    write(tmp_path, shop="{")
    repository.commit()
    (problem,) = (await read_git(str(tmp_path), "git:main")).problems
    assert problem.file == "git:main:shop.avpr"
    found = await read_git(write(tmp_path / "late", shop=OLD), "git:main")
    assert (found.where, found.protocols, found.problems) == ("git:main", {}, ())


async def test_a_servers_protocols_are_asked_for_by_name(served: Served) -> None:
    async with reading_server(served.address, Connecting()) as (offered, read):
        assert offered == ("demo.Quotes", "demo.Admin")
        assert list((await read("demo.Admin")).messages) == ["reload"]
        assert (await read("demo.Quotes")).name == "demo.Quotes"
    with pytest.raises(ConnectFailed):
        async with reading_server("unix:///nonexistent/socket", Connecting()):
            pass
