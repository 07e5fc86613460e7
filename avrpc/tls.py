"""TLS as a user meets it: contexts made from files, and what is known of the other end.

Any `ssl.SSLContext` will do; those made here have what a context of one's own should have, too:
TLS 1.2 or later, the other end's certificate and name checked at the client, ALPN, neither
renegotiation nor compression nor resumption.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from avrpc.tls_errors import why

ALPN = "avrpc/1"

StrPath = str | PathLike[str]


def client_tls(
    *,
    ca: StrPath | None = None,
    certificate: StrPath | None = None,
    key: StrPath | None = None,
    password: str | None = None,
) -> ssl.SSLContext:
    """Make a context for `connect`: the server has to prove that it is who the address says.

    Make it once and use it for every connection: reading the system's CAs takes some 20 ms.

    Args:
        ca: PEM file of the CAs to trust, and no others; None trusts those of the system.
        certificate: PEM file of this client's own certificate and the chain above it, for servers
            that ask for one.
        key: PEM file of its private key; None if that is in the same file.
        password: Of the key, if it is encrypted.

    Raises:
        OSError: A file can't be read.
        ValueError: A file does not hold what it should.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cadata=_read_cas(ca))
    _harden(context)
    if certificate is not None:
        _load(context, certificate, key, password)
    elif key is not None:
        raise ValueError("a key without its certificate")
    return context


def server_tls(
    certificate: StrPath,
    key: StrPath | None = None,
    *,
    password: str | None = None,
    client_ca: StrPath | None = None,
    client_optional: bool = False,
) -> ssl.SSLContext:
    """Make a context for `Server.serve`.

    Calling ``context.load_cert_chain`` of it later, with a renewed certificate, changes what new
    connections are shown.

    Args:
        certificate: PEM file of the server's certificate and the chain above it. Clients
            check that it is for the host (or the IP address) by which they connect.
        key: PEM file of its private key; None if that is in the same file.
        password: Of the key, if it is encrypted.
        client_ca: PEM file of the CAs whose clients are let in, each with a certificate of its own,
            which handlers find in ``current_call().tls.certificate``. None asks for none.
        client_optional: Let in clients that show no certificate, too. One that is shown is checked
            all the same.

    Raises:
        OSError: A file can't be read.
        ValueError: A file does not hold what it should.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=_read_cas(client_ca))
    _harden(context)
    context.num_tickets = 0  # clients do not resume, and each would be sent 500 bytes
    context.options |= ssl.OP_NO_TICKET
    _load(context, certificate, key, password)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_OPTIONAL if client_optional else ssl.CERT_REQUIRED
    elif client_optional:
        raise ValueError("client_optional needs client_ca")
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols([ALPN])


def _read_cas(file: StrPath | None) -> str | None:
    """The text of a PEM file of certificates."""
    if file is None:
        return None
    text = Path(file).read_text(encoding="ascii", errors="replace")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"{fspath(file)}: expected certificates in PEM: {error}") from error
    return text


def _load(
    context: ssl.SSLContext, certificate: StrPath, key: StrPath | None, password: str | None
) -> None:
    for file in (certificate, key or certificate):
        with Path(file).open("rb"):  # ssl's own error does not say which file it is that fails
            pass

    def give() -> str:
        if password is None:  # else OpenSSL asks at the terminal
            raise ValueError(f"{fspath(key or certificate)}: the key is encrypted; give password=")
        return password

    try:
        context.load_cert_chain(certificate, key, give)
    except ssl.SSLError as error:
        where = fspath(certificate) if key is None else f"{fspath(certificate)}, {fspath(key)}"
        raise ValueError(
            f"{where}: expected a certificate and its private key in PEM, and the password of that"
            f" key: {why(error)}"
        ) from error


def check_tls(context: object, host: str | None) -> None:
    """Find out early whether a context will do.

    Args:
        context: What was given for one.
        host: Whom the server's certificate has to be for, at the client; None at the server.

    Raises:
        TypeError: It is none.
        ValueError: It is one for the other end, or the host is no name.
    """
    if not isinstance(context, ssl.SSLContext):
        raise TypeError(
            "tls: expected an ssl.SSLContext, as avrpc.client_tls and avrpc.server_tls make it,"
            f" got {type(context).__name__}"
        )
    bio = ssl.MemoryBIO()
    try:
        context.wrap_bio(bio, bio, server_side=host is None, server_hostname=host)
    except (ssl.SSLError, ValueError, TypeError) as error:
        end = "server" if host is None else f"client of {host!r}"
        raise ValueError(f"tls: this context won't do for a {end}: {error}") from error


@cache
def default_client_tls() -> ssl.SSLContext:
    """`client_tls()`, made once: what `connect` takes where it is given none."""
    return client_tls()


# Who the other end is.


@dataclass(frozen=True, slots=True)
class Certificate:
    """The other end's certificate, of which the chain was checked up to a CA trusted here.

    Names to decide by are those of ``dns_names``, ``uris``, ``emails`` and ``ip_addresses``, which
    come from its subjectAltName; or ``common_name``, where one's own CA puts the name there.

    Attributes:
        der: All of it, in DER.
        fields: What `ssl.SSLSocket.getpeercert` makes of it.
    """

    der: bytes = field(repr=False)
    fields: Mapping[str, Any]

    @property
    def subject(self) -> tuple[tuple[str, str], ...]:
        """Whose it is: pairs such as ``("commonName", "worker 7")``, in their order."""
        return tuple(pair for part in self.fields.get("subject", ()) for pair in part)

    @property
    def common_name(self) -> str | None:
        """The subject's common name; None if there is none, or more than one."""
        names = [value for name, value in self.subject if name == "commonName"]
        return names[0] if len(names) == 1 else None

    @property
    def dns_names(self) -> tuple[str, ...]:
        """Host names that it is for."""
        return self._names("DNS")

    @property
    def ip_addresses(self) -> tuple[str, ...]:
        """IP addresses that it is for."""
        return self._names("IP Address")

    @property
    def uris(self) -> tuple[str, ...]:
        """URIs that it is for, such as a SPIFFE id."""
        return self._names("URI")

    @property
    def emails(self) -> tuple[str, ...]:
        """Mail addresses that it is for."""
        return self._names("email")

    def _names(self, kind: str) -> tuple[str, ...]:
        return tuple(name for of, name in self.fields.get("subjectAltName", ()) if of == kind)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of ``der`` in hexadecimal, by which one certificate can be pinned."""
        return hashlib.sha256(self.der).hexdigest()


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What TLS came to on one connection.

    Attributes:
        version: Such as ``TLSv1.3``.
        cipher: OpenSSL's name of it.
        alpn: ``avrpc/1``, or None where one end did not offer it.
        certificate: The other end's; None where it showed none or nobody checked it.
    """

    version: str
    cipher: str
    alpn: str | None
    certificate: Certificate | None


def tls_info(connection: ssl.SSLObject) -> TlsInfo:
    """What TLS came to, once it has shaken hands."""
    version, cipher = connection.version(), connection.cipher()
    assert version is not None
    assert cipher is not None
    certificate = None
    if connection.context.verify_mode is not ssl.CERT_NONE:
        fields, der = connection.getpeercert(), connection.getpeercert(binary_form=True)
        if fields and der:
            certificate = Certificate(der, fields)
    return TlsInfo(version, cipher[0], connection.selected_alpn_protocol(), certificate)
