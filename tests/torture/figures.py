"""What a part of `make torture` found, in the one form that all parts share.

    with Run("flood", "in memory") as run:
        ...
        run.add("handshakes", count, at_least=100_000)
        run.add("growth", grown, "MB", at_most=32)
    return run.exit_code

A run prints one line for people, and appends one of JSON to the file that the variable
`FILE_VARIABLE` names, if there is such a variable; the frame (`__main__`) sets it:

    {"part": "flood", "run": "in memory", "held": true, "seconds": 50.1, "figures": {"growth":
     {"value": 3, "unit": "MB", "at_most": 32}, ...}}
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Self

FILE_VARIABLE = "AVRPC_TORTURE_FIGURES"


class Run:
    """One thing that a part does, with its figures.

    Args:
        part: Name of the part, as `PARTS` has it.
        what: What is done; empty where the part does one thing only.
        file: Where the line goes, if not where `FILE_VARIABLE` says.

    Attributes:
        held: Whether every figure is within its bounds, and nothing was raised.
        figures: By name, each with its unit and bounds.
        problems: What went wrong and is no figure.
    """

    def __init__(self, part: str, what: str = "", *, file: Path | None = None) -> None:
        self.part = part
        self.what = what
        named = os.environ.get(FILE_VARIABLE)
        self._file = file or (Path(named) if named else None)
        self.held = True
        self.problems: list[str] = []
        self.figures: dict[str, dict[str, Any]] = {}
        self._begun = time.monotonic()

    def add(
        self,
        name: str,
        value: float,
        unit: str = "",
        *,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> None:
        """Note a figure, and what it has to be within."""
        figure: dict[str, Any] = {"value": value, "unit": unit}
        if at_most is not None:
            figure["at_most"] = at_most
        if at_least is not None:
            figure["at_least"] = at_least
        self.figures[name] = figure
        if not _is_within(figure):
            self.held = False

    def problem(self, text: str) -> None:
        """Note what went wrong and is no figure."""
        self.problems.append(text)
        self.held = False

    @property
    def exit_code(self) -> int:
        """0 where all held."""
        return int(not self.held)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            self.problem(f"{type(error).__name__}: {error}"[:300])
        line: dict[str, Any] = {
            "part": self.part,
            "run": self.what,
            "held": self.held,
            "seconds": round(time.monotonic() - self._begun, 1),
            "figures": self.figures,
        }
        if self.problems:
            line["problems"] = self.problems
        if self._file is not None:
            with self._file.open("a") as lines:
                lines.write(json.dumps(line) + "\n")
        print(readable(line), flush=True)  # noqa: T201 - it talks to a person


def _is_within(figure: dict[str, Any]) -> bool:
    value = figure["value"]
    return bool(figure.get("at_least", value) <= value <= figure.get("at_most", value))


def readable(line: dict[str, Any]) -> str:
    """One line of the file, for people."""
    name = f"{line['part']}, {line['run']}" if line["run"] else line["part"]
    parts = [said(each, figure) for each, figure in line["figures"].items()]
    parts += [*line.get("problems", []), f"{line['seconds']:g} s"]
    return f"{name}: {'; '.join(parts)}: {'held' if line['held'] else 'BROKEN'}"


def said(name: str, figure: dict[str, Any]) -> str:
    """One figure with its bounds, for people."""
    text = f"{name} {_number(figure['value'])}"
    if figure["unit"]:
        text += f" {figure['unit']}"
    if not _is_within(figure):
        text += "!"
    bounds = [
        f"{words} {_number(figure[key])}"
        for key, words in (("at_least", "at least"), ("at_most", "at most"))
        if key in figure
    ]
    return f"{text} ({', '.join(bounds)})" if bounds else text


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}"
