"""What once did harm does none, and would be noticed if it did."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.replay import CORPUS

ROOT = Path(__file__).parent.parent.parent


def replay(corpus: Path = CORPUS) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tests.torture.replay", str(corpus)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_corpus_does_no_harm() -> None:
    done = replay()
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    files = [file for file in CORPUS.glob("*/*") if file.is_file()]
    assert done.stdout.splitlines()[-1] == f"{len(files)} files"
    assert {file.parent.name for file in files} == {"core", "decode", "handshake", "text"}


@pytest.mark.parametrize("case", ['{"writer": "int"}', '{"writer": "no type"}', "no JSON"])
def test_file_that_does_harm_is_named(case: str, tmp_path: Path) -> None:
    file = tmp_path / "decode" / "bad.json"
    file.parent.mkdir()
    file.write_text(case)
    done = replay(tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "decode/bad.json"
