"""Networks that running pods use stay as they are.

Fields restricted: the existence of a NetworkAttachmentDefinition, and what `breaking` lists of it. Values allowed:
those that pods attached by, as long as a pod that has not ended names the definition in a network annotation.
Operations: DELETE, UPDATE, dry runs too. A setting says what becomes of it: a warning, a refusal (403), nothing.
Exempt from the check of DELETE: the controllers that delete what is in a namespace or has lost its owner, a namespace
that is terminating, an object that is being deleted already: what must end can end. Nobody is exempt from the check of
UPDATE: a definition that a finalizer holds is still in use. Example refusal: see `networkuse`.

Who uses what comes from the cache of pods: a pod that was created a moment ago may not be counted.
"""

from __future__ import annotations

from cniplugin.netspec.names import trim
from cniplugin.netspec.netattachdef import RESOURCE_NAME, NetworkAttachmentDefinition
from webhook.admission.checks import breaking
from webhook.admission.model.requests import ALLOWED, Decision, Object, Request
from webhook.admission.view.listers import Cluster
from webhook.admission.view.parsecache import read_config
from webhook.admission.wording import networkuse

WARN = "Warn"
DENY = "Deny"
OFF = "Off"
MODES = (WARN, DENY, OFF)

CLEANERS = frozenset(
    {
        "system:serviceaccount:kube-system:namespace-controller",
        "system:serviceaccount:kube-system:generic-garbage-collector",
    }
)
"""Controllers of kube-controller-manager that delete what nobody can keep (--use-service-account-credentials)."""


def check_deletion(request: Request, cluster: Cluster, mode: str) -> Decision:
    """Judge a DELETE of a definition."""
    if mode == OFF or request.subresource or _must_end(request, cluster):
        return ALLOWED
    users = cluster.network_users(request.namespace, request.object_name)
    if not users.total:
        return ALLOWED
    if mode == DENY:
        return networkuse.deletion_refused(request, users)
    return Decision(warnings=(networkuse.deletion_remark(request, users),), rules=(networkuse.RULE,))


def check_change(request: Request, cluster: Cluster, mode: str, decision: Decision) -> Decision:
    """Judge an UPDATE of a definition that the other checks allow; return their decision if there is nothing to add."""
    new, old = request.object, request.old_object
    if new is None or old is None or mode == OFF or not decision.is_allowed or _parts(new) == _parts(old):
        return decision
    users = cluster.network_users(request.namespace, request.object_name)
    if not users.total:
        return decision
    changes = breaking.find(_definition(request, old), _definition(request, new))
    if not changes:
        return decision
    if mode == DENY:
        return networkuse.change_refused(request, users, changes, warnings=decision.warnings)
    return decision._replace(
        warnings=(*decision.warnings, networkuse.change_remark(request, users, changes)),
        rules=(*decision.rules, networkuse.RULE),
    )


def _must_end(request: Request, cluster: Cluster) -> bool:
    old = request.old_object
    is_ending = old is not None and old.is_being_deleted
    return is_ending or request.user.name in CLEANERS or cluster.is_terminating(request.namespace)


def _parts(thing: Object) -> tuple[object, object]:
    return thing.config, thing.annotations.get(RESOURCE_NAME)


def _definition(request: Request, thing: Object) -> NetworkAttachmentDefinition:
    """NB: a text of another type than text cannot be stored where the schema is; it is read as one that is no JSON."""
    config, name = thing.config, request.object_name
    text = config if isinstance(config, str | None) else repr(type(config))
    read = read_config(text, name) if text is not None and trim(text) else None
    return NetworkAttachmentDefinition(
        namespace=request.namespace,
        name=name,
        config=read.config if read is not None else None,
        is_on_disk=read is None,
        problems=read.problems if read is not None else (),
        annotations=thing.annotations,
    )
