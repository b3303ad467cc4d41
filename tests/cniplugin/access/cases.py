"""The decision table of the access rules (`tests/vectors/policy_cases.json`) as clusters and AdmissionReviews."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cniplugin.access.compile import Policies, compile_rules, read_policies
from cniplugin.access.model.decision import Config, Rules
from cniplugin.access.model.policyrules import CONFIG_KIND, POLICY_KIND
from cniplugin.netspec import netattachdef
from tests.paths import VECTORS
from tests.webhook.admission.world import FakeCluster

DATA = json.loads((VECTORS / "policy_cases.json").read_text())
CASES: list[dict[str, Any]] = DATA["cases"]
BY_ID = {case["id"]: case for case in CASES}

KINDS = {
    "Pod": ("", "v1"),
    "Binding": ("", "v1"),
    "NetworkAttachmentDefinition": ("k8s.cni.cncf.io", "v1"),
    "Deployment": ("apps", "v1"),
    "StatefulSet": ("apps", "v1"),
    "CronJob": ("batch", "v1"),
    "PodTemplate": ("", "v1"),
}
CAPABILITIES = dict.fromkeys(("ips", "mac", "bandwidth", "portMappings", "infinibandGUID", "deviceID"), True)


def policies_of(case: Mapping[str, Any]) -> Policies:
    """Return the policies and the configuration of a case, which must have no problems."""
    objects: list[dict[str, Any]] = [
        {"kind": POLICY_KIND, "metadata": {"name": policy["name"]}, "spec": policy["spec"]}
        for policy in case.get("policies") or ()
    ]
    config = {**DATA["defaults"]["config"], **(case.get("config") or {})}
    config["definitions"] = {**DATA["defaults"]["config"]["definitions"], **config["definitions"]}
    config["node"] = {"onUnavailable": config.pop("nodeOnUnavailable")}
    objects.append({"kind": CONFIG_KIND, "metadata": {"name": "cluster"}, "spec": config})
    found = read_policies(objects)
    assert not found.config_problems
    assert not [policy.problems for policy in found.policies if policy.problems]
    return found


def rules_of(case: Mapping[str, Any]) -> Rules:
    return compile_rules(policies_of(case), Config(posture="Strict"))


def capable(config: str) -> str:
    """Return a configuration that has every capability.

    NB: the networks of the table declare no capabilities. The access rules do not ask for them, but the plan does: a
    pod that asks for `ips` of a network without that capability is refused with `capability-missing`, since no plugin
    would get the request (CNI 1.1 §"runtimeConfig"). The change is made in the text, because some texts repeat keys.
    """
    assert config.startswith("{")
    return f'{{"capabilities": {json.dumps(CAPABILITIES)}, {config[1:]}'


def world_of(case: Mapping[str, Any]) -> FakeCluster:
    networks = {
        (nad["namespace"], nad["name"]): netattachdef.build(
            namespace=nad["namespace"],
            name=nad["name"],
            config=capable(nad["config"]) if nad["config"] else nad["config"],
            labels=nad["labels"],
            annotations=nad["annotations"],
        )
        for nad in case["nads"]
    }
    return FakeCluster(networks, policies_of(case), case["namespaces"])


def review_of(case: Mapping[str, Any]) -> bytes:
    """Return the AdmissionReview that an API server would send in this case."""
    kind = case.get("kind", "Pod")
    old = None
    if kind == "NetworkAttachmentDefinition":
        nad = case["nad"]
        thing = {"metadata": _metadata(nad), "spec": {} if nad["config"] is None else {"config": nad["config"]}}
    else:
        thing = pod_maker(kind, case["pod"])
        if case.get("op") == "UPDATE":
            old = pod_maker(kind, {**case["pod"], "annotations": case["oldAnnotations"]})
    return review(
        kind,
        thing,
        old=old,
        user=case["user"],
        subresource=case.get("subresource", ""),
        operation=case.get("op", "CREATE"),
    )


def pod_maker(kind: str, pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pod, or the workload whose template makes it."""
    if kind == "Pod":
        return {"metadata": _metadata(pod), "spec": _spec(pod)}
    metadata = {key: pod[key] for key in ("labels", "annotations")}
    template = {"metadata": metadata, "spec": _spec(pod)}
    owner: dict[str, Any] = {"metadata": {"name": pod["name"], "namespace": pod["namespace"]}}
    if kind == "PodTemplate":
        return {**owner, "template": template}
    spec = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {"template": template}
    return {**owner, "spec": spec}


def _metadata(thing: Mapping[str, Any]) -> dict[str, Any]:
    return {key: thing[key] for key in ("name", "namespace", "labels", "annotations")}


def _spec(pod: Mapping[str, Any]) -> dict[str, Any]:
    return {"serviceAccountName": pod["serviceAccount"]}


def review(
    kind: str,
    thing: Mapping[str, Any],
    *,
    old: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
    subresource: str = "",
    operation: str | None = None,
) -> bytes:
    """Return an AdmissionReview about an object; the operation is UPDATE if there is an old one."""
    group, version = KINDS[kind]
    what = {"group": group, "version": version, "kind": kind}
    metadata = thing["metadata"]
    request = {
        "uid": "0f1e2d3c",
        "kind": what,
        "requestKind": what,
        "operation": operation or ("UPDATE" if old else "CREATE"),
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "subResource": subresource,
        "userInfo": user or {"username": "alice", "groups": ["system:authenticated"]},
        "object": thing,
        "oldObject": old,
        "dryRun": False,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()
