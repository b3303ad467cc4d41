"""Texts about injection: problems as `SpecError`s, and warnings."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cniplugin.netspec.errors import SpecError, show
from cniplugin.netspec.names import nearest, trim
from cniplugin.netspec.netattachdef import DEVICES_FROM, SOURCES, is_counted
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.model.injection import (
    DEFAULT_NETWORKS,
    INJECT,
    INJECT_INTO,
    NODE_SELECTOR,
    Injection,
    find_misspelt,
    find_suspects,
    is_marked,
)
from webhook.admission.model.requests import AdmissionWarning, Decision, Object, Request
from webhook.admission.view.decisioncontext import Cluster
from webhook.admission.view.needs import Shortfall
from webhook.admission.wording.answers import did_you_mean

SHOWN_NAMES_MAX = 20
"""Names of containers in one message."""

_DEVICES = "DOMAIN/NAME, such as example.com/vf: letters, digits, '-', '_' and '.'"
_ASK_THE_OWNER = "ask the owner of the network to correct it"


def unknown_container(name: str, names: Sequence[str]) -> SpecError:
    """The annotation that chooses a container names one that the pod does not have."""
    near = nearest(name, names)
    more = f" and {len(names) - SHOWN_NAMES_MAX} more" if len(names) > SHOWN_NAMES_MAX else ""
    return SpecError(
        rule="inject-into",
        source=f"metadata.annotations[{INJECT_INTO}]",
        value=name,
        detail="the pod has no such container",
        fix=did_you_mean(near) if near else "",
        allowed=f"a container or sidecar of the pod: {', '.join(names[:SHOWN_NAMES_MAX])}{more}",
    )


def resource_unusable(name: str, reference: str) -> SpecError:
    """A pod's network names a resource that no device plugin can have."""
    detail = f"the resource of network {reference} is not a device plugin's"
    return _resource("spec.containers", name, detail, _ASK_THE_OWNER)


def resource_written(key: str, name: str) -> SpecError:
    """A definition that is written names a resource that no device plugin can have."""
    detail = "this is not a resource of a device plugin, and all pods of the network would be refused"
    fix = f"for devices of a ResourceClaim add the annotation {DEVICES_FROM}: ResourceClaim"
    return _resource(f"metadata.annotations[{key}]", name, detail, fix)


def _resource(source: str, name: str, detail: str, fix: str) -> SpecError:
    return SpecError(rule="resource-name", source=source, value=name, detail=detail, fix=fix, allowed=_DEVICES)


def resource_without_domain(key: str, name: str) -> AdmissionWarning:
    """Warn that no device plugin can have the resource of a definition that does not name the source of its devices."""
    return AdmissionWarning(
        f"metadata.annotations[{key}]",
        f"no device plugin has a resource without a domain: {show(name)}; add {DEVICES_FROM}: ResourceClaim if claims "
        "give the devices; pods without resourceClaims get none",
        rule="resource-domain",
    )


def selector_unreadable(reference: str, text: str) -> SpecError:
    """The node selector of a pod's network is not one label."""
    detail = f"{NODE_SELECTOR} of network {reference} cannot be read"
    return _selector("spec.nodeSelector", text, detail, _ASK_THE_OWNER)


def selector_written(text: str) -> SpecError:
    """The node selector of a definition that is written is not one label."""
    detail = "this cannot be read, and all pods of the network would be refused"
    return _selector(f"metadata.annotations[{NODE_SELECTOR}]", text, detail)


def _selector(source: str, text: str, detail: str, fix: str = "") -> SpecError:
    allowed = "one label, key=value or key"
    return SpecError(rule="node-selector-value", source=source, value=text, detail=detail, fix=fix, allowed=allowed)


def selector_contradicted(key: str, own: str, value: str, reference: str) -> SpecError:
    """The pod asks for nodes that do not have a network."""
    return SpecError(
        rule="node-selector-conflict",
        source="spec.nodeSelector",
        path=f"[{key}]",
        value=own,
        detail=f'network {reference} is on nodes with "{key}: {value}" only, and the pod asks for others',
        fix="remove the key, or the network",
    )


def selectors_contradict(key: str, first: tuple[str, str], second: tuple[str, str]) -> SpecError:
    """Two networks are on different nodes; each is a reference and a value."""
    return SpecError(
        rule="node-selector-conflict",
        source="spec.nodeSelector",
        path=f"[{key}]",
        detail=(
            f'no node has both networks: {first[0]} is on nodes with "{key}: {first[1]}", '
            f'{second[0]} on those with "{key}: {second[1]}"'
        ),
        fix="leave one of them out",
    )


