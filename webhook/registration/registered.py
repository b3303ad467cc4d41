"""The registered webhook configurations of a cluster: read, patched, and checked before they may fail closed.

`nadmit webhooks stage Fail` calls `reasons_not_to_fail`. Under Fail no client can create an object for which a webhook
is called while the webhook is unreachable. So all webhooks must be registered with a caBundle, and there must be a
proof that the API server reaches this program. The proof is a dry run that creates nothing: a
NetworkAttachmentDefinition with a plugin type that no policy can permit. It succeeds if this program refuses; the API
server puts the webhook's name into the answer. Under Ignore any other answer means that the call did not arrive.
Injection is at another path of the same address, so it needs no second proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cniplugin.netspec.netattachdef import GROUP, KIND, RESOURCE, VERSION
from webhook.kube.apierrors import NotFoundError, StatusError, UnauthorizedError
from webhook.kube.connection import Connection
from webhook.kube.resources import ObjectPath, Resource
from webhook.kube.singleobjects import get_object, patch_object

from . import conditions, configurations
from .conditions import StatusProtection
from .configurations import (
    IGNORE,
    OBSERVE,
    STAGE_ANNOTATION,
    Target,
    Webhook,
    bundle_of,
    client_config,
    is_observing,
    is_ours,
    registered_stage,
    restaged,
    target_of,
    token_of,
    webhooks_of,
    without_tokens,
)
from .pathmigration import PROBES
from .tables import KINDS, Kind

Object = dict[str, Any]

TIMEOUT_S = 10.0
"""Of one request, from its beginning to its whole answer."""

PROBE_NAMESPACE = "default"
PROBE_NAME = "nadmit-probe"
PROBE_WEBHOOK = "networks.access.nadmit.io"
PROBE: Object = {
    "apiVersion": f"{GROUP}/{VERSION}",
    "kind": KIND,
    "metadata": {"namespace": PROBE_NAMESPACE, "name": PROBE_NAME},
    "spec": {"config": '{"cniVersion": "1.0.0", "name": "nadmit-probe", "type": "../nadmit-probe"}'},
}
"""A built-in check refuses a path in a plugin type under any policies."""


class RegisteredWebhooks:
    """The webhook configurations of one name. Safe for threads. Each request raises ClusterError."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.name = name
        self.connection = connection

    def get(self, kind: Kind) -> Object:
        """Return the configuration of a kind. Raises NotFoundError if there is none."""
        try:
            return get_object(self.connection, path_of(kind, self.name), timeout_s=TIMEOUT_S)
        except NotFoundError as error:
            text = f'{kind.name} "{self.name}": there is none; apply the manifests, or create one without webhooks'
            raise NotFoundError(text, status=error.status, message=error.message) from error

    def put_webhooks(self, kind: Kind, seen: Object, hooks: list[Webhook]) -> None:
        """Replace the webhooks of the object as it was seen. Raises ConflictError if it has changed."""
        self._patch_seen(kind, seen, [{"op": "add", "path": "/webhooks", "value": hooks}])

    def put_stage(self, kind: Kind, seen: Object, stage: str) -> None:
        """Set the stage in one step: the annotation, and the failurePolicy and the path of each webhook of ours.

        Raises as `put_webhooks`.
        """
        annotations = {**(seen["metadata"].get("annotations") or {}), STAGE_ANNOTATION: stage}
        steps: list[Object] = [{"op": "add", "path": "/metadata/annotations", "value": annotations}]
        if hooks := webhooks_of(seen):
            changed = [restaged(kind, hook, stage) if is_ours(hook) else hook for hook in hooks]
            steps.append({"op": "add", "path": "/webhooks", "value": changed})
        self._patch_seen(kind, seen, steps)

    def _patch_seen(self, kind: Kind, seen: Object, steps: list[Object]) -> None:
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": seen["metadata"]["resourceVersion"]}
        patch_object(self.connection, path_of(kind, self.name), [test, *steps], timeout_s=TIMEOUT_S)


def path_of(kind: Kind, name: str) -> ObjectPath:
    """Return the path of a configuration."""
    resource = Resource(kind.resource, configurations.GROUP, configurations.VERSION, kind.resource, is_single=True)
    return ObjectPath(resource, "", name)


# Compared with the tables


