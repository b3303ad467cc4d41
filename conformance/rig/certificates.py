"""The keys of a server in this process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Keys(NamedTuple):
    """PEM texts: the authority, the certificate that it signed, and its key."""

    ca: str
    certificate: str
    key: str


@cache
def make_keys(address: str = "127.0.0.1") -> Keys:
    """Issue a certificate of an IP address, good for a day."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("conformance authority")
    limits = x509.BasicConstraints(ca=True, path_length=None)
    ca = _builder(ca_name, ca_name, ca_key.public_key()).add_extension(limits, critical=True)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    leaf = _builder(_name(address), ca_name, key.public_key()).add_extension(names, critical=False)
    signed = [one.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) for one in (ca, leaf)]
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Keys(*(text.decode() for text in (*signed, private)))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )
