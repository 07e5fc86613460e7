"""What a handshake is made of: requests as read, answers as sent."""

import pytest

from avrpc.replies import Agreement, Reply, Request, Verdict, plain_refusal, refusal
from avrpc.schema.handshake_records import HANDSHAKE_RESPONSE, REFUSAL
from avrpc.schema.negotiation import Negotiation
from avrpc.wire import CODECS, GoawayCode, MessageShape, WireLimits, open_codec
from tests.desk import DESK


def test_agreement_tells_the_shapes_of_messages_by_their_numbers() -> None:
    shapes = Agreement(Negotiation(DESK, DESK), WireLimits()).shapes(7)
    names = sorted(DESK.messages)
    assert shapes[names.index("last")] == MessageShape(False, False, 7)
    assert shapes[names.index("watch")] == MessageShape(False, True, 7)
    assert shapes[names.index("push")] == MessageShape(True, False, 7)
    assert shapes[names.index("swap")] == MessageShape(True, True, 7)
    assert len(shapes) == len(names)
    assert len({id(shape) for shape in shapes}) == 4


@pytest.mark.parametrize("name", CODECS)
def test_agreement_has_the_codec_of_its_name(name: str) -> None:
    codec = Agreement(Negotiation(DESK, DESK), WireLimits(), compression=name).codec
    assert codec is open_codec(name)
    assert Agreement(Negotiation(DESK, DESK), WireLimits()).codec is None


@pytest.mark.parametrize(
    ("meta", "credentials", "is_plain"),
    [
        (None, None, True),
        ({}, None, True),
        ({"avrpc-auth": b"x"}, b"x", True),
        ({"avrpc": b""}, None, False),
        ({"avrpc": b"", "avrpc-auth": b""}, b"", False),
    ],
)
def test_request_tells_its_credentials_and_whether_it_is_of_avrpc(
    meta: dict[str, bytes] | None, credentials: bytes | None, is_plain: bool
) -> None:
    request = Request({"meta": meta}, b"")
    assert (request.credentials, request.is_plain) == (credentials, is_plain)


def test_refusal_holds_a_code_and_so_much_of_a_text_and_nothing_else() -> None:
    reply = refusal(GoawayCode.SCHEMA_REJECTED, "x" * 2000)
    assert reply == Reply(reply.content, Verdict.CLOSE, None, "x" * 2000)
    response, end = HANDSHAKE_RESPONSE.decode(reply.content)
    assert end == len(reply.content)
    told = response.pop("meta")
    assert response == {"match": "NONE", "serverProtocol": None, "serverHash": None}
    assert list(told) == ["avrpc-refused"]
    assert REFUSAL.decode(told["avrpc-refused"])[0] == {"code": 32, "text": "x" * 1000}


def test_plain_refusal_is_an_answer_and_an_error_of_avros() -> None:
    reply = plain_refusal("no", "the log has more")
    assert (reply.verdict, reply.agreement, reply.refusal) == (
        Verdict.CLOSE,
        None,
        "the log has more",
    )
    assert reply.content == b"\0\0\0\0" + b"\0\1\0\4no"
