"""Texts that came from elsewhere, made fit to be shown: in an error, in a log, on a terminal.

A peer chooses the text of its STATUS, its GOAWAY and its refusal, names in its protocol, and keys
in its values. With a line end in it, it could forge a line of a log; with an escape sequence,
change what a terminal has shown already; with a megabyte, fill a disk. So whatever a peer wrote
goes through `shown` before it becomes part of a text of ours.
"""

from __future__ import annotations

MOST = 200  # characters, in a log
MOST_IN_ERROR = 500  # in an exception's text, which a person is to read


def shown(text: object, most: int = MOST) -> str:
    """Give a text on one line: what is not printable is escaped, and it is cut after ``most``.

    Anything else than a text is shown as `str` has it. What was shown once stays as it is.

    Args:
        text: Any.
        most: Characters of the longest result; at least 3.
    """
    text = str(text)
    begin = text[: most + 1]
    if not begin.isprintable():
        begin = "".join(one if one.isprintable() else _escaped(one) for one in begin)
    return begin if len(begin) <= most else f"{begin[: most - 3]}..."


def _escaped(one: str) -> str:
    return one.encode("unicode_escape").decode()
