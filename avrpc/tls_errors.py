"""What can go wrong in TLS's handshake, in words that say what to do about it, at either end."""

from __future__ import annotations

import ssl

from avrpc.errors import TlsFailed

# OpenSSL's numbers of what is wrong with a certificate (X509_V_ERR_*).
_WRONG_NAME = {62, 63, 64}
_OUT_OF_TIME = {9, 10}
_SELF_SIGNED = {18}
_UNTRUSTED = {2, 19, 20, 21}

# Alerts by which the other end says that it does not take our certificate.
_REFUSALS = {
    "BAD_CERTIFICATE": "for another name, or not valid",
    "CERTIFICATE_EXPIRED": "out of its time",
    "CERTIFICATE_REVOKED": "revoked",
    "CERTIFICATE_UNKNOWN": "unacceptable",
    "UNKNOWN_CA": "signed by no CA that it trusts",
    "UNSUPPORTED_CERTIFICATE": "of a kind that it does not take",
}


def tls_failed(error: ssl.SSLError, where: str, host: str | None) -> TlsFailed:
    """The error for a handshake that failed.

    Args:
        error: OpenSSL's.
        where: The other end's address.
        host: Whom the certificate should be for, at the client; None at the server.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        reason, text = _not_verified(error, host)
    else:
        name = why(error)
        alert = name.partition("_ALERT_")[2]
        reason, text = _alert(alert, host) if alert else _local(name, host, str(error))
    return TlsFailed(f"{where}: {text}", reason=reason)


def why(error: ssl.SSLError) -> str:
    """OpenSSL's name for what went wrong; the whole text where it gives none."""
    return getattr(error, "reason", None) or str(error)


def _not_verified(error: ssl.SSLCertVerificationError, host: str | None) -> tuple[str, str]:
    code, message = error.verify_code, error.verify_message
    at_client = host is not None
    whose = "the server's certificate" if at_client else "the client's certificate"
    trust = f"tls=avrpc.{'client_tls(ca=' if at_client else 'server_tls(..., client_ca='}FILE)"
    if code in _WRONG_NAME:
        return "wrong-name", (
            f"{whose} is not for {host!r}; connect by a name that it is for, or give that name as"
            " server_hostname"
        )
    if code in _OUT_OF_TIME:
        return "expired", (
            f"{whose} is out of its time ({message}); it has to be renewed, unless the clock here"
            " is wrong"
        )
    if code in _SELF_SIGNED:
        return "untrusted", (
            f"{whose} is self-signed, and not itself trusted here; if it is the right one, trust"
            f" it by {trust}"
        )
    if code in _UNTRUSTED:
        return "untrusted", (
            f"{whose} is by no CA that is trusted here ({message}); if that CA is the right one,"
            f" trust it by {trust}"
        )
    return "invalid-certificate", f"{whose} is not valid: {message}"


def _alert(alert: str, host: str | None) -> tuple[str, str]:
    """What the other end said."""
    peer, ours = ("client", "server") if host is None else ("server", "client")
    if alert in _REFUSALS:
        return "refused", f"the {peer} refused this {ours}'s certificate as {_REFUSALS[alert]}"
    if alert == "CERTIFICATE_REQUIRED":
        return "no-certificate", (
            f"the {peer} asks for a certificate of this {ours}'s; show one by"
            " tls=avrpc.client_tls(certificate=FILE, key=FILE)"
        )
    if alert == "PROTOCOL_VERSION":
        return "no-common-version", f"the {peer} takes no version of TLS that is taken here"
    if alert == "HANDSHAKE_FAILURE" and host is not None:
        return "handshake-failure", (
            "the server gave the TLS handshake up: it may ask for a certificate of this client's"
            " (tls=avrpc.client_tls(certificate=FILE, key=FILE)), or have none itself, or no cipher"
            " in common"
        )
    if alert == "NO_APPLICATION_PROTOCOL":
        return "wrong-alpn", f"the {peer} does not speak avrpc/1 (ALPN)"
    words = alert.lower().replace("_", " ")
    return "handshake-failure", f"the {peer} gave the TLS handshake up: {words}"


def _local(name: str, host: str | None, text: str) -> tuple[str, str]:
    """What this end found."""
    if name == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "no-certificate", "the client showed no certificate, which is asked of every client"
    if name in ("UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "VERSION_TOO_LOW"):
        peer = "client" if host is None else "server"
        return "no-common-version", f"the {peer} takes no version of TLS that is taken here"
    if name == "NO_SHARED_CIPHER":
        return "handshake-failure", (
            "no cipher in common; a server's context without a certificate has none at all"
        )
    return "handshake-failure", f"the TLS handshake failed: {text}"


def no_tls(found: bytes, where: str, host: str | None) -> TlsFailed:
    """The error for a peer whose first bytes are not TLS's."""
    if host is None:
        text = f"expected TLS, found {found[:16]!r}; is it a client of a tcp:// address?"
    else:
        plain = where.replace("tls:", "tcp:", 1)
        text = f"the server speaks no TLS there: found {found[:16]!r}; is its address {plain}?"
    return TlsFailed(f"{where}: {text}", reason="not-tls")


def wrong_alpn(chosen: str, where: str) -> TlsFailed:
    """The error for a connection that is for another protocol."""
    text = f"expected the protocol avrpc/1, found {chosen!r} (ALPN); both contexts offer that"
    return TlsFailed(f"{where}: {text}", reason="wrong-alpn")
