"""Exception groups that hold one exception count as that exception."""

from __future__ import annotations

import trio


def failure_of(group: BaseExceptionGroup) -> BaseException:
    """What a nursery failed with, where the cancels that followed from it don't count.

    A group of cancels alone counts as one of them.
    """
    others = group.split(trio.Cancelled)[1]
    if others is not None:
        return single(others)
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def single(error: BaseException) -> BaseException:
    """The one exception in a group, at any depth; a group of several, or no group, as it is."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
