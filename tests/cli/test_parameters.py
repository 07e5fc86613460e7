from datetime import UTC, datetime
from typing import Any

import pytest

from avrpc.cli.failures import Usage
from avrpc.cli.parameters import read_parameters
from tests.cli.desk import Quotes


@pytest.mark.parametrize(
    ("message", "words", "expected"),
    [
        ("fail", [], {}),
        ("fail", ["{}"], {}),
        ("last", ["symbol=EURUSD"], {"symbol": "EURUSD"}),
        ("last", ["symbol=5", "side=SELL"], {"symbol": "5", "side": "SELL"}),
        ("last", ['symbol="quoted"'], {"symbol": '"quoted"'}),
        ("last", ["symbol=null", 'side="SELL"'], {"symbol": "null", "side": "SELL"}),
        ("last", ["symbol=a=b"], {"symbol": "a=b"}),
        ("last", ["symbol="], {"symbol": ""}),
        ("last", [' {"symbol": "X", "side": "BUY"}'], {"symbol": "X", "side": "BUY"}),
        ("watch", ["symbol=X", "count=-5"], {"symbol": "X", "count": -5}),
        ("convert", ["rate=2"], {"rate": 2.0}),
        ("convert", ["rate=NaN"], {"rate": pytest.approx(float("nan"), nan_ok=True)}),
        ("odd", ["number=5", "text=5"], {"number": 5, "text": "5"}),
        ("odd", ["number=null", "text=null"], {"number": None, "text": None}),
        ("odd", ['text="null"'], {"text": "null"}),
        ("odd", ["id=aGk="], {"id": b"hi"}),
        ("odd", ["at=1970-01-01T00:00:00Z"], {"at": datetime(1970, 1, 1, tzinfo=UTC)}),
        ("odd", ['{"id": "aGk="}'], {"id": b"hi"}),
        ("from", ["in=x"], {"in": "x"}),
    ],
)  # fmt: skip
def test_parameters_are_read_by_their_types(
    message: str, words: list[str], expected: dict[str, Any]
) -> None:
    assert read_parameters(Quotes.messages[message], words) == expected


@pytest.mark.parametrize(
    ("message", "words", "problem"),
    [
        ("last", [], "last.symbol: missing, and it has no default"),
        ("last", ["EURUSD"], "expected NAME=VALUE for each parameter, or one JSON object, got"),
        ("last", ["{}", "symbol=X"], "expected NAME=VALUE for each parameter, or one JSON object"),
        ("last", ["[1]"], "expected NAME=VALUE for each parameter, or one JSON object, got '[1]'"),
        ("last", ["symbol=X", "symbol=Y"], "parameter 'symbol' is there twice"),
        ("last", ["symbl=X"], "last: no parameter 'symbl'; did you mean 'symbol'?"),
        ("last", ["x=X"], "last: no parameter 'x'; there is symbol, side"),
        ("fail", ["x=X"], "fail: no parameter 'x'"),
        ("last", ["symbol=X", "side=BY"], "last.side: expected a symbol of Side, got 'BY'; did"),
        ("last", ["symbol=X", "side=5"], "last.side: expected a symbol of Side as str, got int"),
        ("watch", ["symbol=X", "count=x"], "watch.count: expected int, got str"),
        ("watch", ["symbol=X", "count=1.5"], "watch.count: expected int, got float"),
        ("watch", ["symbol=X", "count=9999999999"], "watch.count: expected int, got 9999999999"),
        ("odd", ["id=hello"], "odd.id: expected base64 for Id, got 'hello'"),
        ("odd", ["id=YWJj"], "odd.id: expected 2 bytes for Id, got 3"),
        ("odd", ["at=5"], "odd.at: expected"),
        ("last", ["{"], "the parameters: not JSON: line 1, column 2: "),
        ("last", ['{"symbol": 5}'], "last.symbol: expected string, got int"),
        ("last", ['{"symbl": "X"}'], "last.symbl: no such parameter; did you mean 'symbol'?"),
        ("last", ["symbol=\udc80"], "last.symbol: a str with half of a surrogate pair"),
        ("record", ["symbol=X", "ticks=[]"], "record: 'ticks' is streamed: it is read"),
        ("record", ['{"ticks": []}'], "record: 'ticks' is streamed: it is read"),
    ],
)  # fmt: skip
def test_parameters_that_do_not_fit_are_refused(
    message: str, words: list[str], problem: str
) -> None:
    with pytest.raises(Usage) as caught:
        read_parameters(Quotes.messages[message], words)
    assert str(caught.value).startswith(problem)
