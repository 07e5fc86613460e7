"""Where the demo finds its interface, and what a reader finds in it."""

from pathlib import Path

import pytest

import avrpc
from avrpc.demo.interface import Vitals, schema_folder


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "vitals.avdl").touch()
    return folder


def test_schemas_are_those_of_the_project_where_it_is_used_from_source(tmp_path: Path) -> None:
    project = make(tmp_path / "schemas")
    assert schema_folder(tmp_path / "avrpc" / "demo") == project


def test_schemas_beside_the_demo_come_first_as_in_a_wheel(tmp_path: Path) -> None:
    make(tmp_path / "schemas")
    installed = make(tmp_path / "avrpc" / "demo" / "schemas")
    assert schema_folder(tmp_path / "avrpc" / "demo") == installed


def test_schemas_that_are_nowhere_are_missed_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no vitals\.avdl in .*demo/schemas or "):
        schema_folder(tmp_path / "avrpc" / "demo")


def test_vitals_has_a_message_of_each_kind() -> None:
    assert {message.kind for message in Vitals.messages.values()} == set(avrpc.Kind)


def test_vitals_says_what_each_of_its_parts_is() -> None:
    parts = [Vitals, *Vitals.messages.values(), *Vitals.types.values()]
    assert [part.name for part in parts if not part.doc] == []
