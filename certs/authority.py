"""Issue certificates: an ECDSA P-256 authority for ten years, and a server certificate (leaf) for one, by default.

Pure except for the randomness of keys and serial numbers; the time is an argument. The extensions are those that
strict RFC 5280 verification requires (OpenSSL `X509_V_FLAG_X509_STRICT`): key usage, subject and authority key
identifier. Names are subject alternative names only; neither Go nor OpenSSL reads the common name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence

CA_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=365)
RENEW_BEFORE = LEAF_LIFETIME / 3
"""A leaf is renewed when less than this is left: at two thirds of its life, as cert-manager does."""

BACKDATED = timedelta(minutes=5)
"""Certificates begin this early, for clients whose clock is behind."""

_DNS_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = re.compile(rf"(\*\.)?{_DNS_LABEL}(\.{_DNS_LABEL})*")


UNREADABLE_CERTIFICATE = (ValueError, x509.InvalidVersion)
"""Errors of cryptography for PEM certificates that it cannot read."""


class MaterialError(ValueError):
    """A text is not a certificate, key or name. The message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_key() -> ec.EllipticCurvePrivateKey:
    """Return a new P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def issue_ca(key: ec.EllipticCurvePrivateKey, *, now: datetime, lifetime: timedelta = CA_LIFETIME) -> x509.Certificate:
    """Return a self-signed authority that may sign leaves only."""
    name = _name("nadmit CA")
    builder = _builder(key, subject=name, issuer=name, now=now, not_after=now + lifetime)
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def issue_leaf(
    ca: Pair,
    key: ec.EllipticCurvePrivateKey,
    names: Sequence[x509.GeneralName],
    *,
    now: datetime,
    lifetime: timedelta = LEAF_LIFETIME,
) -> x509.Certificate:
    """Return a server certificate for the names. It does not outlive the authority."""
    not_after = min(now + lifetime, ca.certificate.not_valid_after_utc)
    builder = _builder(
        key, subject=_name("nadmit webhook"), issuer=ca.certificate.subject, now=now, not_after=not_after
    )
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(authority_key, critical=False)
        .sign(ca.key, hashes.SHA256())
    )


def parse_name(text: str) -> x509.GeneralName:
    """Return a DNS name or an IP address as a subject alternative name; raises MaterialError.

    Grammar: `IPv4 | IPv6 | ["*."] label *("." label)`, RFC 1123 labels, at most 253 characters.
    """
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        lowered = text.lower()
    if len(lowered) > 253 or not _DNS_NAME.fullmatch(lowered):
        raise MaterialError(f'"{text[:80]}" is neither a DNS name nor an IP address')
    return x509.DNSName(lowered)


def names_in(certificate: x509.Certificate) -> tuple[x509.GeneralName, ...]:
    """Return the subject alternative names in their order; none if the extension is missing or cannot be read."""
    try:
        return tuple(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return ()


def covers(certificate: x509.Certificate, names: Sequence[x509.GeneralName]) -> bool:
    """Return whether every name is a subject alternative name of the certificate."""
    return set(names) <= set(names_in(certificate))


def is_valid_and_not_due(certificate: x509.Certificate, *, now: datetime) -> bool:
    """Return whether a leaf is valid now and not due for renewal yet."""
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEW_BEFORE


def is_issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    """Return whether the authority's key signed the certificate; False for a key of unknown kind."""
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def belongs_to(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    """Return whether the certificate is for the key."""
    try:
        return certificate.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):  # the key is damaged or of unknown kind
        return False


def render_certificate(certificate: x509.Certificate) -> bytes:
    """Return the certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM)


def render_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the private key as unencrypted PKCS#8 PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def parse_certificate(pem: bytes) -> x509.Certificate:
    """Return the first certificate of a PEM text; raises MaterialError."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except UNREADABLE_CERTIFICATE as error:
        raise MaterialError("not a PEM certificate") from error


def parse_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Return an elliptic curve key from unencrypted PEM; raises MaterialError."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MaterialError("not an unencrypted PEM private key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise MaterialError("not an elliptic curve key")
    return key


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    key: ec.EllipticCurvePrivateKey,
    *,
    subject: x509.Name,
    issuer: x509.Name,
    now: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before((now - BACKDATED).astimezone(UTC))
        .not_valid_after(not_after.astimezone(UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
