"""Webhook configurations (admissionregistration.k8s.io/v1): made from the tables, read, and compared (pure).

matchPolicy is Equivalent, so that an object counts in every version. Dry runs have no side effects.

The path of a webhook says whether its answers may refuse: in stage Observe all of ours call `/validate/observe` and
`/mutate/observe`. So a change of the stage reaches all replicas with the API server's own configuration, whatever they
know, and no replica can have a stage of its own.

Values that the API server fills in by itself count as equal (`pkg/apis/admissionregistration/v1/defaults.go`). The
content of a caBundle is never a difference, because the rotation of the authorities owns it. A comparison only finds
webhooks without any.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from .conditions import Condition, LabelProtection, StatusProtection
from .tables import DOMAIN, KINDS, NAMES, OBSERVING, OWN_KINDS, STAGED, Hook, Kind, rules_of

GROUP, VERSION = "admissionregistration.k8s.io", "v1"
API_VERSION = f"{GROUP}/{VERSION}"
DEFAULT_NAME = "nadmit"

STAGE_ANNOTATION = "nadmit.io/failure-policy"
OBSERVE, IGNORE, FAIL = "Observe", "Ignore", "Fail"
STAGES = (OBSERVE, IGNORE, FAIL)
"""A new installation begins with Observe: rules that have never been tried must not stop a cluster."""

PORT = 443

Webhook = dict[str, Any]


class Service(NamedTuple):
    """The Service that the API server calls."""

    namespace: str
    name: str


class Url(NamedTuple):
    """The address that it calls instead, `https://HOST[:PORT][/PATH]`; the path of the kind follows (see `base_of`)."""

    url: str


Target = Service | Url

UNPROTECTED = LabelProtection()
_QUOTED_PATH = re.compile(f"((?:{'|'.join(kind.path for kind in KINDS)})(?:{OBSERVING})?)/[a-z0-9]{{16,63}}")
_OWN_PATH = re.compile(f"(?:{'|'.join(kind.path for kind in KINDS)})({OBSERVING})?(?:/([a-z0-9]{{16,63}}))?$")


def webhooks(  # noqa: PLR0913 - one argument for each setting of the webhooks
    kind: Kind,
    target: Target,
    *,
    ca_bundle: bytes | None,
    stage: str,
    protection: StatusProtection,
    labels: LabelProtection = UNPROTECTED,
    own_kinds: Sequence[tuple[str, str]] = (),
    token: str = "",
) -> list[Webhook]:
    """Return the `webhooks` of a configuration of this kind, with every field.

    `ca_bundle` is PEM; None omits it, so that another program can add it. `stage` is one of STAGES.
    `protection`: who may write `network-status`; `labels`: who may change labels of namespaces. `own_kinds`: group and
    plural of the kinds that an admin describes. `token` is the last part of the path; "" for none.
    """
    callee = client_config(kind, target, ca_bundle, token=token, is_observing=stage == OBSERVE)
    return [
        {
            **_webhook(
                hook._replace(rules=rules_of(own_kinds)) if hook.has_own_kinds else hook,
                callee,
                policy_of(stage),
                (*hook.match(protection), *hook.match_labels(labels)),
            ),
            **kind.fields,
        }
        for hook in kind.hooks
    ]


def own_kinds_of(hooks: Sequence[Webhook]) -> tuple[tuple[str, str], ...]:
    """Return group and plural of the kinds of an admin for which webhooks are registered."""
    rules = [rule for hook in hooks if hook.get("name") == OWN_KINDS for rule in hook.get("rules") or ()]
    return tuple((group, plural) for rule in rules for group in rule["apiGroups"] for plural in rule["resources"])


def policy_of(stage: str) -> str:
    """Return the failurePolicy of the staged webhooks in a stage."""
    return FAIL if stage == FAIL else IGNORE


def configuration(kind: Kind, name: str, hooks: Sequence[Webhook], *, stage: str) -> dict[str, Any]:
    """Return the whole object, with the annotation of the stage."""
    metadata = {"name": name, "annotations": {STAGE_ANNOTATION: stage}}
    return {"apiVersion": API_VERSION, "kind": kind.name, "metadata": metadata, "webhooks": list(hooks)}


def client_config(
    kind: Kind, target: Target, ca_bundle: bytes | None, *, token: str = "", is_observing: bool = False
) -> dict[str, Any]:
    """Return the `clientConfig` of webhooks of this kind. `token` ends the path; "" for none."""
    config: dict[str, Any]
    path = kind.path + (OBSERVING if is_observing else "") + (f"/{token}" if token else "")
    if isinstance(target, Service):
        config = {"service": {"namespace": target.namespace, "name": target.name, "path": path, "port": PORT}}
    else:
        config = {"url": base_of(target.url) + path}
    if ca_bundle is not None:
        config["caBundle"] = base64.b64encode(ca_bundle).decode()
    return config


def base_of(url: str) -> str:
    """Return an address without a path of ours at its end, so that each kind can add its own."""
    return _OWN_PATH.sub("", url.rstrip("/")).rstrip("/")


def token_of(webhook: Webhook) -> str:
    """Return the token in the path of a webhook of ours; "" without one."""
    match = _OWN_PATH.search(_address_of(webhook))
    return (match and match[2]) or ""


def without_tokens(text: str) -> str:
    """Return a text of the API server without the tokens in it: it quotes the address that it could not call."""
    return _QUOTED_PATH.sub(r"\1/...", text)


def is_observing(webhook: Webhook) -> bool:
    """Return whether a webhook of ours calls a path whose answers refuse nothing."""
    match = _OWN_PATH.search(_address_of(webhook))
    return match is not None and match[1] is not None


def restaged(kind: Kind, webhook: Webhook, stage: str) -> Webhook:
    """Return a registered webhook of ours in another stage: its failurePolicy and its path. The rest stays."""
    target = target_of([webhook])
    changed = {**webhook, "failurePolicy": policy_of(stage)} if webhook["name"] in STAGED else webhook
    if target is None:
        return changed
    made = client_config(kind, target, None, token=token_of(webhook), is_observing=stage == OBSERVE)
    config = {**webhook["clientConfig"], **made}
    if "service" in made:
        config["service"] = {**webhook["clientConfig"]["service"], "path": made["service"]["path"]}
    return {**changed, "clientConfig": config}


def _address_of(webhook: Webhook) -> str:
    config = webhook.get("clientConfig", {})
    return config.get("url") or config.get("service", {}).get("path") or ""


def probe_webhook(kind: Kind, target: Target, ca_bundle: bytes | None, *, name: str, token: str) -> Webhook:
    """Return a webhook without rules, which is never called (`pathmigration`)."""
    hook = Hook(name, (), is_staged=False, timeout_s=1)
    callee = client_config(kind, target, ca_bundle, token=token)
    return {**_webhook(hook, callee, IGNORE, ()), **kind.fields}


def is_ours(webhook: Webhook) -> bool:
    """Return whether an element of a list belongs to this program."""
    return str(webhook.get("name", "")).endswith(DOMAIN)


def _webhook(hook: Hook, callee: dict[str, Any], failure_policy: str, matching: Sequence[Condition]) -> Webhook:
    made: Webhook = {
        "name": hook.name,
        "clientConfig": dict(callee),
        "rules": [dict(rule) for rule in hook.rules],
        "failurePolicy": failure_policy if hook.is_staged else IGNORE,
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": hook.timeout_s,
    }
    return {**made, "matchConditions": list(matching)} if matching else made


# Read and compared


class Stage(NamedTuple):
    """One of STAGES, and what is wrong with its annotation ("" for nothing)."""

    name: str
    problem: str = ""


def stage_of(configuration: dict[str, Any]) -> Stage:
    """Return the stage of the annotation. A wrong annotation keeps the registered stage.

    Without an annotation it is Observe if the object is new, or if Observe is registered, else Ignore. So nobody who
    removes the annotation, and no upgrade of an installation without one, switches the refusals off.
    """
    value = _annotated_stage(configuration)
    hooks = webhooks_of(configuration)
    if value is None:
        return Stage(OBSERVE if is_new(configuration) or registered_stage(hooks) == OBSERVE else IGNORE)
    if value in STAGES:
        return Stage(value)
    kept = registered_stage(hooks)
    problem = (
        f"annotation {STAGE_ANNOTATION}: {ascii(value)[1:-1][:40]!r} is not a stage; "
        f"allowed: {', '.join(STAGES)}; {kept} stays"
    )
    return Stage(kept, problem)


def is_new(configuration: dict[str, Any]) -> bool:
    """Return whether an object has neither webhooks of ours nor the annotation of a stage."""
    return _annotated_stage(configuration) is None and not any(map(is_ours, webhooks_of(configuration)))


def _annotated_stage(configuration: dict[str, Any]) -> Any:
    return (configuration.get("metadata", {}).get("annotations") or {}).get(STAGE_ANNOTATION)


def registered_stage(hooks: Sequence[Webhook]) -> str:
    """Return Observe if none of our webhooks may refuse, Fail if all staged ones fail closed, else Ignore."""
    ours = [hook for hook in hooks if hook.get("name") in NAMES]
    if ours and all(map(is_observing, ours)):
        return OBSERVE
    policies = [hook.get("failurePolicy", FAIL) for hook in hooks if hook.get("name") in STAGED]
    return FAIL if policies and all(policy == FAIL for policy in policies) else IGNORE


def webhooks_of(configuration: dict[str, Any]) -> list[Webhook]:
    """Return the webhooks of an object, which may have none."""
    return list(configuration.get("webhooks") or ())


def bundle_of(webhook: Webhook) -> bytes:
    """Return the authorities of a webhook; empty without any, or if they cannot be decoded."""
    try:
        return base64.b64decode(webhook.get("clientConfig", {}).get("caBundle") or "", validate=True)
    except (binascii.Error, ValueError):
        return b""


def without_bundle(present: Sequence[Webhook], desired: Sequence[Webhook]) -> list[str]:
    """Return the names of the desired webhooks that have no authorities yet."""
    have = {hook["name"] for hook in present if bundle_of(hook)}
    return [hook["name"] for hook in desired if hook["name"] not in have]


def completed(present: Sequence[Webhook], desired: Sequence[Webhook]) -> list[Webhook]:
    """Return the list to register: ours as desired, with their present authorities, then the foreign ones."""
    by_name = {hook["name"]: hook for hook in present}
    ours = [_with_bundle(hook, by_name.get(hook["name"], {})) for hook in desired]
    return ours + [hook for hook in present if not is_ours(hook)]


def differences(present: Sequence[Webhook], desired: Sequence[Webhook]) -> dict[str, list[str]]:
    """Return the differing fields of each webhook of ours, or `absent`, or `unknown`.

    A missing caBundle is the field `clientConfig.caBundle`. Its content is not compared.
    """
    by_name = {hook["name"]: hook for hook in present if is_ours(hook)}
    names = {hook["name"] for hook in desired}
    differing = {
        hook["name"]: _fields_that_differ(by_name[hook["name"]], hook) if hook["name"] in by_name else ["absent"]
        for hook in desired
    }
    differing |= {name: ["unknown"] for name in by_name if name not in names}
    return {name: fields for name, fields in differing.items() if fields}


def target_of(hooks: Sequence[Webhook]) -> Target | None:
    """Return the target of the first of our webhooks; None without any."""
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
