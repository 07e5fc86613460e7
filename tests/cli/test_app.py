import importlib
import re
from importlib.util import find_spec

import click
import pytest

from avrpc.cli import app
from avrpc.cli.app import group, run


def commands() -> dict[str, click.Command]:
    ctx = click.Context(group)
    found = {name: group.get_command(ctx, name) for name in group.list_commands(ctx)}
    return {name: command for name, command in found.items() if command is not None}


def test_commands_are_listed_in_the_order_of_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    text = text[text.index("Commands:") :]
    places = [text.index(f"\n  {name} ") for name in ("serve", "describe", "call", "check")]
    assert places == sorted(places)


def test_the_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    assert "avrpc call tcp://127.0.0.1:7000 demo.Quotes.last symbol=EURUSD\n" in text


@pytest.mark.parametrize("name", commands())
def test_each_command_and_each_of_its_options_has_help(name: str) -> None:
    command = commands()[name]
    ctx = command.make_context(name, [], resilient_parsing=True)
    assert command.help
    assert command.get_short_help_str()
    for parameter in command.get_params(ctx):
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
        else:  # click has no help for arguments; the text of the command has to name them
            for word in re.findall("[A-Z]{2,}", parameter.make_metavar(ctx)):
                assert word in command.help


@pytest.mark.parametrize("name", ["serve", "describe", "call", "check"])
def test_the_help_of_a_command_has_an_example_on_a_line_of_its_own(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([name, "-h"]) == 0
    assert f"  Examples:\n    avrpc {name} " in capsys.readouterr().out


def test_an_unknown_command_is_one_line_with_what_was_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["cal"]) == 2
    assert capsys.readouterr().err == "avrpc: no command 'cal'; did you mean 'call'?\n"
    assert run(["x"]) == 2
    assert capsys.readouterr().err == "avrpc: no command 'x'; see avrpc --help\n"


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--nonsense"]) == 2
    assert "--nonsense" in capsys.readouterr().err


def test_a_command_whose_module_is_not_there_is_not_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        app, "find_spec", lambda name: find_spec(name) if "demo" not in name else None
    )
    assert list(commands()) == ["serve", "describe", "call", "check"]
    assert group.get_command(click.Context(group), "demo") is None


def test_a_command_whose_extra_is_missing_is_listed_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str) -> object:
        if name == "avrpc.cli.call":
            raise ModuleNotFoundError("No module named 'psutil'", name="psutil")
        return importlib.import_module(name)

    monkeypatch.setattr("avrpc.cli.app.import_module", fail)
    assert run(["--help"]) == 0
    assert "call      (needs the extra 'call')" in capsys.readouterr().out
    assert run(["call", "--anything", "at", "all"]) == 2
    assert capsys.readouterr().err == (
        "avrpc: avrpc call needs psutil: pip install 'avrpc[call]'\n"
    )


def test_a_module_of_ours_that_is_missing_is_no_missing_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(name: str) -> object:
        raise ModuleNotFoundError("No module named 'avrpc.nonsense'", name="avrpc.nonsense")

    monkeypatch.setattr("avrpc.cli.app.import_module", fail)
    with pytest.raises(ModuleNotFoundError):
        run(["call"])


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(None, 0), (5, 5), (click.Abort(), 130), (KeyboardInterrupt(), 130)],
)
def test_run_gives_the_exit_code_of_what_the_command_came_to(
    outcome: object, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*args: object, **options: object) -> object:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(group, "main", end)
    assert run([]) == code
