import pytest
import trio

from avrpc.groups import failure_of, single

ONE, OTHER = ValueError("one"), KeyError("other")
CANCELLED = trio.Cancelled._create()
SEVERAL = ExceptionGroup("", [ONE, OTHER])


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (ONE, ONE),
        (CANCELLED, CANCELLED),
        (ExceptionGroup("", [ONE]), ONE),
        (BaseExceptionGroup("", [CANCELLED]), CANCELLED),
        (ExceptionGroup("", [ExceptionGroup("", [ExceptionGroup("", [ONE])])]), ONE),
        (SEVERAL, SEVERAL),
        (ExceptionGroup("", [SEVERAL]), SEVERAL),
        (BaseExceptionGroup("", [BaseExceptionGroup("", [SEVERAL])]), SEVERAL),
    ],
)
def test_group_of_one_counts_as_that_one_at_any_depth(
    error: BaseException, found: BaseException
) -> None:
    assert single(error) is found


@pytest.mark.parametrize(
    ("group", "failure"),
    [
        (BaseExceptionGroup("", [CANCELLED]), CANCELLED),
        (BaseExceptionGroup("", [CANCELLED, BaseExceptionGroup("", [CANCELLED])]), CANCELLED),
        (BaseExceptionGroup("", [CANCELLED, ExceptionGroup("", [ONE])]), ONE),
        (BaseExceptionGroup("", [BaseExceptionGroup("", [CANCELLED, ONE])]), ONE),
    ],
)
def test_nursery_failed_with_what_is_no_cancel_if_there_is_anything(
    group: BaseExceptionGroup, failure: BaseException
) -> None:
    assert failure_of(group) is failure


def test_group_of_several_that_each_hold_one_stays_as_it_is() -> None:
    group = ExceptionGroup("", [ExceptionGroup("", [ONE]), ExceptionGroup("", [OTHER])])
    assert single(group) is group


async def test_error_of_a_task_comes_out_of_its_nursery_as_itself() -> None:
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise ONE

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
            nursery.start_soon(trio.sleep_forever)

    with pytest.raises(ExceptionGroup) as raised:
        await run()
    assert single(raised.value) is ONE
