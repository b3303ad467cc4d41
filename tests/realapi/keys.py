"""The keys of a control plane: one authority for its server and its clients, and a key that signs tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs import authority

LIFETIME = timedelta(days=1)


class Signed(NamedTuple):
    """PEM texts of a certificate and its key."""

    certificate: str
    key: str


class Authority:
    """Signs certificates of a server and of users. A user is a common name; the organizations are its groups."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)
        key = authority.make_key()
        self._pair = authority.Pair(authority.issue_ca(key, now=self._now), key)
        self.ca = authority.render_certificate(self._pair.certificate).decode()

    def sign_server(self, *names: str) -> Signed:
        """Return a certificate for DNS names and addresses."""
        key = authority.make_key()
        parsed = [authority.parse_name(name) for name in names]
        return _signed(authority.issue_leaf(self._pair, key, parsed, now=self._now), key)

    def sign_user(self, name: str, *groups: str) -> Signed:
        """Return a client certificate as Kubernetes reads it (docs: Authentication, X509 client certificates)."""
        key = authority.make_key()
        subject = [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(self._pair.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - authority.BACKDATED)
            .not_valid_after(self._now + LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        )
        return _signed(builder.sign(self._pair.key, hashes.SHA256()), key)


class SigningKey(NamedTuple):
    """PEM texts of the key that signs the tokens of service accounts, and of the key that verifies them."""

    private: str
    public: str


def make_signing_key() -> SigningKey:
    """Return a new key for tokens."""
    key = authority.make_key()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(authority.render_key(key).decode(), public.decode())


def _signed(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Signed:
    return Signed(authority.render_certificate(certificate).decode(), authority.render_key(key).decode())
