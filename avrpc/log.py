"""The library's logger, ``avrpc``, in which nothing stands as a peer wrote it.

Every record that is made with it goes through one filter, so that no place that logs has to
remember to: arguments of the message are texts on one line, at most 200 characters of each (see
`shown`), and what an exception says is indented, so that none of its lines can be taken for the
begin of another record, even if a handler put its caller's words into it. The exception itself
stays with the record, for handlers that look at it.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping

from avrpc.shown import shown

_MOST_IN_LINE = 500
_MOST_IN_TRACEBACK = 64 * 1024  # characters; half of them from its begin, half from its end
_MOST_LINES = 400  # likewise
_MARGIN = "    "


class _Escaping(logging.Filter):
    """Lets every record pass, with its texts made fit to be shown."""

    def filter(self, record: logging.LogRecord) -> bool:
        arguments = record.args
        if isinstance(arguments, Mapping):
            record.args = {name: _argument(value) for name, value in arguments.items()}
        elif arguments:
            record.args = tuple(map(_argument, arguments))
        if record.exc_info and record.exc_info[1] is not None and record.exc_text is None:
            record.exc_text = _failure(record.exc_info[1])
        return True


def _argument(value: object) -> object:
    if isinstance(value, int | float):
        return value
    try:
        return shown(value)
    except Exception:  # noqa: BLE001  # a __str__ of somebody's; logging must not fail for it
        return f"<{type(value).__name__}>"


def _failure(error: BaseException) -> str:
    """A trace-back, in which what the exceptions say can't be taken for anything else."""
    text = "".join(traceback.format_exception(error)).rstrip()
    if len(text) > _MOST_IN_TRACEBACK:
        half = _MOST_IN_TRACEBACK // 2
        text = f"{text[:half]}\n...\n{text[-half:]}"
    lines = text.split("\n")
    if len(lines) > _MOST_LINES:
        half = _MOST_LINES // 2
        lines = [*lines[:half], "...", *lines[-half:]]
    return "\n".join(f"{_MARGIN}{shown(line, _MOST_IN_LINE)}" for line in lines)


logger = logging.getLogger("avrpc")
logger.addFilter(_Escaping())
