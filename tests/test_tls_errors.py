"""Each way in which TLS fails has words of its own, at both ends, for what OpenSSL reports."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from tempfile import NamedTemporaryFile
from typing import NamedTuple

import pytest

from avrpc.errors import TlsFailed
from avrpc.tls_errors import no_tls, tls_failed, wrong_alpn
from tests.certificates import (
    CA,
    HOST,
    client_certificate,
    client_context,
    self_signed,
    server_certificate,
    server_context,
)

V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
PEER = "tls://there:1"


class Failure(NamedTuple):
    """What both ends shall say, and how it comes about."""

    client: tuple[str, str]
    server: tuple[str, str]
    contexts: Callable[[], tuple[ssl.SSLContext, ssl.SSLContext]]
    host: str = HOST


def serving(kind: str) -> Callable[[], tuple[ssl.SSLContext, ssl.SSLContext]]:
    return lambda: (client_context(), server_context(server_certificate(kind)))


def calling(kind: str | None) -> Callable[[], tuple[ssl.SSLContext, ssl.SSLContext]]:
    certificate = client_certificate(kind) if kind else None
    return lambda: (client_context(certificate), server_context(clients=CA))


def serving_self_signed() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return client_context(), load_self_signed(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def calling_self_signed() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return load_self_signed(client_context()), server_context(clients=CA)


def load_self_signed(context: ssl.SSLContext) -> ssl.SSLContext:
    with NamedTemporaryFile() as file:  # load_cert_chain takes nothing else
        file.write(self_signed())
        file.flush()
        context.load_cert_chain(file.name)
    return context


def without_certificate() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return client_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def no_common_version() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    client, server = client_context(), server_context()
    client.minimum_version, server.maximum_version = V1_3, V1_2
    return client, server


OLD = r"is out of its time \(certificate has expired\)"
EARLY = r"is out of its time \(certificate is not yet valid\)"
STRANGE = r"is by no CA that is trusted here \(.*\); .*, trust it by tls=avrpc\."
FAILURES = {
    "wrong name": Failure(
        ("wrong-name", "the server's certificate is not for '127.0.0.1'; .* as server_hostname"),
        ("refused", "the client refused this server's certificate as for another name"),
        serving("wrong name"),
    ),
    "wrong name of a host": Failure(
        ("wrong-name", "the server's certificate is not for 'desk.example.org'"),
        ("refused", "the client refused this server's certificate as for another name"),
        serving("good"),
        "desk.example.org",
    ),
    "expired": Failure(
        ("expired", f"the server's certificate {OLD}; it has to be renewed, unless the clock"),
        ("refused", "the client refused this server's certificate as out of its time"),
        serving("expired"),
    ),
    "early": Failure(
        ("expired", f"the server's certificate {EARLY}"),
        ("refused", "the client refused this server's certificate as for another name, or not val"),
        serving("early"),
    ),
    "stranger": Failure(
        ("untrusted", rf"the server's certificate {STRANGE}client_tls\(ca=FILE\)"),
        ("refused", "the client refused this server's certificate as signed by no CA that it tr"),
        serving("stranger"),
    ),
    "self-signed": Failure(
        ("untrusted", r"the server's certificate is self-signed, .*avrpc\.client_tls\(ca=FILE\)"),
        ("refused", "the client refused this server's certificate as signed by no CA that it tr"),
        serving_self_signed,
        "localhost",
    ),
    "no certificate of the client's": Failure(
        ("no-certificate", r"the server asks for a certificate .*client_tls\(certificate=FILE, k"),
        ("no-certificate", "the client showed no certificate, which is asked of every client"),
        calling(None),
    ),
    "expired client": Failure(
        ("refused", "the server refused this client's certificate as out of its time"),
        ("expired", f"the client's certificate {OLD}"),
        calling("expired"),
    ),
    "strange client": Failure(
        ("refused", "the server refused this client's certificate as signed by no CA that it tr"),
        ("untrusted", rf"the client's certificate {STRANGE}server_tls\(\.\.\., client_ca=FILE\)"),
        calling("stranger"),
    ),
    "self-signed client": Failure(
        ("refused", "the server refused this client's certificate as signed by no CA that it tr"),
        ("untrusted", r"the client's certificate is self-signed, .*server_tls\(\.\.\., client_ca"),
        calling_self_signed,
    ),
    "server without certificate": Failure(
        ("handshake-failure", "the server gave the TLS handshake up: it may .*, or have none itse"),
        ("handshake-failure", "no cipher in common; a server's context without a certificate has"),
        without_certificate,
    ),
    "no common version": Failure(
        ("no-common-version", "the server takes no version of TLS that is taken here"),
        ("no-common-version", "the client takes no version of TLS that is taken here"),
        no_common_version,
    ),
}


def meet(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> list[TlsFailed | None]:
    """How the two ends fail."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    failures: list[TlsFailed | None] = [None, None]
    for _ in range(4):
        for number, end in enumerate(ends):
            try:
                with suppress(ssl.SSLWantReadError):
                    if failures[number] is None:
                        end.do_handshake()
                        end.read(1)
            except ssl.SSLError as error:
                failures[number] = tls_failed(error, PEER, None if number else host)
    return failures


