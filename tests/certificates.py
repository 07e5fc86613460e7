"""Certificates for tests of TLS, made once for a run by CAs of our own."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CA, STRANGER = trustme.CA(), trustme.CA()
"""One that the ends trust, and one that nobody does."""

HOST = "127.0.0.1"
LONG_AGO, LATER, FAR = (datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2021, 2090))


@cache
def server_certificate(kind: str = "good") -> trustme.LeafCert:
    """A server's: good, or what the word says that is wrong with it."""
    match kind:
        case "expired":
            return CA.issue_cert(HOST, "localhost", not_before=LONG_AGO, not_after=LATER)
        case "early":
            return CA.issue_cert(HOST, "localhost", not_before=FAR)
        case "wrong name":
            return CA.issue_cert("quotes.example.org")
        case "stranger":
            return STRANGER.issue_cert(HOST, "localhost")
    return CA.issue_cert(HOST, "localhost", common_name="the desk")


@cache
def client_certificate(kind: str = "good") -> trustme.LeafCert:
    """A client's."""
    match kind:
        case "expired":
            return CA.issue_cert("worker.test", not_before=LONG_AGO, not_after=LATER)
        case "stranger":
            return STRANGER.issue_cert("worker.test")
    return CA.issue_cert("worker.test", "10.0.0.7", "worker@desk.test", common_name="worker 7")


def pem(folder: Path, certificate: trustme.LeafCert, name: str = "certificate.pem") -> Path:
    """A file with a certificate, the chain above it and its key."""
    file = folder / name
    certificate.private_key_and_cert_chain_pem.write_to_path(str(file))
    return file


def ca_pem(folder: Path, ca: trustme.CA = CA) -> Path:
    """A file with a CA's certificate."""
    file = folder / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    return file


@cache
def self_signed() -> bytes:
    """A certificate that no CA has signed, for a server, and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(IPv4Address(HOST))]
    )
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(LONG_AGO)
        .not_valid_after(FAR)
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    return made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, form, serialization.NoEncryption()
    )


def server_context(
    certificate: trustme.LeafCert | None = None,
    *,
    clients: trustme.CA | None = None,
    version: ssl.TLSVersion | None = None,
) -> ssl.SSLContext:
    """A server's, as a user might make it by hand; with ``clients`` it asks for a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0  # a client that closes before it has read them resets the connection
    (certificate or server_certificate()).configure_cert(context)
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        clients.configure_trust(context)
    if version:
        context.maximum_version = version
    return context


def client_context(certificate: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """A client's, that trusts our CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)
    if certificate:
        certificate.configure_cert(context)
    return context
