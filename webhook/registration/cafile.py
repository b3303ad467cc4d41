"""The authorities of the server's certificate in a PEM file: `ca.crt` in --cert-dir, or --ca-file.

It is a module of its own because `nadmit webhooks` imports cryptography (100 ms) only if there is something to read.
"""

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
"""A caBundle is part of an object of at most 1.5 MiB."""


def read_authorities(file: Path) -> bytes:
    """Return only the certificates of a file, as PEM. Raises ClusterError if there are none."""
    try:
        certificates = x509.load_pem_x509_certificates(load_file(file, bytes_max=PEM_BYTES_MAX))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fix = advice(error, "name the authority with --ca-file")
        raise ClusterError(f"CA file {file}: cannot be read: {reason}; {fix}") from error
    except UNREADABLE_CERTIFICATE as error:
        raise ClusterError(f"CA file {file}: no PEM certificates; allowed: one or more authorities") from error
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def ends_of(bundle: bytes) -> Sequence[datetime]:
    """Return when each certificate of a caBundle ends, in its order; none if it is not PEM."""
    try:
        return [certificate.not_valid_after_utc for certificate in x509.load_pem_x509_certificates(bundle)]
    except UNREADABLE_CERTIFICATE:
        return []
