"""Every word about injection that a user reads: problems as `SpecError`s, remarks as warnings of one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cniplugin.netspec.errors import SpecError, show
from cniplugin.netspec.names import nearest, trim
from cniplugin.netspec.netattachdef import RESOURCE_NAME
from webhook.admission.model.injection import (
    DEFAULT_NETWORKS,
    DEVICES_FROM,
    INJECT,
    INJECT_INTO,
    NODE_SELECTOR,
    SOURCES,
)
from webhook.admission.model.requests import GroupKind
from webhook.admission.view.misspelt import find_misspelt
from webhook.admission.view.needs import Shortfall
from webhook.admission.wording import messages

SHOWN_NAMES_MAX = 20
"""Names of containers in one message."""


def unknown_container(name: str, names: Sequence[str]) -> SpecError:
    """The annotation that chooses the container names none."""
    near = nearest(name, names)
    more = f" and {len(names) - SHOWN_NAMES_MAX} more" if len(names) > SHOWN_NAMES_MAX else ""
    return SpecError(
        rule="inject-into",
        source=f"metadata.annotations[{INJECT_INTO}]",
        value=name,
        detail="the pod has no such container",
        fix=messages.did_you_mean(near) if near else "",
        allowed=f"a container or sidecar of the pod: {', '.join(names[:SHOWN_NAMES_MAX])}{more}",
    )


_DEVICES = "DOMAIN/NAME, such as example.com/vf: letters, digits, '-', '_' and '.'"


def resource_unusable(name: str, reference: str) -> SpecError:
    """A definition names a resource that no device plugin has. NB: only its owner can mend it."""
    return SpecError(
        rule="resource-name",
        source="spec.containers",
        value=name,
        detail=f"the resource of network {reference} is not a device plugin's",
        fix="ask the owner of the network to correct it",
        allowed=_DEVICES,
    )


def resource_written(name: str) -> SpecError:
    """The same, told to its owner."""
    return SpecError(
        rule="resource-name",
        source=f"metadata.annotations[{RESOURCE_NAME}]",
        value=name,
        detail="this is no resource of a device plugin, and all pods of the network would be refused",
        fix=f"for devices of a ResourceClaim add the annotation {DEVICES_FROM}: ResourceClaim",
        allowed=_DEVICES,
    )


def resource_without_domain(name: str) -> str:
    """A definition does not say where its devices come from, and no device plugin can have its resource."""
    return _warning(
        f"metadata.annotations[{RESOURCE_NAME}]: no device plugin has a resource without a domain: {show(name)}; add "
        f"{DEVICES_FROM}: ResourceClaim if claims give the devices; pods without resourceClaims will be refused"
    )


def selector_unreadable(reference: str, text: str) -> SpecError:
    """A definition's node selector is not one label. NB: only its owner can mend it."""
    return SpecError(
        rule="node-selector-value",
        source="spec.nodeSelector",
        value=text,
        detail=f"{NODE_SELECTOR} of network {reference} cannot be read",
        fix="ask the owner of the network to correct it",
        allowed="one label, key=value or key",
    )


def selector_written(text: str) -> SpecError:
    """The same, told to its owner."""
    return SpecError(
        rule="node-selector-value",
        source=f"metadata.annotations[{NODE_SELECTOR}]",
        value=text,
        detail="this cannot be read, and all pods of the network would be refused",
        allowed="one label, key=value or key",
    )


def selector_contradicted(key: str, own: str, wanted: str, reference: str) -> SpecError:
    """The pod asks for other nodes than a network is on."""
    return SpecError(
        rule="node-selector-conflict",
        source="spec.nodeSelector",
        path=f"[{key}]",
        value=own,
        detail=f'network {reference} is on nodes with "{key}: {wanted}" only, and the pod asks for others',
        fix="remove the key, or the network",
    )


def selectors_contradict(key: str, first: tuple[str, str], second: tuple[str, str]) -> SpecError:
    """Two networks are on different nodes; each is (reference, value)."""
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


def shortfall(found: Shortfall) -> SpecError:
    """The containers get fewer devices than the networks need, and the last networks would have none."""
    return SpecError(
        rule="resource-shortfall",
        source="spec.containers",
        detail=_shortfall(found),
        fix=f"request {found.needed}, or leave the resource out of all containers and have it injected",
    )


def shortfall_warning(found: Shortfall) -> str:
    """A shortfall that the setting leaves to the pod's author."""
    return _warning(f"spec.containers: {_shortfall(found)}")


def _shortfall(found: Shortfall) -> str:
    networks = f"{'networks need' if found.needed > 1 else 'a network needs'} {found.needed} x {found.resource}"
    return f"{networks}, containers request {float(found.offered):g}: {', '.join(found.references)}"


def taken_as_claimed(resources: Sequence[str]) -> str:
    """Nothing is injected for a pod with claims."""
    return _warning(
        f"{', '.join(resources)}: taken to come by the pod's resourceClaims, not injected; "
        f"{DEVICES_FROM} on the network says otherwise"
    )


def volume_left_alone(name: str) -> str:
    """The pod has a volume of that name for something else."""
    return _warning(f'spec.volumes: the pod has a volume "{name}" of its own: pod network information is not added')


def opt_out_unclear(value: str) -> str:
    """The annotation that opts out says neither yes nor no."""
    return _warning(f'metadata.annotations[{INJECT}]: {show(trim(value))} counts as "true"; allowed: "true", "false"')


def unread_annotations(annotations: Iterable[str], kind: GroupKind) -> tuple[str, ...]:
    """Annotations that nobody reads resemble one that asks for networks."""
    base = f"{messages.template_path(kind)}metadata.annotations"
    return tuple(
        _warning(f'{base}[{key}]: nobody reads this annotation, so it attaches nothing; did you mean "{meant}"?')
        for key, meant in find_misspelt(annotations)
    )


def source_unclear(value: str) -> str:
    """The annotation that tells where a network's devices come from names no source."""
    near = nearest(value, SOURCES)
    hint = f'did you mean "{near}"? ' if near else ""
    allowed = ", ".join(f'"{source}"' for source in SOURCES)
    return _warning(f"metadata.annotations[{DEVICES_FROM}]: {show(value)} counts as absent; {hint}allowed: {allowed}")


def networks_by_default(namespace: str) -> str:
    """The networks of a refused pod come from its namespace: its author has not written them."""
    return _warning(f"the networks come from the annotation {DEFAULT_NETWORKS} of namespace {namespace}")


def networks_by_label(label: str) -> str:
    """The same, from a setting for pods with a label."""
    return _warning(f"the networks come from a setting of the cluster for pods with the label {label}")


def _warning(text: str) -> str:
    """Return a warning, in ASCII: annotations may hold anything."""
    return messages.warning(text.encode("ascii", "backslashreplace").decode())