def deviations(
    objects: Mapping[Kind, Object], target: Target, protection: StatusProtection | None = None
) -> dict[Kind, dict[str, list[str]]]:
    """Return what differs from the table for each webhook of existing configurations, as `configurations.differences`.

    `protection`: None for the registered one. Each configuration is compared with its own stage.
    """
    hooks = {kind: webhooks_of(objects.get(kind, {})) for kind in KINDS}
    registered = [each for kind in hooks for hook in hooks[kind] for each in hook.get("matchConditions") or ()]
    return {
        kind: configurations.differences(
            [hook for hook in present if hook["name"] not in PROBES],
            configurations.webhooks(
                kind,
                target,
                ca_bundle=None,
                stage=configurations.stage_of(objects[kind]).name if kind in objects else IGNORE,
                protection=protection or conditions.protection_of(registered),
                labels=conditions.label_protection_of(registered),
                own_kinds=configurations.own_kinds_of(present),
                token=next((token_of(hook) for hook in present if is_ours(hook)), ""),
            ),
        )
        for kind, present in hooks.items()
    }


def target_registered(objects: Mapping[Kind, Object]) -> Target | None:
    """Return the target of the validating webhooks, else of the others; None without any. All should have the same."""
    return target_of([hook for kind in reversed(KINDS) for hook in webhooks_of(objects.get(kind, {}))])


# Before Fail


def reasons_not_to_fail(registered: RegisteredWebhooks, objects: Mapping[Kind, Object]) -> list[str]:
    """Return why the stage must not be Fail, one line each; none if it may. Raises ClusterError."""
    hooks = {kind: webhooks_of(configuration) for kind, configuration in objects.items()}
    if any(registered_stage(each) == OBSERVE for each in hooks.values()):
        return ["the stage is Observe, in which nothing is refused; run nadmit webhooks stage Ignore first"]
    target = target_of([hook for kind in reversed(hooks) for hook in hooks[kind]])
    reasons = [reason for kind in hooks for reason in incompleteness(kind, hooks[kind], target)]
    return reasons or unreached(registered)


def incompleteness(kind: Kind, hooks: Sequence[Webhook], target: Target | None) -> list[str]:
    """Return the defects of the registered webhooks of a kind, one line each. All must call the same target."""
    by_name = {hook["name"]: hook for hook in hooks}
    absent = [hook.name for hook in kind.hooks if hook.name not in by_name]
    if absent:
        listed = ", ".join(absent)
        return [f"not registered: {listed}; run nadmit serve with --webhook-configuration, or apply webhooks show"]
    present = [by_name[hook.name] for hook in kind.hooks]
    reasons = []
    blind = [hook["name"] for hook in present if not bundle_of(hook)]
    if blind:
        reasons.append(f"without caBundle: {', '.join(blind)}; the API server would not know the certificate")
    token = token_of(present[0])
    expected = (
        None
        if target is None
        else client_config(kind, target, None, token=token, is_observing=is_observing(present[0]))
    )
    elsewhere = [hook["name"] for hook in present if _callee(hook) != expected]
    if elsewhere:
        reasons.append(f"of another address than the others: {', '.join(elsewhere)}; see nadmit webhooks status")
    return reasons


def unreached(registered: RegisteredWebhooks) -> list[str]:
    """Ask the API server to create the probe, as a dry run. Return why its answer proves nothing, in one line."""
    path = ObjectPath(Resource(RESOURCE, GROUP, VERSION, RESOURCE), PROBE_NAMESPACE)
    what = f"a dry run of creating {PROBE_NAMESPACE}/{PROBE_NAME}, which {PROBE_WEBHOOK} must refuse,"
    try:
        registered.connection.write("create", path, PROBE, query={"dryRun": "All"}, timeout_s=TIMEOUT_S)
    except UnauthorizedError:
        raise
    except StatusError as error:
        # The API server's own words: no field of a Status names the webhook.
        if f'admission webhook "{PROBE_WEBHOOK}" denied the request' in error.message:
            return []
        if error.status == 403 and "admission webhook" not in error.message:
            return [
                f"{what} was forbidden: {error.message}; use an account that may create NetworkAttachmentDefinitions"
            ]
        if error.status == 404:
            return [f"{what} was not possible: {error.message}; install the CustomResourceDefinition"]
        return [f"{what} was answered with {error.status}: {without_tokens(error.message)}"]
    return [f"{what} was accepted: the API server does not reach the webhook; see its log and nadmit's /readyz"]


def _callee(hook: Webhook) -> Object:
    return {key: value for key, value in hook.get("clientConfig", {}).items() if key != "caBundle"}
