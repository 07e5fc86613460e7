"""The library's logger: nothing leaves it as a peer wrote it."""

import io
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from avrpc.log import logger

NASTY = "a\r\n2026-01-01 ERROR forged\x1b[2J" + "x" * 1_000_000


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """What a program that logs to a file finds in it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


@pytest.mark.parametrize("arguments", [(NASTY,), (ValueError(NASTY),), ({"text": NASTY},)])
def test_argument_is_one_short_line(arguments: tuple[Any, ...], output: io.StringIO) -> None:
    named = isinstance(arguments[0], dict)
    logger.warning("refused: %(text)s" if named else "refused: %s", *arguments)
    (line,) = output.getvalue().splitlines()
    assert line.startswith(r"WARNING refused: a\r\n2026-01-01 ERROR forged\x1b[2Jxxx")
    assert line.endswith("xxx...")
    assert len(line) == len("WARNING refused: ") + 200


def test_numbers_stay_numbers(output: io.StringIO) -> None:
    logger.warning("%d of %.1f: %s", 7, 2.25, logging.INFO)
    logger.warning("100 %")
    assert output.getvalue() == "WARNING 7 of 2.2: 20\nWARNING 100 %\n"


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_argument_that_has_no_words_is_told_by_its_type(output: io.StringIO) -> None:
    logger.warning("refused: %s", Mute())
    assert output.getvalue() == "WARNING refused: <Mute>\n"


def failure(text: str) -> Exception:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def test_what_an_exception_says_can_not_be_taken_for_another_record(output: io.StringIO) -> None:
    error = failure("no such symbol: a\n2026-01-01 ERROR forged\x1b[2J\r")
    error.add_note("note\nERROR forged")
    error.__cause__ = failure("ERROR\nERROR forged")
    logger.error("failed", exc_info=error)
    first, *others = output.getvalue().splitlines()
    assert first == "ERROR failed"
    assert all(line.startswith("    ") and line.isprintable() for line in others)
    assert r"    2026-01-01 ERROR forged\x1b[2J\r" in others
    unescaped = "".join(traceback.format_exception(error)).replace("\x1b", r"\x1b")
    assert "\n".join(line[4:] for line in others) == unescaped.replace("\r", r"\r").rstrip()


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\n" * 1_000_000, "line\n" * 100_000])
def test_exception_of_a_megabyte_is_cut(text: str, output: io.StringIO) -> None:
    logger.error("failed", exc_info=failure(text))
    written = output.getvalue()
    assert len(written) < 100_000
    assert written.count("\n") <= 402
    assert "    Traceback (most recent call last):" in written
    assert "test_log.py" in written
    assert max(map(len, written.splitlines())) <= 504


def test_exception_stays_with_its_record_and_text_made_before_is_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = failure("x")
    logger.error("failed", exc_info=error)
    logger.error("no error at all", exc_info=True)  # noqa: LOG014
    first, second = caplog.records
    assert first.exc_info is not None
    assert first.exc_info[1] is error
    assert second.exc_text is None or "NoneType" in second.exc_text
    made = logger.makeRecord("avrpc", 40, "f", 1, "m", (), (ValueError, error, None))
    made.exc_text = "as it was"
    assert logger.filter(made)
    assert made.exc_text == "as it was"
