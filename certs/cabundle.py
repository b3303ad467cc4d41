"""The `caBundle` of our webhooks, and the patch that adds our authorities and removes retired ones (pure).

Everything in a caBundle that is not ours stays byte for byte, with the text between the blocks. Our certificates come
first, where a broken block of others cannot hide them. The result is never empty.

The patch (RFC 6902) changes only `/webhooks/<i>/clientConfig/caBundle` of webhooks whose name ends in `.nadmit.io`. Its
`test` operations on the resourceVersion and on each name make it fail if the object has changed since it was read.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography import x509

from . import authority

OWN_SUFFIX = ".nadmit.io"

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----[ \t]*\r?\n?", re.DOTALL)


def certificates_in(bundle: bytes) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a bundle. Unreadable blocks are skipped, as by a Go client."""
    certificates = (_read(block.group()) for block in _BLOCK.finditer(bundle))
    return tuple(certificate for certificate in certificates if certificate is not None)


def contains(bundle: bytes, trusted: Sequence[x509.Certificate]) -> bool:
    """Return whether all these certificates are in a bundle."""
    present = certificates_in(bundle)
    return all(certificate in present for certificate in trusted)


def accepts(bundle: bytes, leaf: x509.Certificate, now: datetime) -> bool:
    """Return whether a client with this bundle trusts a leaf; names are not checked.

    NB: our clock may be behind that of the replica that issued the leaf, so a leaf from the future is accepted.
    """
    now = max(now, leaf.not_valid_before_utc)
    return now < leaf.not_valid_after_utc and any(
        ca.not_valid_before_utc <= now < ca.not_valid_after_utc and authority.is_issued_by(leaf, ca)
        for ca in certificates_in(bundle)
    )


def amend(bundle: bytes, *, trusted: Sequence[x509.Certificate], retired: Sequence[x509.Certificate]) -> bytes:
    """Return the bundle with all trusted certificates and no retired ones. Raises ValueError if none is trusted."""
    if not trusted:
        raise ValueError("a caBundle without an authority would make an API server trust every public one")
    kept = _BLOCK.sub(lambda block: b"" if _read(block.group()) in retired else block.group(), bundle)
    present = certificates_in(kept)
    missing = (authority.render_certificate(certificate) for certificate in trusted if certificate not in present)
    return b"".join(missing) + kept


def own_bundles(configuration: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the caBundles of our webhooks by name; empty for a webhook without one."""
    return {webhook["name"]: _bundle_of(webhook) for _, webhook in _own_webhooks(configuration)}


def patch_for(
    configuration: Mapping[str, Any], *, trusted: Sequence[x509.Certificate], retired: Sequence[x509.Certificate]
) -> list[dict[str, Any]]:
    """Return the JSON patch of a webhook configuration as it was read; empty if nothing has to change."""
    changes: list[dict[str, Any]] = []
    for index, webhook in _own_webhooks(configuration):
        before = _bundle_of(webhook)
        after = amend(before, trusted=trusted, retired=retired)
        if after != before:
            changes.append({"op": "test", "path": f"/webhooks/{index}/name", "value": webhook["name"]})
            value = base64.b64encode(after).decode()
            # `add` replaces a member that is there (RFC 6902 §4.1)
            changes.append({"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": value})
    if not changes:
        return []
    version = configuration["metadata"]["resourceVersion"]
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *changes]


def _own_webhooks(configuration: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    webhooks = configuration.get("webhooks") or ()
    return [(index, webhook) for index, webhook in enumerate(webhooks) if webhook["name"].endswith(OWN_SUFFIX)]


def _bundle_of(webhook: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(webhook["clientConfig"].get("caBundle") or "", validate=True)
    except ValueError:  # also binascii.Error; no API server stores such a value
        return b""


def _read(block: bytes) -> x509.Certificate | None:
    try:
        return authority.parse_certificate(block)
    except authority.MaterialError:
        return None
