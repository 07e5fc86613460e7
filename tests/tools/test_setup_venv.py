"""How .venv gets ready, with the commands themselves replaced: which, in what order, and when.

That they work is shown by `.ci/run`, which starts without a .venv.
"""

import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tools import setup_venv


class Commands:
    """Stands in for setup_venv.run and keeps what was to be run."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.broken: set[str] = set()  # a command with one of these words fails
        self.without_pip = 0  # how many of the next new .venvs turn out to have no pip

    def __call__(self, command: list[str], folder: Path) -> CompletedProcess[str]:
        self.ran.append(" ".join([Path(command[0]).name, *command[1:]]).replace(f"{folder}/", ""))
        if {"venv", "virtualenv"} & set(command):
            (folder / ".venv").mkdir()  # raises where what failed before was not cleared away
        failed = bool(self.broken & set(command))
        if command[-1] == "--version":
            failed = self.without_pip > 0
            self.without_pip -= 1
        return CompletedProcess(command, int(failed), "words of the program\n")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    stand_in = Commands()
    monkeypatch.setattr(setup_venv, "run", stand_in)
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    return stand_in


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]")
    (tmp_path / "constraints.txt").write_text("trio==1")
    return tmp_path


VENV = "python3 -m venv .venv"
BARE = "python3 -m venv .venv --without-pip"
SYSTEM_PIP = "python3 -m pip --python .venv/bin/python install pip"
HAS_PIP = "python -m pip --version"
INSTALL = "python -m pip install --quiet -c constraints.txt -e "


def test_new_venv_is_made_and_filled(
    root: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    setup_venv.make_ready(root, "demo")
    assert commands.ran == [VENV, HAS_PIP, INSTALL + ".[demo]"]
    assert capsys.readouterr().out == (
        "setup: making .venv\nsetup: installing avrpc[demo] into .venv\n"
    )


def test_ready_venv_is_left_alone(
    root: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    setup_venv.make_ready(root, "demo")
    commands.ran.clear()
    capsys.readouterr()
    setup_venv.make_ready(root, "demo")
    assert commands.ran == []
    assert capsys.readouterr().out == ""


def test_second_extra_joins_the_first(root: Path, commands: Commands) -> None:
    setup_venv.make_ready(root, "demo")
    setup_venv.make_ready(root, "test")
    commands.ran.clear()
    setup_venv.make_ready(root, "demo")
    setup_venv.make_ready(root, "test")
    assert commands.ran == []


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_venv_is_made_anew_when_what_it_was_made_from_changes(
    root: Path, commands: Commands, name: str
) -> None:
    setup_venv.make_ready(root, "demo")
    commands.ran.clear()
    (root / name).write_text("changed")
    setup_venv.make_ready(root, "demo")
    assert commands.ran == [VENV, HAS_PIP, INSTALL + ".[demo]"]


def test_venv_is_made_anew_in_a_folder_that_was_moved(root: Path, commands: Commands) -> None:
    setup_venv.make_ready(root, "demo")
    moved = root.rename(root.with_name("moved"))
    commands.ran.clear()
    setup_venv.make_ready(moved, "demo")
    assert commands.ran[0] == VENV


def test_half_made_venv_is_made_anew(root: Path, commands: Commands) -> None:
    (root / ".venv/lib").mkdir(parents=True)
    setup_venv.make_ready(root, "demo")
    assert not (root / ".venv/lib").exists()


def test_failed_install_shows_the_words_of_pip_and_leaves_no_stamp(
    root: Path, commands: Commands
) -> None:
    setup_venv.make_ready(root, "demo")
    commands.broken = {".[test]"}
    with pytest.raises(SystemExit, match="words of the program\nsetup: pip could not install"):
        setup_venv.make_ready(root, "test")
    # Nor for the extra that was there: pip may have broken it on its way.
    assert not list((root / ".venv").glob(".ready-*"))


def test_ways_to_make_a_venv_are_tried_in_order_until_one_has_pip(
    root: Path, commands: Commands
) -> None:
    ways = [
        [VENV, HAS_PIP],
        [BARE, SYSTEM_PIP, HAS_PIP],
        ["python3 -m virtualenv .venv", HAS_PIP],
        ["virtualenv --python /usr/bin/python3 .venv", HAS_PIP],
    ]
    for last in range(len(ways)):
        commands.ran.clear()
        commands.without_pip = last
        setup_venv.make_venv(root / ".venv")
        assert commands.ran == [command for way in ways[: last + 1] for command in way]
    commands.without_pip = len(ways)
    with pytest.raises(SystemExit, match="apt-get install python3-venv"):
        setup_venv.make_venv(root / ".venv")
    assert not (root / ".venv").exists()


def test_program_that_is_not_there_is_a_way_that_fails(tmp_path: Path) -> None:
    assert not setup_venv.succeeds(["a-program-that-nobody-has"], tmp_path)
