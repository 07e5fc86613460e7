"""Exception groups that hold one exception count as that exception."""

from __future__ import annotations


def single(error: BaseException) -> BaseException:
    """The one exception in a group, at any depth; a group of several, or no group, as it is."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
