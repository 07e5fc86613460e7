"""A certificate for 127.0.0.1, for measuring TLS."""

import os
import pathlib
import tempfile
import time

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "build" / "bench" / "certificates"
OLDEST = 86_400
"""Seconds; the certificates last longer."""


def folder() -> pathlib.Path:
    """Return where ca.pem, server.pem and server.key are, made if they are not there or old.

    Raises:
        ModuleNotFoundError: trustme, of the extra `bench`, is not installed.
    """
    if (FOLDER / "ca.pem").exists() and time.time() - FOLDER.stat().st_mtime < OLDEST:
        return FOLDER
    import trustme

    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    FOLDER.mkdir(parents=True, exist_ok=True)
    files = {
        "server.key": made.private_key_pem.bytes(),
        "server.pem": made.private_key_and_cert_chain_pem.bytes(),
        "chain.pem": b"".join(blob.bytes() for blob in made.cert_chain_pems),
        "ca.pem": authority.cert_pem.bytes(),  # the last, as it says that the others are there
    }
    for name, content in files.items():
        with tempfile.NamedTemporaryFile(dir=FOLDER, delete=False) as file:
            file.write(content)
        pathlib.Path(file.name).replace(FOLDER / name)
    os.utime(FOLDER)
    return FOLDER
