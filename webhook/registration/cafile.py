"""The authority of the server's certificate, from a file of PEM: `ca.crt` of --cert-dir, or --ca-file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import UNREADABLE_CERTIFICATE
from webhook.files import advice, load_file
from webhook.kube.apierrors import ClusterError

PEM_BYTES_MAX = 1_048_576
"""A caBundle is part of an object, which has at most 1.5 MiB."""


def read_authorities(file: Path) -> bytes:
    """Return the certificates of a file and nothing else of it, as PEM; raises ClusterError for a file without any."""
    try:
        found = x509.load_pem_x509_certificates(load_file(file, bytes_max=PEM_BYTES_MAX))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fix = advice(error, "name the authority with --ca-file")
        raise ClusterError(f"CA file {file}: cannot be read: {reason}; {fix}") from error
    except UNREADABLE_CERTIFICATE as error:
        raise ClusterError(f"CA file {file}: no PEM certificates; allowed: one or more authorities") from error
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in found)


def ends_of(bundle: bytes) -> Sequence[datetime]:
    """Return when each certificate of a caBundle ends, in its order; none when it is no PEM."""
    try:
        return [certificate.not_valid_after_utc for certificate in x509.load_pem_x509_certificates(bundle)]
    except UNREADABLE_CERTIFICATE:
        return []
