"""Contexts from files, and what is known of the other end."""

from __future__ import annotations

import hashlib
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

import avrpc
from avrpc.tls import ALPN, Certificate, TlsInfo, check_tls, default_client_tls, tls_info
from tests.certificates import (
    CA,
    HOST,
    STRANGER,
    ca_pem,
    client_certificate,
    client_context,
    pem,
    server_certificate,
    server_context,
)


def shake_hands(
    client: ssl.SSLContext, server: ssl.SSLContext, host: str = HOST
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends, in memory."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for end in ends * 3:
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    return ends


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {
        "ca": ca_pem(tmp_path),
        "server": pem(tmp_path, server_certificate(), "server.pem"),
        "client": pem(tmp_path, client_certificate(), "client.pem"),
    }


# Contexts ...


def test_contexts_of_both_ends_agree_on_the_best_that_there_is(files: dict[str, Path]) -> None:
    client, server = avrpc.client_tls(ca=files["ca"]), avrpc.server_tls(files["server"])
    for context in (client, server):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_RENEGOTIATION
        assert context.options & ssl.OP_NO_COMPRESSION
    assert (client.verify_mode, client.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert server.verify_mode == ssl.CERT_NONE
    for end in shake_hands(client, server):
        info = tls_info(end)
        assert (info.version, info.alpn) == ("TLSv1.3", "avrpc/1")
        assert end.compression() is None


@pytest.mark.parametrize("end", [0, 1])
def test_either_end_may_be_bound_to_an_older_version(end: int, files: dict[str, Path]) -> None:
    contexts = avrpc.client_tls(ca=files["ca"]), avrpc.server_tls(files["server"])
    contexts[end].maximum_version = ssl.TLSVersion.TLSv1_2
    assert tls_info(shake_hands(*contexts)[0]).version == "TLSv1.2"


def test_server_does_not_offer_to_resume(files: dict[str, Path]) -> None:
    client, server = avrpc.client_tls(ca=files["ca"]), avrpc.server_tls(files["server"])
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        client.maximum_version = version
        ours, _ = shake_hands(client, server)
        with pytest.raises(ssl.SSLWantReadError):
            ours.read(1)  # where a ticket would be
        assert ours.session is None or not ours.session.has_ticket


def test_key_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    made = server_certificate()
    made.cert_chain_pems[0].write_to_path(str(tmp_path / "certificate"))
    made.private_key_pem.write_to_path(str(tmp_path / "key"))
    server = avrpc.server_tls(tmp_path / "certificate", str(tmp_path / "key"))
    client, _ = shake_hands(avrpc.client_tls(ca=ca_pem(tmp_path)), server)
    assert tls_info(client).certificate


def test_client_trusts_the_ca_that_it_is_given_and_no_other(tmp_path: Path) -> None:
    server = server_context()
    for context in (avrpc.client_tls(ca=ca_pem(tmp_path, STRANGER)), avrpc.client_tls()):
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(context, server)


def test_client_without_files_trusts_what_the_system_does() -> None:
    assert default_client_tls() is default_client_tls()
    system = ssl.create_default_context()
    assert default_client_tls().cert_store_stats() == system.cert_store_stats()


@pytest.mark.parametrize("optional", [True, False])
def test_server_asks_for_a_certificate_of_its_clients(
    optional: bool, files: dict[str, Path]
) -> None:
    server = avrpc.server_tls(files["server"], client_ca=files["ca"], client_optional=optional)
    named = avrpc.client_tls(ca=files["ca"], certificate=files["client"])
    _, end = shake_hands(named, server)
    certificate = tls_info(end).certificate
    assert certificate
    assert certificate.common_name == "worker 7"
    nobody = avrpc.client_tls(ca=files["ca"])
    if optional:
        assert tls_info(shake_hands(nobody, server)[1]).certificate is None
    else:
        with pytest.raises(ssl.SSLError, match="did not return a certificate"):
            shake_hands(nobody, server)
    stranger = client_context(client_certificate("stranger"))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(stranger, server)


def test_context_of_the_server_may_be_given_a_renewed_certificate(tmp_path: Path) -> None:
    client = client_context()
    server = avrpc.server_tls(pem(tmp_path, CA.issue_cert(HOST)))
    shown = []
    for _ in range(2):
        certificate = tls_info(shake_hands(client, server)[0]).certificate
        assert certificate
        shown.append(certificate.fingerprint)
        server.load_cert_chain(pem(tmp_path, CA.issue_cert(HOST)))
    assert shown[0] != shown[1]


# ... files that are not what they should be ...


def broken(tmp_path: Path, kind: str) -> dict[str, Any]:
    """Arguments of `server_tls` with something wrong, by what that is."""
    good = pem(tmp_path, server_certificate())
    text = tmp_path / "text.pem"
    text.write_text("hello\n")
    other = tmp_path / "other.pem"
    client_certificate().private_key_pem.write_to_path(str(other))
    secret = tmp_path / "secret.pem"
    key = load_pem_private_key(server_certificate().private_key_pem.bytes(), None)
    encryption = BestAvailableEncryption(b"open sesame")
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    made: dict[str, dict[str, Any]] = {
        "no file": {"certificate": tmp_path / "nothing.pem"},
        "no key file": {"certificate": good, "key": tmp_path / "nothing.pem"},
        "no certificate": {"certificate": text},
        "no key": {"certificate": ca_pem(tmp_path)},
        "another key": {"certificate": good, "key": other},
        "no password": {"certificate": good, "key": secret},
        "a wrong password": {"certificate": good, "key": secret, "password": "x"},
        "the password": {"certificate": good, "key": secret, "password": "open sesame"},
        "no ca file": {"certificate": good, "client_ca": tmp_path / "nothing.pem"},
        "no ca": {"certificate": good, "client_ca": text},
        "an empty ca": {"certificate": good, "client_ca": tmp_path / "empty.pem"},
        "optional without ca": {"certificate": good, "client_optional": True},
    }
    (tmp_path / "empty.pem").touch()
    return made[kind]


@pytest.mark.parametrize(
    ("kind", "error", "problem"),
    [
        ("no file", OSError, r"nothing\.pem"),
        ("no key file", OSError, r"nothing\.pem"),
        ("no certificate", ValueError, r"text\.pem: expected a certificate and its private key"),
        ("no key", ValueError, r"ca\.pem: expected a certificate and its private key"),
        ("another key", ValueError, r"other\.pem: expected .*KEY_VALUES_MISMATCH"),
        ("no password", ValueError, r"secret\.pem: the key is encrypted; give password="),
        ("a wrong password", ValueError, r"secret\.pem: expected .* the password of that key"),
        ("no ca file", OSError, r"nothing\.pem"),
        ("no ca", ValueError, r"text\.pem: expected certificates in PEM"),
        ("an empty ca", ValueError, r"empty\.pem: expected certificates in PEM"),
        ("optional without ca", ValueError, "client_optional needs client_ca"),
    ],
)
def test_file_that_is_wrong_is_named(
    kind: str, error: type[Exception], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=problem):
        avrpc.server_tls(**broken(tmp_path, kind))


def test_encrypted_key_is_opened_by_its_password(tmp_path: Path) -> None:
    server = avrpc.server_tls(**broken(tmp_path, "the password"))
    assert tls_info(shake_hands(client_context(), server)[0]).certificate


def test_key_of_a_client_needs_its_certificate(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a key without its certificate"):
        avrpc.client_tls(key=pem(tmp_path, client_certificate()))


@pytest.mark.parametrize(
    ("context", "host", "error", "problem"),
    [
        ("context.pem", None, TypeError, r"tls: expected an ssl\.SSLContext.*, got str"),
        (client_context(), None, ValueError, "won't do for a server"),
        (server_context(), HOST, ValueError, r"won't do for a client of '127\.0\.0\.1'"),
        (client_context(), "", ValueError, "won't do for a client of ''"),
        (client_context(), ".x", ValueError, "won't do for a client of"),
        (client_context(), "x\0", ValueError, "won't do for a client of"),
    ],
)
def test_context_that_will_not_do_is_found_early(
    context: Any, host: str | None, error: type[Exception], problem: str
) -> None:
    check_tls(server_context(), None)
    check_tls(client_context(), HOST)
    with pytest.raises(error, match=problem):
        check_tls(context, host)


# ... and the other end.


def test_certificate_tells_whom_it_is_for() -> None:
    _, end = shake_hands(client_context(client_certificate()), server_context(clients=CA))
    info = tls_info(end)
    assert info == TlsInfo("TLSv1.3", info.cipher, None, info.certificate)
    assert info.cipher.startswith("TLS_")
    certificate = info.certificate
    assert certificate
    assert ("commonName", "worker 7") in certificate.subject
    assert certificate.common_name == "worker 7"
    assert certificate.dns_names == ("worker.test",)
    assert certificate.ip_addresses == ("10.0.0.7",)
    assert certificate.emails == ("worker@desk.test",)
    assert certificate.uris == ()
    assert certificate.fields["notAfter"]
    assert certificate.fingerprint == hashlib.sha256(certificate.der).hexdigest()
    pem_text = client_certificate().cert_chain_pems[0].bytes().decode()
    assert certificate.der == ssl.PEM_cert_to_DER_cert(pem_text)


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ([], None),
        ([[("organizationName", "Desk")]], None),
        ([[("organizationName", "Desk")], [("commonName", "a")]], "a"),
        ([[("commonName", "a")], [("commonName", "b")]], None),
    ],
)
def test_common_name_is_none_where_there_is_not_exactly_one(subject: Any, name: str | None) -> None:
    certificate = Certificate(b"", {"subject": subject})
    assert certificate.common_name == name
    assert certificate.dns_names == ()


def test_certificate_that_nobody_checked_is_not_given() -> None:
    careless = client_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    client, server = shake_hands(careless, server_context(server_certificate("stranger")))
    assert client.getpeercert(binary_form=True)
    assert tls_info(client).certificate is None
    assert tls_info(server).certificate is None


def test_name_of_the_protocol_is_the_one_in_the_page() -> None:
    page = (Path(__file__).parent.parent / "PROTOCOL.md").read_text()
    assert f"`{ALPN}`" in page
