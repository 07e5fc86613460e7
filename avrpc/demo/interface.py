"""The interface of the demo, from the file that a user reads too: schemas/vitals.avdl."""

from __future__ import annotations

from pathlib import Path

import avrpc

_HERE = Path(__file__).resolve().parent


def schema_folder(here: Path = _HERE) -> Path:
    """The folder of vitals.avdl: beside the demo where it is installed, else the project's.

    Raises:
        FileNotFoundError: It is in neither.
    """
    folders = (here / "schemas", here.parent.parent / "schemas")
    for folder in folders:
        if (folder / "vitals.avdl").is_file():
            return folder
    raise FileNotFoundError(f"no vitals.avdl in {' or '.join(map(str, folders))}")


Vitals = avrpc.Registry(schema_folder())["avrpc.vitals.Vitals"]
