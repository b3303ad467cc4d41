"""Others that do the same: who attaches pods on the nodes, and whose webhooks judge or change the same objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cniplugin.access.model.policyrules import CONFIG_KIND, CONFIG_NAME, GROUP, VERSION
from cniplugin.netspec.attachers import MULTUS
from cniplugin.netspec.netattachdef import GROUP as NETWORKS
from webhook.kube.resources import ObjectPath, Resource
from webhook.registration.configurations import GROUP as HOOKS
from webhook.registration.configurations import VERSION as HOOKS_VERSION
from webhook.registration.configurations import is_ours, webhooks_of
from webhook.registration.tables import KINDS

from .asking import DAEMON_SETS, Asking
from .installation import Installation, images_of, pod_spec
from .nodeplugins import daemon_set
from .results import Result, listed, ok, warning

ATTACHERS, WEBHOOKS, POSTURE = "attachers", "other webhooks", "posture"
CONFIGS = Resource("policyconfigs", GROUP, VERSION, "networkattachmentpolicyconfigs")
INJECTOR = "network-resources-injector"
"""A program of the Network Plumbing Working Group that puts the resources of networks into pods, as `/mutate` does."""

Object = dict[str, Any]


def check_posture(asking: Asking) -> Iterator[Result]:
    """Say which posture is in force, and whether its object was accepted."""
    config = asking.get(ObjectPath(CONFIGS, "", CONFIG_NAME))
    if config is None:
        yield warning(
            POSTURE,
            f"there is no {CONFIG_KIND} {CONFIG_NAME}: posture Isolated, and definitions are at level Privileged",
            "kubectl apply -k manifests/posture; in a cluster with networks read docs/install.md, Upgrade, first",
        )
        return
    accepted = next(
        (one for one in (config.get("status") or {}).get("conditions") or () if one.get("type") == "Accepted"), None
    )
    posture = (config.get("spec") or {}).get("posture", "Isolated")
    if accepted is not None and accepted.get("status") == "False":
        text = f"{CONFIG_KIND} {CONFIG_NAME} cannot be read whole: {accepted.get('message') or accepted.get('reason')}"
        yield warning(POSTURE, text, f"kubectl edit napc {CONFIG_NAME}")
    else:
        yield ok(POSTURE, f"{posture}, from {CONFIG_KIND} {CONFIG_NAME}")


def check_attachers(asking: Asking, installed: Installation) -> Iterator[Result]:
    """Compare who attaches, as the webhook judges, with the DaemonSets that are there."""
    by = _attached_by(asking, installed)
    others = sorted(f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in _multus(asking))
    own = daemon_set(asking)
    here = "set attachedBy (docs/configuration.md), or add the component attached-by-nadmit"
    if others and own is not None:
        yield warning(
            ATTACHERS,
            f"the node plugin of nadmit and Multus ({listed(others)}) both run: the file that sorts first attaches",
            "finish the migration, or remove one: docs/from-multus/README.md",
        )
    elif own is not None and by == MULTUS:
        yield warning(ATTACHERS, "the node plugin of nadmit attaches, and the webhook judges by what Multus does", here)
    elif own is None and by != MULTUS:
        yield warning(
            ATTACHERS,
            f"the webhook judges by what {by} does, and no DaemonSet of its node plugin is found",
            "kubectl apply -k manifests/node; nothing to do if it is installed by hand",
        )
    elif own is None and not others:
        yield warning(
            ATTACHERS,
            "the webhook judges by what Multus does, and no DaemonSet of Multus is found",
            "install Multus, or the node plugin: kubectl apply -k manifests/overlays/node",
        )
    else:
        yield ok(ATTACHERS, f"{by}, and its DaemonSet runs" if own is not None else f"{by}: {listed(others)}")


def _attached_by(asking: Asking, installed: Installation) -> str:
    config = asking.get(ObjectPath(CONFIGS, "", CONFIG_NAME)) or {}
    return str((config.get("status") or {}).get("attachedBy") or installed.options.get("attached-by") or MULTUS)


def _multus(asking: Asking) -> list[Object]:
    """Return the DaemonSets with an image of Multus."""
    return [one for one in asking.all_of(DAEMON_SETS) if any("multus" in image for image in images_of(pod_spec(one)))]


def check_webhooks(asking: Asking) -> Iterator[Result]:
    """Name other webhooks that are called for networks, and the injector of resources."""
    found: list[str] = []
    injectors: list[str] = []
    for kind in KINDS:
        resource = Resource(kind.resource, HOOKS, HOOKS_VERSION, kind.resource)
        for value in asking.all_of(resource):
            name = value["metadata"]["name"]
            hooks = [hook for hook in webhooks_of(value) if not is_ours(hook)]
            found += [f"{name} ({hook.get('name')})" for hook in hooks if _is_about_networks(hook)]
            if hooks and INJECTOR in name:
                injectors.append(name)
    if injectors:
        yield warning(
            WEBHOOKS,
            f"{listed(injectors)} puts the resources of networks into pods, as nadmit does; what it adds counts",
            f"switch one of them off: docs/injection.md, or kubectl delete mutatingwebhookconfiguration {injectors[0]}",
        )
    if found:
        yield warning(
            WEBHOOKS,
            f"called for NetworkAttachmentDefinitions as well: {listed(found)}; its refusals are not nadmit's",
            "see whether you still need it",
        )
    if not injectors and not found:
        yield ok(WEBHOOKS, "none is called for networks")


def _is_about_networks(hook: Mapping[str, Any]) -> bool:
    return any(NETWORKS in (rule.get("apiGroups") or ()) for rule in hook.get("rules") or ())
