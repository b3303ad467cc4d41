"""May the webhooks fail closed? What `nadmit webhooks stage Fail` makes sure of first.

Under Fail nobody can create what the webhooks are called for while they cannot be reached, so each of them must be
there, know the authority of the certificate, and the API server must be seen to reach this program. The proof is a dry
run that creates nothing: a NetworkAttachmentDefinition with a plugin type that no policy can permit. Our own refusal of
it, which the API server marks with the webhook's name, is the proof; under Ignore anything else means that the call got
lost. Injection is at another path of the same address, so nothing is proven twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cniplugin.netspec.netattachdef import GROUP, KIND

from .api import Api, Object
from .comparison import bundle_of, target_of, webhooks_of
from .configurations import Target, Webhook, client_config, token_of
from .tables import Kind

PROBE_NAMESPACE = "default"
PROBE_NAME = "nadmit-probe"
PROBE_WEBHOOK = "networks.access.nadmit.io"
PROBE: Object = {
    "apiVersion": f"{GROUP}/v1",
    "kind": KIND,
    "metadata": {"namespace": PROBE_NAMESPACE, "name": PROBE_NAME},
    "spec": {"config": '{"cniVersion": "1.0.0", "name": "nadmit-probe", "type": "../nadmit-probe"}'},
}
"""A path in a plugin type is refused by a built-in check, whatever the policies say."""


def reasons_not_to_fail(api: Api, configurations: Mapping[Kind, Object]) -> list[str]:
    """Return why the stage must not be Fail, one line each; none when all is well. Raises ClusterError."""
    hooks = {kind: webhooks_of(configuration) for kind, configuration in configurations.items()}
    target = target_of([hook for kind in reversed(hooks) for hook in hooks[kind]])
    found = [reason for kind in hooks for reason in incompleteness(kind, hooks[kind], target)]
    return found or unreached(api)


def incompleteness(kind: Kind, hooks: Sequence[Webhook], target: Target | None) -> list[str]:
    """Return what the registered webhooks of a kind lack, one line each; all are to call the same target."""
    by_name = {hook["name"]: hook for hook in hooks}
    absent = [hook.name for hook in kind.hooks if hook.name not in by_name]
    if absent:
        listed = ", ".join(absent)
        return [f"not registered: {listed}; run nadmit serve with --webhook-configuration, or apply webhooks show"]
    present = [by_name[hook.name] for hook in kind.hooks]
    found = []
    blind = [hook["name"] for hook in present if not bundle_of(hook)]
    if blind:
        found.append(f"without caBundle: {', '.join(blind)}; the API server would not know the certificate")
    token = token_of(present[0])
    expected = None if target is None else client_config(kind, target, None, token=token)
    elsewhere = [hook["name"] for hook in present if _whom(hook) != expected]
    if elsewhere:
        found.append(f"of another address than the others: {', '.join(elsewhere)}; see nadmit webhooks status")
    return found


def unreached(api: Api) -> list[str]:
    """Ask the API server to create the probe, as a dry run; return why that proves nothing, in one line."""
    path = f"/apis/{GROUP}/v1/namespaces/{PROBE_NAMESPACE}/network-attachment-definitions?dryRun=All"
    status, _, said = api.ask("POST", path, PROBE)
    if f'admission webhook "{PROBE_WEBHOOK}" denied the request' in said:
        return []
    what = f"a dry run of creating {PROBE_NAMESPACE}/{PROBE_NAME}, which {PROBE_WEBHOOK} must refuse,"
    if status in {200, 201}:
        return [f"{what} was accepted: the API server does not reach the webhook; see its log and nadmit's /readyz"]
    if status == 403 and "admission webhook" not in said:
        return [f"{what} was forbidden: {said}; use an account that may create NetworkAttachmentDefinitions"]
    if status == 404:
        return [f"{what} was not possible: {said}; install the CustomResourceDefinition"]
    return [f"{what} was answered with {status}: {said}"]


def _whom(hook: Webhook) -> Object:
    return {key: value for key, value in hook.get("clientConfig", {}).items() if key != "caBundle"}
