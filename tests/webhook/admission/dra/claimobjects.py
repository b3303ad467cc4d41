"""A small cluster with claims, and reviews of objects in it, from bytes to a decision."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cniplugin.access.compile import compile_rules
from cniplugin.access.model.decision import Config
from webhook.admission.dra.drivers import Drivers
from webhook.admission.evaluate import evaluate
from webhook.admission.model.requests import Decision, User
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.commands.judging import admission_review
from webhook.driverdata.driverfiles import default_drivers
from webhook.plugindata.pluginfiles import load_schemas
from webhook.review import wire
from webhook.snapshot.snapshot import Snapshot
from webhook.trees import builder, manifests
from webhook.trees.problems import Problem

Json = dict[str, Any]

SRIOV, CNI, DRANET = "sriovnetwork.k8snetworkplumbingwg.io", "cni.dra.networking.x-k8s.io", "dra.net"
MACVLAN = json.dumps({"cniVersion": "1.0.0", "type": "macvlan", "master": "bond1"})
PLUGINS = PluginChecks(schemas=load_schemas())
TENANT = User("bob", ("tenants",))
PATHS = {"ResourceClaim": "spec.devices.config", "ResourceClaimTemplate": "spec.spec.devices.config"}


def network(reference: str, config: str = MACVLAN) -> Json:
    """Return a NetworkAttachmentDefinition."""
    namespace, _, name = reference.partition("/")
    head = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    return {**head, "metadata": {"namespace": namespace, "name": name}, "spec": {"config": config}}


def policy(name: str, *attachments: Json, mode: str = "Enforce", **spec: Any) -> Json:
    """Return a NetworkAttachmentPolicy."""
    head = {"apiVersion": "access.nadmit.io/v1alpha1", "kind": "NetworkAttachmentPolicy", "metadata": {"name": name}}
    return {**head, "spec": {"mode": mode, **({"attachments": list(attachments)} if attachments else {}), **spec}}


def posture(name: str, **more: Any) -> Json:
    """Return the configuration of the access rules."""
    head = {"apiVersion": "access.nadmit.io/v1alpha1", "kind": "NetworkAttachmentPolicyConfig"}
    return {**head, "metadata": {"name": "cluster"}, "spec": {"posture": name, **more}}


def vf(name: str, namespace: str | None = None, **more: Any) -> Json:
    """Return parameters of dra-driver-sriov."""
    named = {"netAttachDefName": name, **({} if namespace is None else {"netAttachDefNamespace": namespace})}
    return {"apiVersion": f"{SRIOV}/v1alpha1", "kind": "VfConfig", **named, **more}


def opaque(parameters: object, *requests: str, driver: str = SRIOV) -> Json:
    """Return one element of `config`."""
    return {
        **({"requests": list(requests)} if requests else {}),
        "opaque": {"driver": driver, "parameters": parameters},
    }


def request(name: str, class_name: str, version: str = "v1") -> Json:
    """Return one request of a claim."""
    named = {"deviceClassName": class_name}
    return {"name": name, **named} if version == "v1beta1" else {"name": name, "exactly": named}


def devices(*config: Json, requests: Sequence[Json] | None = None, version: str = "v1") -> Json:
    """Return `devices` of a claim, with one request "vf" unless others are given."""
    asked = [request("vf", "plain", version)] if requests is None else list(requests)
    return {"devices": {"requests": asked, "config": list(config)}}


def claim(*config: Json, name: str = "nic", namespace: str = "blue", version: str = "v1", **more: Any) -> Json:
    """Return a ResourceClaim."""
    metadata = {"namespace": namespace, "name": name}
    head = {"apiVersion": f"resource.k8s.io/{version}", "kind": "ResourceClaim", "metadata": metadata}
    return {**head, "spec": devices(*config, version=version, **more)}


def template(*config: Json, name: str = "nic", namespace: str = "blue", version: str = "v1", **more: Any) -> Json:
    """Return a ResourceClaimTemplate."""
    made = claim(*config, name=name, namespace=namespace, version=version, **more)
    return {**made, "kind": "ResourceClaimTemplate", "spec": {"spec": made["spec"]}}


def device_class(*config: Json, name: str = "plain", version: str = "v1", **spec: Any) -> Json:
    """Return a DeviceClass."""
    head = {"apiVersion": f"resource.k8s.io/{version}", "kind": "DeviceClass", "metadata": {"name": name}}
    return {**head, "spec": {"config": list(config), **spec}}


def pod(
    *claims: Json, labels: Mapping[str, str] | None = None, resources: Mapping[str, str] | None = None, **spec: Any
) -> Json:
    """Return a pod of blue; `claims` are elements of `resourceClaims`, `resources` limits of its container."""
    container = {"name": "a", "image": "a", **({"resources": {"limits": dict(resources)}} if resources else {})}
    named = {"resourceClaims": [{"name": f"c{number}", **one} for number, one in enumerate(claims)]} if claims else {}
    metadata = {"namespace": "blue", "name": "web", "labels": dict(labels or {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [container], **named, **spec},
    }


BY_CLAIM, BY_TEMPLATE = {"resourceClaimName": "nic"}, {"resourceClaimTemplateName": "nic"}
NETWORKS = (network("blue/lan"), network("infra/secret"), network("default/internet"))


def cluster_of(*objects: Json) -> Snapshot:
    """Return the snapshot of objects, with NETWORKS."""
    text = "\n".join(json.dumps(one) for one in (*NETWORKS, *objects))
    problems: list[Problem] = []
    made = builder.build(manifests.read_bytes(text.encode(), file="world.json", problems=problems), problems)
    assert problems == []
    return made


def review(
    thing: Json | bytes,
    *objects: Json,
    user: User = TENANT,
    old: Json | None = None,
    drivers: Drivers | None = None,
    cluster: Snapshot | None = None,
) -> Decision:
    """Decide the creation of an object, or its change from `old`, in a cluster with these objects."""
    known = cluster or cluster_of(*objects)
    if isinstance(thing, bytes):
        body = thing
    else:
        namespace = "" if thing["kind"] == "DeviceClass" else thing["metadata"]["namespace"]
        body = admission_review(thing, namespace=namespace, user=user)
    if old is not None:
        sent = json.loads(body)
        sent["request"] |= {"operation": "UPDATE", "oldObject": old}
        body = json.dumps(sent).encode()
    return evaluate(
        wire.decode(body),
        DecisionContext(
            known,
            compile_rules(known.policies, Config(contact="#net-team")),
            Configuration(injection=None, plugins=PLUGINS, drivers=drivers or default_drivers()),
        ),
    )


def text_of(decision: Decision) -> str:
    """Return the whole text of a decision."""
    return "\n".join(
        [
            decision.message,
            *(f"{cause.field}: {cause.message}" for cause in decision.causes),
            *map(str, decision.warnings),
        ]
    )
