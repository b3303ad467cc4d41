"""A network that running pods use does not change.

Fields restricted: the existence of a NetworkAttachmentDefinition, and the parts of it in the table below. Values
allowed: those that the pods attached with, while a pod that has not ended names the definition in a network annotation.
Operations: DELETE and UPDATE, also in dry runs. A setting chooses between a warning, a refusal (403) and nothing.
Exempt from the check of DELETE: the controllers that delete the content of a namespace or objects without an owner, a
namespace that is terminating, an object that is being deleted. Nobody is exempt from the check of UPDATE: a definition
that a finalizer holds is still in use. Example refusal: see `usetext`.

The pods come from a cache, which may lack a pod that was just created. A pod that has not started has nothing attached:
a change only warns of it, because it will start with the new network; without the network it never starts.

A change breaks a network if a new attachment would differ from the old ones:

| what changes | breaking | why |
| --- | --- | --- |
| white space, order of keys, labels, other annotations | no | the network is the same |
| `cniVersion`, `mtu`, `dns`, a new capability, other keys of a plugin | no | the pod stays in its network |
| a text that could not be read before | no | no pod could attach with it |
| a text that cannot be read any more | yes | a recreated pod does not start |
| text <-> none (the node's own file) | yes | the network has another author |
| network name | yes | IPAM and GC keep their records under it |
| plugin types, their number and order | yes | another program attaches, and detaches |
| a key of ATTACHES_BY, such as `master`, `bridge`, `vlan` | yes | the attachment ends in another place |
| `ipam` | yes | other addresses, or none |
| a capability that is removed | yes | requests of pods are refused |
| `k8s.v1.cni.cncf.io/resourceName`, and the other keys of `resourceNameKeys` | yes | a device of another kind |

A key that is absent, null, 0, "" or [] counts as the same: plugins take none of these as a place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cniplugin.access.content import facts
from cniplugin.netspec.cniconfig import NetworkConfigList, PluginConfig
from cniplugin.netspec.names import trim
from cniplugin.netspec.netattachdef import RESOURCE_NAME, NetworkAttachmentDefinition
from webhook.admission.model.injection import resource_keys
from webhook.admission.model.kinds import GARBAGE_COLLECTOR, NAMESPACE_CONTROLLER
from webhook.admission.model.requests import ALLOWED, Decision, Object, Request
from webhook.admission.view.decisioncontext import DENY, OFF, DecisionContext
from webhook.admission.view.parsecache import read_config
from webhook.admission.wording import usetext

CLEANERS = frozenset({NAMESPACE_CONTROLLER, GARBAGE_COLLECTOR})
"""Controllers of kube-controller-manager that delete objects which users cannot keep
(--use-service-account-credentials)."""

ATTACHES_BY = (*facts.attaching_keys(), "mode", "vrfname", "topology", "netAttachDefName", "subnets")
"""Keys that determine where an attachment ends. Most of them choose something of the node; a few do not."""


def check_deletion(request: Request, context: DecisionContext) -> Decision:
    """Judge the DELETE of a definition."""
    old = request.old_object
    must_end = (
        (old is not None and old.is_being_deleted)
        or request.user.name in CLEANERS
        or context.cluster.is_terminating(request.namespace)
    )
    if context.network_in_use == OFF or request.subresource or must_end:
        return ALLOWED
    users = context.cluster.network_users(request.namespace, request.object_name)
    if not users.total:
        return ALLOWED
    if context.network_in_use == DENY:
        return usetext.deletion_refused(request, users)
    return Decision(warnings=(usetext.deletion_warning(request, users),), rules=(usetext.RULE,))


def check_change(request: Request, context: DecisionContext, judged: Decision) -> Decision:
    """Judge the UPDATE of a definition; return the decision of the other checks if it refuses or nothing breaks."""
    new, old, mode = request.object, request.old_object, context.network_in_use
    if new is None or old is None or mode == OFF or not judged.is_allowed:
        return judged
    keys = tuple(dict.fromkeys((RESOURCE_NAME, *resource_keys(context.configuration.injection))))
    if _parts(new, keys) == _parts(old, keys):
        return judged
    users = context.cluster.network_users(request.namespace, request.object_name)
    if not users.total:
        return judged
    changes = find_breaking(_definition(request, old), _definition(request, new), keys)
    if not changes:
        return judged
    if mode == DENY and users.attached:
        return usetext.change_refused(request, users, changes, warnings=judged.warnings)
    return judged._replace(
        warnings=(*judged.warnings, usetext.change_warning(request, users, changes)),
        rules=(*judged.rules, usetext.RULE),
    )


def _parts(definition: Object, keys: Sequence[str]) -> tuple[object, ...]:
    return definition.config, *(definition.annotations.get(key) for key in keys)


def _definition(request: Request, definition: Object) -> NetworkAttachmentDefinition:
    """NB: the schema of the CRD forbids a text of another type; where it is absent, such a text counts as bad JSON."""
    config, name = definition.config, request.object_name
    text = config if isinstance(config, str | None) else repr(type(config))
    read = read_config(text, name) if text is not None and trim(text) else None
    return NetworkAttachmentDefinition(
        namespace=request.namespace,
        name=name,
        config=read.config if read is not None else None,
        is_on_disk=read is None,
        problems=read.problems if read is not None else (),
        annotations=definition.annotations,
    )


# Breaking changes


def find_breaking(
    before: NetworkAttachmentDefinition, after: NetworkAttachmentDefinition, keys: Sequence[str]
) -> tuple[str, ...]:
    """Return the breaking changes, each once, as words that fit after "changes".

    `keys`: the annotations that name a resource.
    """
    return () if before.problems else tuple(dict.fromkeys(_differences(before, after, keys)))


def _differences(
    before: NetworkAttachmentDefinition, after: NetworkAttachmentDefinition, keys: Sequence[str]
) -> Iterator[str]:
    for key in keys:
        if before.annotations.get(key, "") != after.annotations.get(key, ""):
            yield "resourceName" if key == RESOURCE_NAME else key
    if after.problems:
        yield "spec.config, which can no longer be read"
    elif before.is_on_disk != after.is_on_disk:
        yield "who defines it (spec.config or the node's file)"
    elif before.config is not None and after.config is not None:
        yield from _config_differences(before.config, after.config)


def _config_differences(before: NetworkConfigList, after: NetworkConfigList) -> Iterator[str]:
    if before.name != after.name:
        yield "the network's name"
    if [plugin.type for plugin in before.plugins] != [plugin.type for plugin in after.plugins]:
        yield "plugins"
        return
    for old, new in zip(before.plugins, after.plugins, strict=True):
        yield from _plugin_differences(old, new)
    if before.capabilities - after.capabilities:
        yield "capabilities"


def _plugin_differences(before: PluginConfig, after: PluginConfig) -> Iterator[str]:
    one, other = _folded(before.conf), _folded(after.conf)
    for key in dict.fromkeys(map(facts.fold, (*ATTACHES_BY, "ipam"))):
        written, old = one.get(key, (key, None))
        written, new = other.get(key, (written, None))
        if (old or None) != (new or None):
            yield written


def _folded(conf: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Return each key and its value by the form of the key that Go compares."""
    return {facts.fold(key): (key, value) for key, value in conf.items()}
