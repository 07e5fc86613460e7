import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.wire import GoawayCode, ProtocolError
from avrpc.wire.credit import MAX_CREDIT, Credit


@pytest.mark.parametrize(
    ("available", "may_start"), [(MAX_CREDIT, True), (1, True), (0, False), (-1, False)]
)
def test_items_may_start_only_above_zero(available: int, may_start: bool) -> None:
    credit = Credit(available)
    assert credit.may_start is may_start
    if may_start:
        credit.require_start()
    else:
        with pytest.raises(ProtocolError, match=f"credit of {available}") as caught:
            credit.require_start()
        assert caught.value.code is GoawayCode.FLOW_CONTROL_ERROR
    assert credit.available == available


def test_frame_that_has_started_may_take_credit_below_zero() -> None:
    credit = Credit(1)
    credit.take(65_536)
    assert credit.available == -65_535
    credit.grant(65_536)
    assert credit.available == 1


@pytest.mark.parametrize(
    ("available", "size"),
    [(0, 0), (0, -1), (10, -(2**63)), (1, MAX_CREDIT), (MAX_CREDIT, 1), (-5, 2**63 - 1)],
)
def test_grant_of_nothing_or_too_much_is_refused_and_changes_nothing(
    available: int, size: int
) -> None:
    credit = Credit(available)
    with pytest.raises(ProtocolError, match=f"grant of {size}") as caught:
        credit.grant(size)
    assert caught.value.code is GoawayCode.FLOW_CONTROL_ERROR
    assert credit.available == available


@pytest.mark.parametrize(("available", "size"), [(0, MAX_CREDIT), (-5, MAX_CREDIT + 5), (0, 1)])
def test_grant_up_to_the_most_there_may_be_is_taken(available: int, size: int) -> None:
    credit = Credit(available)
    credit.grant(size)
    assert credit.available == available + size


@given(st.lists(st.integers(1, 70_000)))
def test_what_is_taken_and_given_back_comes_to_the_window_again(sizes: list[int]) -> None:
    credit = Credit(MAX_CREDIT)
    for size in sizes:
        credit.take(size)
    for size in sizes:
        credit.grant(size)
    assert credit.available == MAX_CREDIT
