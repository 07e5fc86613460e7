"""What the demo shows, on paper and on a terminal that is not there."""

import importlib.util
import io
import re
from typing import Any

import pytest
from rich.console import Console

from avrpc.demo.screen import Gauge, PlainScreen, RichScreen, Screen, Table, choose_screen

CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")

TABLE = Table("numbers", ("", "up"), [("first", "1"), ("second", "20"), ("all", "21")], "a note")


def gauge(name: str, unit: str, values: list[float | None], capacity: float | None = None) -> Gauge:
    made = Gauge({"name": name, "unit": unit, "capacity": capacity})
    made.readings += [{"value": value} for value in values]
    return made


def gauges() -> list[Gauge]:
    return [
        gauge("cpu", "PERCENT", [10, 40, 20], 100),
        gauge("memory", "BYTES", [1024**3], 2 * 1024**3),
        gauge("disk-read", "BYTES_PER_SECOND", [None]),
        gauge("net-in", "BYTES_PER_SECOND", [0, 2048]),
        gauge("net-out", "BYTES_PER_SECOND", []),
    ]


class Terminal(io.StringIO):
    """What Python has for standard output, on a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def rich_screen(width: int = 80) -> tuple[Screen, Terminal]:
    terminal = Terminal()
    console = Console(
        file=terminal, force_terminal=True, color_system="standard", width=width, height=40
    )
    return RichScreen(console), terminal


def tell(screen: Screen) -> None:
    screen.title("title", "more")
    screen.step("a step", "code()")
    screen.say("this is what came of it, " * 5)
    with screen.live(gauges()) as redraw:
        redraw(1.0)
    screen.table(TABLE)


def test_gauge_tells_its_latest_and_its_peak() -> None:
    one = gauge("cpu", "PERCENT", [10, None, 40, 20])
    assert (one.latest(), one.peak) == ("20.0 %", 40)


def test_gauge_without_readings_tells_nothing() -> None:
    one = gauge("cpu", "PERCENT", [])
    assert (one.latest(), one.peak) == ("", None)


def test_plain_screen_tells_all_in_lines_of_ascii() -> None:
    paper = io.StringIO()
    tell(PlainScreen(paper))
    text = paper.getvalue()
    assert text.isascii()
    assert not CONTROL.search(text)
    assert max(map(len, text.splitlines())) <= 82
    for words in ("title: more", "a step", "code()", "came of it", "numbers", "a note"):
        assert words in text
    assert "  first    1\n  second  20\n  all     21\n" in text


def test_plain_screen_tells_readings_twice_a_second() -> None:
    paper = io.StringIO()
    with PlainScreen(paper).live(gauges()[:4]) as redraw:
        for tenth in range(11):
            redraw(tenth / 10)
    head, *lines = [line.split() for line in paper.getvalue().splitlines()]
    assert head == ["seconds", "cpu", "memory", "disk-read", "net-in"]
    assert [line[0] for line in lines] == ["0.0", "0.5", "1.0"]
    assert " ".join(lines[0][1:]) == "20.0 % 1.00 GiB missing 2.00 KiB/s"


def test_plain_screen_waits_for_the_first_reading_of_each() -> None:
    paper = io.StringIO()
    with PlainScreen(paper).live([gauge("cpu", "PERCENT", [])]) as redraw:
        redraw(1.0)
    assert paper.getvalue().split() == ["seconds", "cpu"]


def test_plain_screen_replaces_what_is_not_ascii() -> None:
    paper = io.StringIO()
    PlainScreen(paper).say("Zürich")
    assert paper.getvalue().strip() == "Z?rich"


def drawn(text: str) -> list[str]:
    """The lines of the last picture, from its frame on."""
    last = CONTROL.sub("", text).replace("\r", "")
    return last[last.rindex("╭") :].splitlines()


def test_rich_screen_draws_gauges_in_a_frame() -> None:
    screen, terminal = rich_screen()
    with screen.live(gauges()) as redraw:
        redraw(1.0)
    top, *lines, bottom = drawn(terminal.getvalue())[:10]
    assert "5 streams on one connection, 1.0 s" in top
    assert bottom.strip().startswith("╰")
    assert len({len(line.rstrip()) for line in (*lines, bottom)}) == 1
    words = [" ".join(line.strip("│ ").split()) for line in lines]
    assert words == [
        "cpu 50 % ▂",
        "█",
        "█▅",
        "0 ▆██ 20.0 % peak 40.0 %",
        "memory ▄ 1.00 GiB of 2.00 GiB",
        "disk-read · missing",
        "net-in ▁█ 2.00 KiB/s peak 2.00 KiB/s",
        "net-out",
    ]


def test_rich_screen_leaves_the_terminal_as_it_was() -> None:
    screen, terminal = rich_screen()
    with pytest.raises(KeyboardInterrupt), screen.live(gauges()):
        raise KeyboardInterrupt
    text = terminal.getvalue()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert text.index("\x1b[?25l") < text.index("\x1b[?25h")


@pytest.mark.parametrize("width", [78, 80, 200])
def test_rich_screen_tells_the_same_within_its_width(width: int) -> None:
    screen, terminal = rich_screen(width)
    tell(screen)
    text = CONTROL.sub("", terminal.getvalue())
    for words in ("title", "more", "a step", "code()", "came of it", "numbers", "a note", "second"):
        assert words in text
    assert max(map(len, text.splitlines())) <= width
    assert re.search(r"all +21\b", text)


def choose(terminal: Any, *, plain: bool = False) -> type[Screen]:
    return type(choose_screen(terminal, plain=plain))


@pytest.fixture
def _able(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.usefixtures("_able")
class TestChooseScreen:
    def test_terminal_gets_the_chart(self) -> None:
        assert choose(Terminal()) is RichScreen

    def test_file_gets_lines(self) -> None:
        assert choose(io.StringIO()) is PlainScreen

    def test_terminal_gets_lines_where_they_are_asked_for(self) -> None:
        assert choose(Terminal(), plain=True) is PlainScreen

    def test_terminal_gets_lines_where_rich_is_not_installed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        assert choose(Terminal()) is PlainScreen

    @pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"COLUMNS": "77"}])
    def test_terminal_that_can_not_show_it_gets_lines(
        self, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert choose(Terminal()) is PlainScreen

    def test_terminal_without_unicode_gets_lines(self) -> None:
        terminal = Terminal()
        terminal.encoding = "latin-1"
        assert choose(terminal) is PlainScreen

    def test_no_color_gets_the_chart_without_colours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_COLOR", "1")
        terminal = Terminal()
        screen = choose_screen(terminal)
        assert isinstance(screen, RichScreen)
        tell(screen)
        colours = re.findall(r"\x1b\[[0-9;]*\b(?:3[0-9]|9[0-7])\b[0-9;]*m", terminal.getvalue())
        assert colours == []