@pytest.mark.parametrize("version", [V1_3, V1_2])
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_both_ends_tell_why(failure: Failure, version: ssl.TLSVersion) -> None:
    client, server = failure.contexts()
    if client.minimum_version != V1_3:
        client.maximum_version = version
    found = meet(client, server, failure.host)
    expected = [failure.client, failure.server]
    if failure.contexts == FAILURES["no certificate of the client's"].contexts and version == V1_2:
        # TLS 1.2 has no word for it.
        expected[0] = ("handshake-failure", "the server gave the .*: it may ask for a certificate")
    for error, (reason, text) in zip(found, expected, strict=True):
        assert error is not None
        assert error.reason == reason
        assert_says(error, text)


def assert_says(error: TlsFailed, pattern: str) -> None:
    with pytest.raises(TlsFailed, match=f"^{PEER}: {pattern}"):
        raise error


def test_good_ends_agree() -> None:
    contexts = client_context(client_certificate()), server_context(clients=CA)
    assert meet(*contexts, HOST) == [None, None]


def reported(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] as OpenSSL says it")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("name", "at_client", "reason", "text"),
    [
        ("TLSV1_ALERT_NO_APPLICATION_PROTOCOL", True, "wrong-alpn", "the server does not speak a"),
        ("TLSV1_ALERT_NO_APPLICATION_PROTOCOL", False, "wrong-alpn", "the client does not speak"),
        ("TLSV1_ALERT_INTERNAL_ERROR", True, "handshake-failure", "the server gave .*: internal e"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", False, "handshake-failure", "the client gave .*: handsh"),
        ("SSLV3_ALERT_CERTIFICATE_REVOKED", True, "refused", "the server refused .* as revoked"),
        ("UNSUPPORTED_PROTOCOL", True, "no-common-version", "the server takes no version of TLS"),
        ("EXCESSIVE_MESSAGE_SIZE", True, "handshake-failure", "the TLS handshake failed: .*SIZE"),
    ],
)
def test_what_is_reported_otherwise_has_words_too(
    name: str, at_client: bool, reason: str, text: str
) -> None:
    error = tls_failed(reported(name), PEER, HOST if at_client else None)
    assert error.reason == reason
    assert_says(error, text)


def test_error_without_a_reason_and_other_faults_of_a_certificate_are_told_as_they_are() -> None:
    bare = tls_failed(ssl.SSLError("something"), PEER, HOST)
    assert bare.reason == "handshake-failure"
    assert_says(bare, "the TLS handshake failed: .*something")
    revoked = ssl.SSLCertVerificationError(1, "no")
    revoked.verify_code, revoked.verify_message = 23, "certificate revoked"
    error = tls_failed(revoked, PEER, HOST)
    assert error.reason == "invalid-certificate"
    assert_says(error, "the server's certificate is not valid: certificate revoked")


def test_who_speaks_no_tls_is_told_by_what_was_found() -> None:
    at_server = no_tls(b"GET / HTTP/1.1\r\n\r\n", PEER, None)
    at_client = no_tls(bytes(100), PEER, HOST)
    assert at_server.reason == at_client.reason == "not-tls"
    assert_says(at_server, r"expected TLS, found b'GET / HTTP/1\.1\\r\\n'; is it a client of a tcp")
    assert_says(at_client, r"the server speaks no TLS there: .*; is its address tcp://there:1\?")


def test_another_protocol_is_named() -> None:
    assert_says(wrong_alpn("h2", PEER), r"expected the protocol avrpc/1, found 'h2' \(ALPN\)")