def shortfall(short: Shortfall) -> SpecError:
    """The containers get fewer devices than the networks need."""
    return SpecError(
        rule="resource-shortfall",
        source="spec.containers",
        detail=_shortfall(short),
        fix=f"request {short.needed}, or leave the resource out of all containers and have it injected",
    )


def shortfall_warning(short: Shortfall) -> AdmissionWarning:
    """Warn of a shortfall that the setting `honor` leaves to the pod's author, or that only a wrong node would show."""
    effect = "; the pod may be placed on a node without the network" if is_counted(short.resource) else ""
    return AdmissionWarning("spec.containers", f"{_shortfall(short)}{effect}", rule="resource-shortfall")


def _shortfall(short: Shortfall) -> str:
    networks = f"{'networks need' if short.needed > 1 else 'a network needs'} {short.needed} x {short.resource}"
    return f"{networks}, containers request {float(short.requested):g}: {', '.join(short.references)}"


def taken_as_claimed(resources: Sequence[str]) -> AdmissionWarning:
    """Warn that resources are not injected into a pod with claims."""
    return AdmissionWarning(
        "",
        f"{', '.join(resources)}: not injected, because the pod's resourceClaims are assumed to give the devices; "
        f"if they do not, set {DEVICES_FROM} on the network",
        rule="devices-claimed",
    )


def no_plugins_resource(resources: Sequence[str]) -> AdmissionWarning:
    """Warn that resources without a domain are not injected into a pod without claims."""
    return AdmissionWarning(
        "",
        f"{', '.join(resources)}: not injected, because no device plugin has a resource without a domain; the pod "
        "gets no device for it",
        rule="resource-domain",
    )


def volume_left_alone(name: str) -> AdmissionWarning:
    """Warn that the pod has a volume of that name with other content."""
    text = f'the pod has a volume "{name}" of its own: pod network information is not added'
    return AdmissionWarning("spec.volumes", text, rule="network-info-volume")


def opt_out_unclear(value: str) -> AdmissionWarning:
    """Warn of a value of the annotation INJECT that is neither true nor false."""
    text = f'{show(trim(value))} counts as "true"; allowed: "true", "false"'
    return AdmissionWarning(f"metadata.annotations[{INJECT}]", text, rule="inject-value")


def unread_annotations(annotations: Collection[str], path: str = "") -> tuple[AdmissionWarning, ...]:
    """Warn of unused annotations that resemble one that asks for networks. `path`: of the pod template."""
    if not find_suspects(annotations):
        return ()
    base = f"{path}metadata.annotations"
    return tuple(
        AdmissionWarning(
            f"{base}[{key}]",
            f'no program reads this annotation, so it attaches nothing; did you mean "{meant}"?',
            rule="annotation-name",
        )
        for key, meant in find_misspelt(annotations)
    )


def source_unclear(value: str) -> AdmissionWarning:
    """Warn of a value of the annotation DEVICES_FROM that is not a source."""
    near = nearest(value, SOURCES)
    hint = f"{did_you_mean(near)} " if near else ""
    allowed = ", ".join(f'"{source}"' for source in SOURCES)
    text = f"{show(value)} counts as absent; {hint}allowed: {allowed}"
    return AdmissionWarning(f"metadata.annotations[{DEVICES_FROM}]", text, rule="devices-from-value")


# Networks that a pod's author has not written


def tell_origin(request: Request, refusal: Decision, cluster: Cluster, injection: Injection) -> Decision:
    """Return a pod's refusal with a warning about the origin of its networks, if its author did not write them.

    It compares texts: an author who writes the same text as the setting has to change both.
    """
    origin = origin_of(request.object or Object(), request.namespace, cluster, injection)
    if not origin:
        return refusal
    told = AdmissionWarning("", f"the networks come from {origin}", rule="networks-origin")
    return refusal._replace(warnings=(told, *refusal.warnings))


def origin_of(pod: Object, namespace: str, cluster: Cluster, injection: Injection) -> str:
    """Return where the networks of a pod in a namespace come from; "" if its author wrote them."""
    return _setting_of(pod, injection) or _namespace_of(pod, namespace, cluster)


def _setting_of(pod: Object, injection: Injection) -> str:
    """NB: of two labels that set the same annotation, the later one in the alphabet wins."""
    for label, given in sorted(injection.annotations_by_label.items(), reverse=True):
        if is_marked(pod.labels, label) and any(
            key in given and given[key] == pod.annotations.get(key) for key in (NETWORKS, DEFAULT_NETWORK)
        ):
            return f"a setting of the cluster for pods with the label {label}"
    return ""


def _namespace_of(pod: Object, namespace: str, cluster: Cluster) -> str:
    text = pod.annotations.get(NETWORKS)
    is_default = text and text == cluster.default_networks(namespace)
    return f"the annotation {DEFAULT_NETWORKS} of namespace {namespace}" if is_default else ""
