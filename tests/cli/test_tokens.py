from pathlib import Path

import pytest

from avrpc.cli.failures import Usage
from avrpc.cli.tokens import VARIABLE, read_token


def test_token_is_the_one_line_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    for text in (b"s3cr3t", b"s3cr3t\n", b"  s3cr3t \r\n\n"):
        file.write_bytes(text)
        assert read_token(str(file)) == b"s3cr3t"


@pytest.mark.parametrize("text", ["", "\n \n", "s3cr3t\nanother", "s3cr3t\rof old"])
def test_file_that_holds_no_token_is_named_and_not_shown(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(Usage) as raised:
        read_token(str(file))
    assert str(raised.value) == f"{file}: expected a token and nothing else, in one line"


def test_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Usage, match="nothing: No such file"):
        read_token(str(tmp_path / "nothing"))


def test_without_a_file_the_environment_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_token(None) is None
    for value, token in (("s3cr3t", b"s3cr3t"), (" s3cr3t\n", b"s3cr3t"), ("", None), (" ", None)):
        monkeypatch.setenv(VARIABLE, value)
        assert read_token(None) == token
    monkeypatch.setenv(VARIABLE, b"\xff".decode(errors="surrogateescape"))
    assert read_token(None) == b"\xff"
    file = tmp_path / "token"
    file.write_text("another")
    assert read_token(str(file)) == b"another"
