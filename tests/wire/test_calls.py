import pytest

from avrpc.wire import WireLimits
from avrpc.wire.frames import MAX_LENGTH

ONE_OUT_OF_RANGE = [
    {"max_frame_bytes": 8 * 1024 + 64 + 1023},
    {"max_frame_bytes": 1},
    {"max_frame_bytes": 0},
    {"max_frame_bytes": -1},
    {"max_frame_bytes": MAX_LENGTH + 1},
    {"max_metadata_bytes": 64 * 1024 - 64 - 1023},
    {"max_metadata_bytes": -1},
    {"max_message_bytes": 0},
    {"window_bytes": 0},
    {"window_bytes": 2**31},
    {"max_calls": 0},
    {"max_streamed_calls": -1},
    {"max_values_in_pieces": 0},
]
JUST_IN_RANGE = [
    {"max_frame_bytes": 8 * 1024 + 64 + 1024},
    {"max_frame_bytes": MAX_LENGTH},
    {"max_frame_bytes": 1088, "max_metadata_bytes": 0},
    {"max_message_bytes": 1},
    {"window_bytes": 1},
    {"window_bytes": 2**31 - 1},
    {"max_calls": 1, "max_streamed_calls": 0, "max_values_in_pieces": 1},
]


@pytest.mark.parametrize("limits", ONE_OUT_OF_RANGE)
def test_limit_that_the_rules_can_not_work_with_is_refused(limits: dict[str, int]) -> None:
    ((name, value),) = limits.items()
    with pytest.raises(ValueError, match=rf"max_frame_bytes: .*|{name}: .* got {value}"):
        WireLimits(**limits)


@pytest.mark.parametrize("limits", JUST_IN_RANGE)
def test_limit_at_the_end_of_its_range_is_taken(limits: dict[str, int]) -> None:
    WireLimits(**limits)
