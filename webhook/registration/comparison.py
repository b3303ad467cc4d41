"""What is registered, next to what should be: differences, and the list that mends them (pure).

Values that the API server fills in by itself count as equal (`pkg/apis/admissionregistration/v1/defaults.go`). The
authorities (`clientConfig.caBundle`) are never a difference: whoever rotates them owns them, here they are only put in
where there are none.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, NamedTuple

from .configurations import (
    FAIL,
    IGNORE,
    PORT,
    STAGE_ANNOTATION,
    STAGES,
    Service,
    Target,
    Url,
    Webhook,
    base_of,
    is_ours,
)
from .tables import STAGED


class Stage(NamedTuple):
    """The failurePolicy to keep, and what is wrong with the annotation that should say it ("" for nothing)."""

    failure_policy: str
    problem: str = ""


def stage_of(configuration: dict[str, Any]) -> Stage:
    """Return the stage that the annotation says; without one it is Ignore. A wrong one leaves what is in force."""
    said = (configuration.get("metadata", {}).get("annotations") or {}).get(STAGE_ANNOTATION)
    if said is None:
        return Stage(IGNORE)
    if said in STAGES:
        return Stage(said)
    kept = policy_in_force(webhooks_of(configuration))
    problem = (
        f"annotation {STAGE_ANNOTATION}: {ascii(said)[1:-1][:40]!r} is no failurePolicy; allowed: {', '.join(STAGES)}; "
        f"{kept} stays in force"
    )
    return Stage(kept, problem)


def policy_in_force(hooks: Sequence[Webhook]) -> str:
    """Return Fail if all webhooks that are registered and staged fail, else Ignore."""
    found = [hook.get("failurePolicy", FAIL) for hook in hooks if hook.get("name") in STAGED]
    return FAIL if found and all(policy == FAIL for policy in found) else IGNORE


def webhooks_of(configuration: dict[str, Any]) -> list[Webhook]:
    """Return the webhooks of an object, which may have none."""
    return list(configuration.get("webhooks") or ())


def bundle_of(webhook: Webhook) -> bytes:
    """Return the authorities of a webhook; empty when there are none, or what is there cannot be decoded."""
    try:
        return base64.b64decode(webhook.get("clientConfig", {}).get("caBundle") or "", validate=True)
    except (binascii.Error, ValueError):
        return b""


def without_bundle(present: Sequence[Webhook], desired: Sequence[Webhook]) -> list[str]:
    """Return the names of the desired webhooks that have no authorities yet."""
    have = {hook["name"] for hook in present if bundle_of(hook)}
    return [hook["name"] for hook in desired if hook["name"] not in have]


def completed(present: Sequence[Webhook], desired: Sequence[Webhook]) -> list[Webhook]:
    """Return the list to register: ours as desired, with the authorities that they have, then the foreign ones."""
    by_name = {hook["name"]: hook for hook in present}
    ours = [_with_bundle(hook, by_name.get(hook["name"], {})) for hook in desired]
    return ours + [hook for hook in present if not is_ours(hook)]


def differences(present: Sequence[Webhook], desired: Sequence[Webhook]) -> dict[str, list[str]]:
    """Return for each webhook of ours that differs which fields do: `absent`, `unknown`, or names of fields.

    A missing caBundle is the field `clientConfig.caBundle`; its content is none.
    """
    by_name = {hook["name"]: hook for hook in present if is_ours(hook)}
    wanted = {hook["name"] for hook in desired}
    found = {
        hook["name"]: _fields_that_differ(by_name[hook["name"]], hook) if hook["name"] in by_name else ["absent"]
        for hook in desired
    }
    found |= {name: ["unknown"] for name in by_name if name not in wanted}
    return {name: fields for name, fields in found.items() if fields}


def target_of(hooks: Sequence[Webhook]) -> Target | None:
    """Return whom the first of our webhooks calls; None when none is there."""
    for hook in hooks:
        config = hook.get("clientConfig", {})
        if is_ours(hook) and "service" in config:
            return Service(config["service"].get("namespace", ""), config["service"].get("name", ""))
        if is_ours(hook) and "url" in config:
            return Url(base_of(config["url"]))
    return None


def _with_bundle(desired: Webhook, present: Webhook) -> Webhook:
    if not bundle_of(present):
        return desired
    kept = present["clientConfig"]["caBundle"]
    return {**desired, "clientConfig": {**desired["clientConfig"], "caBundle": kept}}


def _fields_that_differ(present: Webhook, desired: Webhook) -> list[str]:
    left, right = _normalise(present), _normalise(desired)
    fields = [field for field in {**right, **left} if left.get(field) != right.get(field)]
    return fields if bundle_of(present) else [*fields, "clientConfig.caBundle"]


def _normalise(webhook: Webhook) -> Webhook:
    """Return a webhook with the API server's defaults, and without its authorities."""
    config = {key: value for key, value in webhook.get("clientConfig", {}).items() if key != "caBundle"}
    if "service" in config:
        config["service"] = {"port": PORT, **config["service"]}
    return {
        "failurePolicy": FAIL,
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "timeoutSeconds": 10,
        "matchConditions": [],
        **webhook,
        "clientConfig": config,
        "rules": [{"scope": "*", **rule} for rule in webhook.get("rules") or ()],
    }
