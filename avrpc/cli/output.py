"""Standard output: plain lines of UTF-8 for programs, colours for a person on a terminal.

What a server sent is never given to a terminal as it is: a control character in it could change
what was printed before, or the terminal itself.
"""

from __future__ import annotations

import json
import os
import re
import sys
from importlib.util import find_spec
from typing import Any

import trio

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tab and newline
    "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # those that turn the direction of text
    "\ud800-\udfff]"  # what has no UTF-8
)
_CONTROLS_IN_JSON = re.compile("[\x7f-\x9f]")  # json escapes those below

# A pipe that is ready takes this much without waiting: PIPE_BUF of Linux.
_CHUNK = 4096


def printable(text: str) -> str:
    """Give a text with what could confuse a terminal escaped; newlines and tabs stay."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def json_text(value: Any, *, pretty: bool = False) -> str:
    """Write JSON: on one line, or indented."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2 if pretty else None)
    return _CONTROLS_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Output:
    """Standard output as it is now.

    Attributes:
        fancy: Whether a person sees it on a terminal that can do colours.
    """

    def __init__(self) -> None:
        self._stream = sys.stdout
        self._fd = _descriptor(self._stream)
        self._may_wait = self._fd is not None
        self.fancy = (
            self._stream is not None
            and self._stream.isatty()
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
            and find_spec("rich") is not None
        )

    async def put(self, text: str) -> None:
        """Write text, letting other tasks run, and being cancelled, while a slow reader is full.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        data = memoryview(text.encode(errors="backslashreplace"))
        if self._fd is None:
            self._write_to_stream(data)
        while self._fd is not None and data:
            await self._ready(self._fd)
            try:
                data = data[os.write(self._fd, data[:_CHUNK] if self._may_wait else data) :]
            except BlockingIOError:
                continue  # somebody else made it non-blocking

    async def _ready(self, fd: int) -> None:
        if self._may_wait:
            try:
                await trio.lowlevel.wait_writable(fd)
                return
            except PermissionError:
                self._may_wait = False  # a file: it is always ready, and epoll refuses it
        await trio.lowlevel.checkpoint()

    def _write_to_stream(self, data: memoryview) -> None:
        if self._stream is not None:  # None: the program was started without
            self._stream.buffer.write(data)
            self._stream.flush()

    async def put_json(self, value: Any, *, pretty: bool = False) -> None:
        """Write a JSON value and a newline."""
        text = json_text(value, pretty=pretty)
        await self.put(f"{_coloured_json(text) if self.fancy else text}\n")

    async def put_line(self, *spans: str | tuple[str, str]) -> None:
        """Write a line made of plain text and of (text, style for rich)."""
        pairs = [(one, "") if isinstance(one, str) else one for one in spans]
        pairs = [(printable(text), style) for text, style in pairs]
        text = _coloured(pairs) if self.fancy else "".join(text for text, _ in pairs)
        await self.put(f"{text}\n")

    async def put_drawn(self, drawn: Any) -> None:
        """Write what rich draws, as wide as the terminal."""
        await self.put(_rendered(drawn, wraps=True))


def _descriptor(stream: Any) -> int | None:
    """Give the file descriptor of a standard stream; None for one that has none, in a test."""
    try:
        fd: int = stream.fileno()
    except (AttributeError, OSError):
        return None
    return fd


def _coloured(pairs: list[tuple[str, str]]) -> str:
    from rich.text import Text

    return _rendered(Text.assemble(*pairs))


def _coloured_json(text: str) -> str:
    from rich.highlighter import JSONHighlighter
    from rich.text import Text

    made = Text(text)
    JSONHighlighter().highlight(made)
    return _rendered(made)


def _rendered(text: Any, *, wraps: bool = False) -> str:
    """Give rich's text with the terminal's codes in it."""
    from rich.console import Console

    console = Console(force_terminal=True, highlight=False, soft_wrap=not wraps)
    with console.capture() as capture:
        console.print(text, end="")
    return capture.get()


def give_up_stdout() -> None:
    """Let what Python still wants to flush at its end go nowhere: nobody reads it."""
    fd = _descriptor(sys.stdout)
    if fd is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, fd)
        os.close(nowhere)
