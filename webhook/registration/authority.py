"""The authority of the server's certificate, from a file of PEM: `ca.crt` of --cert-dir, or --ca-file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from webhook.cluster.apierrors import ClusterError


def read_authorities(file: Path) -> bytes:
    """Return the certificates of a file and nothing else of it, as PEM; raises ClusterError for a file without any."""
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ClusterError(f"CA file {file}: cannot be read: {reason}; name the authority with --ca-file") from error
    except ValueError as error:
        raise ClusterError(f"CA file {file}: no PEM certificates; allowed: one or more authorities") from error
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in found)


def ends_of(bundle: bytes) -> Sequence[datetime]:
    """Return when each certificate of a caBundle ends, in its order; none when it is no PEM."""
    try:
        return [certificate.not_valid_after_utc for certificate in x509.load_pem_x509_certificates(bundle)]
    except ValueError:
        return []
