"""The tokens in the registered paths: there is one, it is the same everywhere, and the replicas accept it.

No token is printed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from certs.pathtokens import KEY, parse_tokens, tokens_in
from certs.secretdata import StateError
from webhook.kube.apierrors import ForbiddenError
from webhook.kube.resources import SECRETS, ObjectPath

from .asking import Asking
from .installation import Installation
from .registrations import registered
from .results import Result, error, ok, unknown, warning

CHECK = "paths"
NO_TOKEN = ""


def check(asking: Asking, installed: Installation) -> Iterator[Result]:
    """Compare the tokens of the registered paths with those that the replicas accept."""
    tokens = tokens_in(registered(asking, installed).values())
    if not tokens:
        return  # nothing is registered, which the check registration says
    if NO_TOKEN in tokens:
        yield _without_token(tokens, installed)
        return
    name = installed.options.get("tls-secret") or installed.options.get("path-token-secret")
    if name is None:
        yield ok(CHECK, "each registered path has a token")
        return
    where = f"Secret {installed.namespace}/{name}, {KEY}"
    try:
        secret = asking.get(ObjectPath(SECRETS, installed.namespace, name)) or {}
    except ForbiddenError as forbidden:
        yield unknown(CHECK, f"each registered path has a token; whether replicas accept it is not known: {forbidden}")
        return
    try:
        stored = parse_tokens({KEY: base64.b64decode((secret.get("data") or {}).get(KEY) or "", validate=True)})
    except (binascii.Error, StateError) as damaged:
        fix = f"empty {KEY} in that Secret: the replicas make new tokens"
        yield error(CHECK, f"{where}: it cannot be read: {damaged}", fix)
        return
    if stored is None or not tokens.issubset(stored.accepted):
        yield error(
            CHECK,
            f"a registered path has a token that is not in {where}: calls get 404",
            "the replicas correct it within 12 s; if they do not, see their log and rights",
            f"kubectl -n {installed.namespace} logs deployment/nadmit-webhook",
        )
    else:
        yield ok(CHECK, "each registered path has a token that the replicas accept")


def _without_token(tokens: frozenset[str], installed: Installation) -> Result:
    if "no-path-token" in installed.options:
        return ok(CHECK, "the registered paths have no token, as --no-path-token says")
    some = "some registered paths have" if len(tokens) > 1 else "the registered paths have"
    return warning(
        CHECK,
        f"{some} no token: everybody who reaches port 8443 can ask which networks and rules exist",
        "name a Secret with --path-token-secret, or wait until the last replica of an older version has ended "
        "(docs/webhook.md, Who may call)",
    )
