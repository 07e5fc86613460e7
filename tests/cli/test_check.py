import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.conftest import Served
from tests.cli.desk import ADMIN_JSON, QUOTES_JSON
from tests.cli.program import ROOT
from tests.cli.versions import HARMLESS, NEW, OLD, Repository, message, protocol, write
from tests.schema.build import TOO_LARGE

Cli = Callable[..., Result]
Require = Callable[[str], str]

UNQUOTED = "Expecting property name enclosed in double quotes"  # says Python's json


def test_a_folder_without_problems_is_one_line(tmp_path: Path, avrpc_cli: Cli) -> None:
    folder = write(tmp_path / "s", shop=OLD, empty={"protocol": "Empty"})
    result = avrpc_cli("check", folder)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"{folder}: 2 files, 2 protocols, no problems; Empty (0 messages), demo.Shop (5 messages)\n"
    )
    result = avrpc_cli("check", folder, "--json")
    assert json.loads(result.stdout) == {
        "folder": folder,
        "against": None,
        "ok": True,
        "problems": [],
        "protocols": [
            {"name": "Empty", "messages": []},
            {"name": "demo.Shop", "messages": [{"name": name} for name in OLD["messages"]]},
        ],
    }


def test_a_folder_of_types_alone_is_fine(tmp_path: Path, avrpc_cli: Cli) -> None:
    (tmp_path / "a.avsc").write_text('{"type": "fixed", "name": "F", "size": 1}')
    result = avrpc_cli("check", str(tmp_path))
    assert result.stdout == f"{tmp_path}: 1 file, 0 protocols, no problems; only types\n"


def test_every_problem_is_a_line_and_exit_code_1(tmp_path: Path, avrpc_cli: Cli) -> None:
    folder = write(tmp_path / "s", a=OLD | {"doc": 1}, b="{", c=protocol("C", {"m": message("X")}))
    (tmp_path / "s" / "d\n\x1b.avpr").write_text("[]")
    result = avrpc_cli("check", folder, "--against", folder)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.splitlines() == [
        f"{folder}/a.avpr: $.doc: expected a string, found 1",
        f"{folder}/b.avpr: not JSON: line 1, column 2: {UNQUOTED}",
        f"{folder}/d\\n\\x1b.avpr: $: expected a protocol: an object, found []",
    ]
    made = json.loads(avrpc_cli("check", folder, "--json").stdout)
    assert (made["ok"], made["protocols"], len(made["problems"])) == (False, [], 3)
    assert made["problems"][0] == {
        "file": f"{folder}/a.avpr",
        "line": None,
        "column": None,
        "path": "$.doc",
        "problem": "expected a string, found 1",
    }


def test_problems_in_idl_are_told_by_line_and_column(tmp_path: Path, avrpc_cli: Cli) -> None:
    (tmp_path / "s.avdl").write_text("protocol P {\n  void f(Nope x);\n  void g(int x = 'y');\n}")
    result = avrpc_cli("check", str(tmp_path))
    assert result.stdout.splitlines() == [
        f"{tmp_path}/s.avdl:2:10: no type 'Nope'",
        f'{tmp_path}/s.avdl:3:18: expected a default of type int, found "y"',
    ]
    made = json.loads(avrpc_cli("check", str(tmp_path), "--json").stdout)
    assert made["problems"][0] == {
        "file": f"{tmp_path}/s.avdl",
        "line": 2,
        "column": 10,
        "path": "",
        "problem": "no type 'Nope'",
    }


def test_versions_too_large_to_be_compared_break_and_say_so(tmp_path: Path, avrpc_cli: Cli) -> None:
    folders = [
        write(tmp_path / name, shop=protocol("Shop", {"m": message("null", a=of)}))
        for name, of in zip(("new", "old"), TOO_LARGE, strict=True)
    ]
    result = avrpc_cli("check", folders[0], "--against", folders[1])
    assert (result.exit_code, result.stderr) == (1, "")
    assert "incompatible (breaks)" in result.stdout
    assert "request: m: the two versions are too large to be compared" in result.stdout


