"""The certificate that the replicas serve: valid, for the Service, and under the authorities of each caBundle.

It is read from the Secret of `--tls-secret`, or from one that the Deployment mounts. Only its `tls.crt` is looked at.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509

from certs.authority import UNREADABLE_CERTIFICATE, MaterialError, covers, is_issued_by, parse_name
from webhook.kube.apierrors import ForbiddenError
from webhook.kube.resources import SECRETS, ObjectPath
from webhook.registration.configurations import Service, bundle_of, is_ours, target_of, webhooks_of
from webhook.registration.tables import Kind

from .asking import Asking
from .installation import Installation, pod_spec
from .registrations import registered
from .results import Result, error, listed, ok, unknown, warning

CERTIFICATE, AUTHORITY = "certificate", "authority"
SOON = timedelta(days=5)
"""As the alert NadmitCertificateExpires."""

Object = dict[str, Any]


def check(asking: Asking, installed: Installation, *, now: datetime) -> Iterator[Result]:
    """Look at the served certificate, then at the authorities that the API server trusts."""
    objects = registered(asking, installed)
    hooks = [hook for value in objects.values() for hook in webhooks_of(value) if is_ours(hook)]
    leaf, problem = _read_leaf(asking, installed)
    if problem is not None:
        yield problem
    if leaf is not None:
        yield _validity(leaf, target_of(hooks), installed, now)
    if hooks:
        yield from _authorities(objects, leaf, installed, now)


def check_own(asking: Asking, installed: Installation, *, now: datetime) -> Iterator[Result]:
    """Look at the Secret that the program keeps its certificate in, before it has made one."""
    name = installed.options.get("tls-secret")
    if name is None:
        yield ok(CERTIFICATE, "it is not in a Secret that this program keeps")
        return
    where = f"Secret {installed.namespace}/{name}"
    secret = asking.get(ObjectPath(SECRETS, installed.namespace, name))
    if secret is None:
        fix = "kubectl apply -k manifests; the account may not create it"
        yield error(CERTIFICATE, f"{where}: there is none, so no replica can start", fix)
    elif not (secret.get("data") or {}).get("tls.crt"):
        yield ok(CERTIFICATE, f"{where}: it is empty; the first replica makes the certificate")
    else:
        leaf, problem = _read_leaf(asking, installed)
        if problem is not None:
            yield problem
        if leaf is not None:
            yield _validity(leaf, Service(installed.namespace, installed.service), installed, now)


def _read_leaf(asking: Asking, installed: Installation) -> tuple[x509.Certificate | None, Result | None]:
    names = _secrets_of(installed)
    if not names:
        return None, unknown(CERTIFICATE, "it is in no Secret that the Deployment names, so it cannot be looked at")
    for name in names:
        where = f"Secret {installed.namespace}/{name}"
        try:
            secret = asking.get(ObjectPath(SECRETS, installed.namespace, name))
        except ForbiddenError as forbidden:
            return None, unknown(CERTIFICATE, f"{where}: {forbidden}")
        if secret is None:
            fix = "kubectl apply -k manifests" if "tls-secret" in installed.options else "see who should make it"
            return None, error(CERTIFICATE, f"{where}: there is none", fix)
        data = secret.get("data") or {}
        if "tls.crt" in data or "tls-secret" in installed.options:
            return _parse(where, str(data.get("tls.crt") or ""), installed)
    return None, unknown(CERTIFICATE, f"no tls.crt is in {listed(names)}")


def _secrets_of(installed: Installation) -> list[str]:
    if name := installed.options.get("tls-secret"):
        return [name]
    volumes = pod_spec(installed.deployment).get("volumes") or ()
    return [one["secret"]["secretName"] for one in volumes if one.get("secret", {}).get("secretName")]


def _parse(where: str, text: str, installed: Installation) -> tuple[x509.Certificate | None, Result | None]:
    if not text:
        fix = f"see the log: kubectl -n {installed.namespace} logs deployment/nadmit-webhook"
        return None, error(CERTIFICATE, f"{where}: tls.crt is empty: no replica has made a certificate yet", fix)
    try:
        return x509.load_pem_x509_certificates(base64.b64decode(text, validate=True))[0], None
    except (binascii.Error, *UNREADABLE_CERTIFICATE):
        return None, error(
            CERTIFICATE, f"{where}: tls.crt is not a PEM certificate", "docs/certificates.md, The Secret"
        )


def _validity(leaf: x509.Certificate, target: object, installed: Installation, now: datetime) -> Result:
    begins, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    log = f"kubectl -n {installed.namespace} logs deployment/nadmit-webhook"
    if ends <= now:
        return error(CERTIFICATE, f"it expired at {ends:%Y-%m-%d %H:%M}Z, and nothing renews it", log)
    if begins > now:
        wait = timedelta(seconds=round((begins - now).total_seconds()))
        return error(
            CERTIFICATE,
            f"it is not valid before {begins:%Y-%m-%d %H:%M}Z, in {wait}",
            "compare the clocks of the node that made it, of the API server and of this machine",
        )
    if isinstance(target, Service):
        name = f"{target.name}.{target.namespace}.svc"
        if not _covers(leaf, name):
            return error(
                CERTIFICATE,
                f"it is not for {name}, which the API server asks for",
                "give the program its Service: --service, --namespace; or the issuer this name",
            )
    if ends - now < SOON:
        return warning(CERTIFICATE, f"it ends at {ends:%Y-%m-%d %H:%M}Z, and nothing has renewed it", log)
    return ok(CERTIFICATE, f"valid until {ends:%Y-%m-%d}")


def _covers(leaf: x509.Certificate, name: str) -> bool:
    try:
        return covers(leaf, [parse_name(name)])
    except MaterialError:
        return False


def _authorities(
    objects: Mapping[Kind, Object], leaf: x509.Certificate | None, installed: Installation, now: datetime
) -> Iterator[Result]:
    """Compare the caBundle of each webhook with the certificate."""
    wrong: dict[str, list[str]] = {}
    ends: list[datetime] = []
    for value in objects.values():
        for hook in filter(is_ours, webhooks_of(value)):
            bundle = _certificates(bundle_of(hook))
            alive = [one for one in bundle if one.not_valid_before_utc <= now < one.not_valid_after_utc]
            ends += [one.not_valid_after_utc for one in alive]
            problem = _problem_of(bundle, alive, leaf)
            if problem:
                wrong.setdefault(problem, []).append(hook["name"])
    for problem, names in wrong.items():
        yield error(
            AUTHORITY,
            f"the caBundle of {listed(names)}: {problem}: the API server refuses the webhook",
            *_fixes(installed),
        )
    if not wrong and leaf is None:
        yield unknown(AUTHORITY, f"valid until {max(ends):%Y-%m-%d}; the certificate to compare with cannot be read")
    elif not wrong:
        yield ok(AUTHORITY, f"each caBundle accepts the certificate; valid until {max(ends):%Y-%m-%d}")


def _problem_of(
    bundle: Sequence[x509.Certificate], alive: Sequence[x509.Certificate], leaf: x509.Certificate | None
) -> str:
    if not bundle:
        return "it is empty or unreadable"
    if not alive:
        return "no authority in it is valid now"
    # An intermediate that the server sends is not followed: nadmit's own authority issues the leaf itself.
    if leaf is not None and not any(is_issued_by(leaf, one) or one == leaf for one in alive):
        return "it does not have the issuer of the served certificate"
    return ""


def _fixes(installed: Installation) -> tuple[str, ...]:
    if "tls-secret" in installed.options and "webhook-configuration" in installed.options:
        return (
            "the replicas correct it within 12 s; if they do not, see their log and rights",
            f"kubectl -n {installed.namespace} logs deployment/nadmit-webhook",
        )
    return (
        "see who fills in the caBundle: cert-manager's cainjector, or you (docs/certificates.md)",
        "nadmit webhooks status",
    )


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem) if pem else []
    except UNREADABLE_CERTIFICATE:
        return []


def utc_now(seconds: float) -> datetime:
    """Return a moment of a clock as a time."""
    return datetime.fromtimestamp(seconds, UTC)
