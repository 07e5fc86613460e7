import builtins
import sys
from typing import Any

import pytest

from avrpc.cli import main


def test_main_runs_a_command_line_and_gives_its_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "avrpc 0.1.0\n"


def test_main_without_its_extra_says_in_one_line_which(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str, *rest: object) -> object:
        if name == "avrpc.cli.app":
            raise ModuleNotFoundError("No module named 'click'", name="click")
        return real(name, *rest)

    real: Any = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", fail)
    assert main([]) == 2
    assert capsys.readouterr().err == "avrpc: click is missing: pip install 'avrpc[cli]'\n"


def test_main_does_not_blame_the_extra_for_another_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "avrpc.cli.app", None)
    with pytest.raises(ModuleNotFoundError, match=r"avrpc\.cli\.app"):
        main([])