def test_what_breaks_is_told_and_exit_code_1(tmp_path: Path, avrpc_cli: Cli) -> None:
    new, old = write(tmp_path / "new", shop=NEW), write(tmp_path / "old", shop=OLD)
    result = avrpc_cli("check", new, "--against", old)
    assert (result.exit_code, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    assert lines[:4] == [
        f"{new} (new) against {old} (old)",
        "",
        "protocol demo.Shop",
        "  message  old clients, new server  new clients, old server",
    ]
    assert "  partial  resolvable               partial (breaks)" in lines
    assert lines[-2:] == ["", "breaks: 3 of 6 messages"]
    made = json.loads(avrpc_cli("check", new, "--against", old, "--json").stdout)
    assert (made["folder"], made["against"], made["ok"]) == (new, old, False)
    assert [one["name"] for one in made["protocols"][0]["messages"] if one["breaks"]] == [
        "partial",
        "broken",
        "gone",
    ]


def test_what_is_added_or_resolvable_breaks_nothing(tmp_path: Path, avrpc_cli: Cli) -> None:
    new = write(tmp_path / "new", shop=HARMLESS, more={"protocol": "demo.More"})
    old = write(tmp_path / "old", shop=OLD)
    result = avrpc_cli("check", new, "--against", old)
    assert result.exit_code == 0
    assert "\nprotocol demo.More: added\n" in result.stdout
    assert result.stdout.endswith("\n\nnothing breaks: compared 6 messages in 1 protocol\n")
    assert json.loads(avrpc_cli("check", new, "--against", old, "--json").stdout)["ok"]


def test_a_protocol_that_is_gone_breaks_unless_others_are_asked_for(
    tmp_path: Path, avrpc_cli: Cli
) -> None:
    new = write(tmp_path / "new", shop=OLD)
    old = write(tmp_path / "old", shop=OLD, a={"protocol": "demo.A"}, b={"protocol": "demo.B"})
    result = avrpc_cli("check", new, "--against", old)
    assert result.exit_code == 1
    assert "\nprotocol demo.A: removed (breaks)\n" in result.stdout
    assert result.stdout.endswith("\nbreaks: 2 protocols removed\n")
    result = avrpc_cli("check", new, "--against", old, "--protocol", "Shop")
    assert result.exit_code == 0
    assert "demo.A" not in result.stdout
    result = avrpc_cli("check", new, "--against", old, "--protocol", "Shp")
    assert result.exit_code == 2
    assert result.stderr == (
        "avrpc: the two versions have no protocol 'Shp'; did you mean 'Shop'?\n"
    )


def test_problems_of_the_other_version_are_told_too(tmp_path: Path, avrpc_cli: Cli) -> None:
    new, old = write(tmp_path / "new", shop=NEW), write(tmp_path / "old", shop=OLD | {"doc": 1})
    result = avrpc_cli("check", new, "--against", old)
    assert result.exit_code == 1
    assert result.stdout == f"{old}/shop.avpr: $.doc: expected a string, found 1\n"


def test_a_branch_is_checked_against_the_main_one(
    tmp_path: Path, avrpc_cli: Cli, require_program: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository(tmp_path, require_program)
    write(tmp_path / "schemas", shop=OLD)
    repository.commit()
    repository.run("tag", "v1.2")
    repository.run("switch", "--quiet", "--create", "branch")
    write(tmp_path / "schemas", shop=HARMLESS)
    repository.commit()
    monkeypatch.chdir(tmp_path)
    result = avrpc_cli("check", "schemas", "--against", "git:main")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("schemas (new) against git:main (old)\n")
    write(tmp_path / "schemas", shop=NEW)  # not committed
    result = avrpc_cli("check", "schemas", "--against", "git:v1.2")
    assert result.exit_code == 1
    assert result.stdout.endswith("\nbreaks: 3 of 6 messages\n")
    result = avrpc_cli("check", "schemas", "--against", "git:v9")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("avrpc: git:v9: no such revision here; ")


def test_the_job_in_the_docs_guards_a_branch(
    tmp_path: Path, require_program: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "check.md").read_text()
    (job,) = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    repository = Repository(tmp_path / "origin", require_program)
    write(tmp_path / "origin" / "schemas", shop=OLD)
    repository.commit()
    repository.run("clone", "--quiet", "--no-local", ".", str(tmp_path / "clone"))
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "avrpc"
    root, python = shlex.quote(str(ROOT)), shlex.quote(sys.executable)
    program.write_text(f'#!/bin/sh\nPYTHONPATH={root} exec {python} -m avrpc.cli "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/bin/sh", "-c", job],
            cwd=tmp_path / "clone",
            capture_output=True,
            text=True,
            check=False,
        )

    write(tmp_path / "clone" / "schemas", shop=HARMLESS)
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing breaks" in done.stdout
    write(tmp_path / "clone" / "schemas", shop=NEW)
    done = run()
    assert (done.returncode, done.stderr) == (1, "")
    assert "schemas: 1 file, 1 protocol, no problems; demo.Shop (5 messages)\n" in done.stdout
    assert done.stdout.endswith("breaks: 3 of 6 messages\n")


def desk(tmp_path: Path, **changes: Any) -> str:
    messages: dict[str, Any] = QUOTES_JSON["messages"] | changes  # type: ignore[operator]
    return write(tmp_path / "s", quotes=QUOTES_JSON | {"messages": messages}, admin=ADMIN_JSON)


def test_clients_are_checked_against_a_server(
    tmp_path: Path, served: Served, avrpc_cli: Cli
) -> None:
    folder = desk(tmp_path)
    result = avrpc_cli("check", folder, "--against", served.address)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"can clients of {folder} call the server at {served.address}?")
    count = len(QUOTES_JSON["messages"]) + len(ADMIN_JSON["messages"])
    assert result.stdout.endswith(f"\nnothing breaks: compared {count} messages in 2 protocols\n")
    desk(tmp_path, fresh=message(), fail=message("int"))
    write(tmp_path / "s", shop=OLD)
    result = avrpc_cli("check", folder, "--against", served.address)
    assert result.exit_code == 1
    assert "\n  fresh    missing (breaks)\n  ! the server does not have it\n" in result.stdout
    assert "\nprotocol demo.Shop: the server does not have it (breaks)\n" in result.stdout
    told = f"\nbreaks: 2 of {count + 1} messages, 1 protocol missing\n"
    assert result.stdout.endswith(told)
    result = avrpc_cli(
        *("check", folder, "--against", served.address, "--protocol", "Admin", "--json")
    )
    assert result.exit_code == 0
    made = json.loads(result.stdout)
    assert (made["ok"], made["against"]) == (True, served.address)
    (admin,) = made["protocols"]
    assert admin["messages"] == [
        {
            "name": "reload",
            "status": "both",
            "breaks": False,
            "old_clients": None,
            "new_clients": {"verdict": "same", "changes": []},
        }
    ]


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["nowhere"], 2, "nowhere: no such folder"),
        (["s", "--against", "mian"], 2, "--against mian: no such folder; a revision is git:mian"),
        (["s", "--against", "a:70"], 2, "--against a:70: no such folder; a server is tcp://a:70"),
        (["s", "--against", "tcp://x"], 2, "address 'tcp://x': expected "),
        (["s", "--against", "unix:///nonexistent/s"], 3, "unix:///nonexistent/s: cannot connect: "),
        (["s", "--protocol", "Shop"], 2, "--protocol: chooses what is compared, so it needs --aga"),
    ],
)
def test_what_cannot_be_checked_is_one_line(
    words: list[str],
    code: int,
    problem: str,
    tmp_path: Path,
    avrpc_cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(tmp_path / "s", shop=OLD)
    monkeypatch.chdir(tmp_path)
    result = avrpc_cli("check", *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(f"avrpc: {problem}")
    assert result.stderr.count("\n") == 1
