"""Reading a folder at a revision, from real repositories."""

from collections.abc import Callable
from pathlib import Path

import pytest

from avrpc.cli.failures import Usage
from avrpc.cli.revision import read_revision
from tests.cli.versions import Repository

Require = Callable[[str], str]


@pytest.fixture
def repository(tmp_path: Path, require_program: Require) -> Repository:
    return Repository(tmp_path / "repository", require_program)


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def put(repository: Repository, **files: str) -> None:
    for name, text in files.items():
        path = repository.folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def tree(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): file.read_text()
        for file in sorted(folder.rglob("*"))
        if not file.is_dir()
    }


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


async def test_interface_files_are_read_as_they_were(repository: Repository, into: Path) -> None:
    put(
        repository,
        schemas__a_DOT_avpr="old\n\nfile",
        schemas__sub__b_DOT_avsc="",
        schemas__README="no interface",
        schemas2__d_DOT_avpr="elsewhere",
    )
    odd = repository.folder / "schemas" / "é \n.avpr"
    odd.write_text("odd name")
    repository.commit()
    repository.run("tag", "v1")
    put(repository, schemas__a_DOT_avpr="new", schemas__new_DOT_avpr="new")
    repository.commit()
    assert await read_revision(repository.folder / "schemas", "v1", into) == "schemas/"
    assert tree(into / "schemas") == {
        "a.avpr": "old\n\nfile",
        "sub/b.avsc": "",
        "é \n.avpr": "odd name",
    }
    assert names(into) == {"schemas"}
    assert (repository.folder / "schemas" / "a.avpr").read_text() == "new"


async def test_a_folder_may_be_the_top_or_not_be_there_then(
    repository: Repository, into: Path
) -> None:
    put(repository, a_DOT_avpr="a")
    first = repository.commit()
    (repository.folder / "late").mkdir()
    assert await read_revision(repository.folder / "late", first[:9], into) is None
    assert tree(into) == {}
    assert await read_revision(repository.folder, "main", into) == ""
    assert tree(into) == {"a.avpr": "a"}


async def test_what_is_imported_from_elsewhere_is_read_too(
    repository: Repository, into: Path
) -> None:
    put(
        repository,
        s__a_DOT_avdl='protocol A { import idl "b.avdl"; import idl "../t/c.avdl"; }',
        s__b_DOT_avdl='import schema "../t/d.avsc"; import protocol "../t/nowhere.avpr";',
        s__bad_DOT_avdl="protocol {",
        s__out_DOT_avdl='import idl "../../out.avdl"; import idl "/out.avdl";',
        t__c_DOT_avdl='import idl "../u/e.avdl"; import idl "../s/b.avdl";',
        t__d_DOT_avsc='import idl "not.avdl"',
        t__not_DOT_avdl="",
        u__e_DOT_avdl='import idl "../t/c.avdl";',
    )
    repository.commit()
    put(repository, t__nowhere_DOT_avpr="new")
    assert await read_revision(repository.folder / "s", "main", into) == "s/"
    there = {"s/a.avdl", "s/b.avdl", "s/bad.avdl", "s/out.avdl", "t/c.avdl", "t/d.avsc", "u/e.avdl"}
    assert tree(into).keys() == there
    assert tree(into)["u/e.avdl"] == 'import idl "../t/c.avdl";'


async def test_a_hook_of_another_repository_changes_nothing(
    repository: Repository, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(repository, a_DOT_avpr="a")
    repository.commit()
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    assert await read_revision(repository.folder, "main", into) == ""


@pytest.mark.parametrize("revision", ["", "nope", "--output=x", "main:a.avpr", "a b"])
async def test_a_revision_that_is_none_is_one_line(
    revision: str, repository: Repository, into: Path
) -> None:
    put(repository, a_DOT_avpr="a")
    repository.commit()
    with pytest.raises(Usage, match=f"^git:{revision}: no such revision here; "):
        await read_revision(repository.folder, revision, into)


async def test_a_folder_in_no_repository_is_one_line(
    tmp_path: Path, into: Path, require_program: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_program("git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "x").mkdir()
    with pytest.raises(Usage, match=r"^git in .*/x: not a git repository"):
        await read_revision(tmp_path / "x", "main", into)


async def test_without_the_program_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Usage, match=r"^git: the program is not installed, or not on the PATH$"):
        await read_revision(tmp_path, "main", tmp_path)


async def test_a_program_that_does_not_start_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = tmp_path / "git"
    git.write_text("#!/nonexistent\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Usage, match=r"^git in .*: No such file"):
        await read_revision(tmp_path, "main", tmp_path)


async def test_a_file_whose_content_is_not_there_is_one_line(
    repository: Repository, into: Path
) -> None:
    put(repository, a_DOT_avpr="a")
    repository.commit()
    blob = repository.run("rev-parse", "HEAD:a.avpr")
    (repository.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(Usage, match=f"it does not have the file {blob} of this revision"):
        await read_revision(repository.folder, "main", into)


async def test_links_are_followed_inside_the_folder(repository: Repository, into: Path) -> None:
    put(repository, s__sub__a_DOT_avpr="a", LICENSE="text")
    (repository.folder / "s" / "b.avpr").symlink_to("sub/a.avpr")
    (repository.folder / "s" / "more").symlink_to("sub")
    (repository.folder / "s" / "LICENSE").symlink_to("../LICENSE")
    (repository.folder / "s" / ".hidden").symlink_to("/")
    repository.commit()
    assert await read_revision(repository.folder / "s", "main", into) == "s/"
    assert (into / "s" / "b.avpr").read_text() == "a"
    assert (into / "s" / "more" / "a.avpr").read_text() == "a"
    assert names(into / "s") == {"b.avpr", "more", "sub"}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("x", "../t"),
        ("x", "../../repository/t"),
        ("x.avpr", "../t/a.avpr"),
        ("x.avpr", "/etc/passwd"),
        ("x.avpr", "../../../../etc/passwd"),
    ],
)
async def test_links_that_lead_out_of_the_folder_are_one_line(
    name: str, target: str, repository: Repository, into: Path
) -> None:
    put(repository, s__a_DOT_avpr="a", t__a_DOT_avpr="a")
    (repository.folder / "s" / name).symlink_to(target)
    repository.commit()
    with pytest.raises(Usage) as caught:
        await read_revision(repository.folder / "s", "main", into)
    assert str(caught.value.message) == (
        f"git: s/{name} is a link that leads out of the folder: {target}"
    )
