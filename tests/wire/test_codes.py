"""The numbers are on the wire: changing one is changing the protocol."""

import pytest

from avrpc.wire import GoawayCode, LocalError, ProtocolError, StatusCode

STATUS_CODES = {
    1: "CANCELLED",
    2: "UNKNOWN",
    3: "INVALID_VALUE",
    4: "DEADLINE_EXCEEDED",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
}
GOAWAY_CODES = {
    0: "NO_ERROR",
    1: "PROTOCOL_ERROR",
    2: "INTERNAL_ERROR",
    3: "FLOW_CONTROL_ERROR",
    4: "HANDSHAKE_TIMEOUT",
    6: "FRAME_SIZE_ERROR",
    11: "ENHANCE_YOUR_CALM",
    32: "SCHEMA_REJECTED",
    33: "UNAUTHENTICATED",
    34: "IDLE",
    35: "KEEPALIVE_TIMEOUT",
    36: "WRITE_STALLED",
    37: "SHUTDOWN",
    38: "TOO_MANY_CONNECTIONS",
    39: "UNKNOWN_PROTOCOL",
    40: "INCOMPATIBLE_PROTOCOL",
    41: "UNSUPPORTED_VERSION",
}


def test_numbers_of_the_codes_stay() -> None:
    assert {code.value: code.name for code in StatusCode} == STATUS_CODES
    assert {code.value: code.name for code in GoawayCode} == GOAWAY_CODES


@pytest.mark.parametrize("code", GoawayCode)
def test_violation_has_its_text_and_the_code_for_goaway(code: GoawayCode) -> None:
    error = ProtocolError("what was wrong", code)
    assert (str(error), error.code) == ("what was wrong", code)


def test_violation_is_a_protocol_error_unless_it_says_more() -> None:
    assert ProtocolError("x").code is GoawayCode.PROTOCOL_ERROR


def test_fault_of_ours_is_not_taken_for_one_of_the_peer() -> None:
    assert not issubclass(LocalError, ProtocolError)
    assert not issubclass(ProtocolError, LocalError)
