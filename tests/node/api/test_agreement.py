"""The webhook and the node decide alike under all policies: the same networks, codes and texts.

Both get the same objects, the webhook as a snapshot, the node through a reader without a connection. The worlds are
those of the decision table (tests/vectors/policy_cases.json), alone and combined by hypothesis. Left out is the gate of
upstream Multus, which does not apply where this plugin runs.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.judging.judge import judge
from cniplugin.access.model.decision import Config, Item, Subject
from cniplugin.access.model.policyrules import CONFIG_KIND, CONFIG_NAME, POLICY_KIND
from cniplugin.attach import podnetworks
from cniplugin.cluster import accessrules
from cniplugin.cluster.accessrules import Remark
from cniplugin.cluster.objects import Pod
from cniplugin.cnierrors import ACCESS_DENIED, CniError, NotFoundError
from cniplugin.netspec import annotation, netattachdef
from cniplugin.netspec.attachers import NADMIT
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.selection import NETWORKS
from cniplugin.protocol import netconf
from tests.paths import VECTORS
from tests.webhook.admission.world import FakeCluster, request
from webhook.admission.evaluate import evaluate
from webhook.admission.model.requests import Decision, Object
from webhook.admission.view.decisioncontext import Configuration, DecisionContext

Case = Mapping[str, Any]

DATA = json.loads((VECTORS / "policy_cases.json").read_text())
PODS: list[Case] = [
    case for case in DATA["cases"] if case.get("kind", "Pod") == "Pod" and case.get("op", "CREATE") == "CREATE"
]
ON_NODE = [case for case in PODS if case.get("stage") == "node"]
CAPABILITIES = dict.fromkeys(("ips", "mac", "bandwidth", "portMappings", "infinibandGUID", "deviceID"), True)


class World:
    """The objects of a cluster, as an `objects.Server`."""

    def __init__(self, objects: Sequence[Case], nads: Sequence[Case], namespaces: Mapping[str, dict[str, str]]) -> None:
        self.memo: dict[tuple[str, ...], object] = {}
        self.server = "https://192.0.2.1:6443"
        self.objects = objects
        self.nads = {(nad["namespace"], nad["name"]): nad for nad in nads}
        self.namespaces = namespaces
        self.has_rules = True

    def ask(self, *paths: str) -> None:
        """Without a connection there is nothing to send ahead."""

    def left_s(self) -> float:
        return 30.0

    def limit(self, seconds: float) -> None:
        """Without a connection there is no waiting."""

    def get(self, path: str, *, appears_within_s: float = 0.0) -> dict[str, Any]:  # noqa: ARG002  # as in the protocol
        steps = urlsplit(path).path.split("/")
        if steps[2] == "access.nadmit.io":
            return self._rules(steps[4])
        if steps[1] == "api":
            return {"metadata": {"name": steps[4], "labels": self.namespaces.get(steps[4], {})}}
        if steps[-1] == netattachdef.RESOURCE:
            where = steps[5] if "namespaces" in steps else None
            return {"items": [_object(nad) for (namespace, _), nad in self.nads.items() if where in (None, namespace)]}
        if (steps[5], steps[7]) not in self.nads:
            raise NotFoundError(11, f"{path} is not found")
        return _object(self.nads[steps[5], steps[7]])

    def _rules(self, resource: str) -> dict[str, Any]:
        if resource == "networkattachmentpolicies":
            if not self.has_rules:
                raise CniError(11, "not today")
            return {"items": [dict(value) for value in self.objects if value["kind"] == POLICY_KIND]}
        for value in self.objects:
            if value["kind"] == CONFIG_KIND:
                return dict(value)
        raise NotFoundError(11, "no configuration")

    def snapshot(self) -> FakeCluster:
        """Return the same for the webhook."""
        found = {
            key: netattachdef.build(
                namespace=key[0],
                name=key[1],
                config=nad["config"],
                labels=nad["labels"],
                annotations=nad["annotations"],
            )
            for key, nad in self.nads.items()
        }
        return FakeCluster(found, read_policies(self.objects), dict(self.namespaces))


def _object(nad: Case) -> dict[str, Any]:
    metadata = {key: nad[key] for key in ("namespace", "name", "labels", "annotations")}
    return {"metadata": metadata, "spec": {} if nad["config"] is None else {"config": nad["config"]}}


def policy_objects(case: Case) -> list[Case]:
    return [
        {"kind": POLICY_KIND, "metadata": {"name": value["name"]}, "spec": value["spec"]} for value in case["policies"]
    ]


def config_object(given: Mapping[str, Any]) -> Case:
    spec = {**DATA["defaults"]["config"], **given}
    spec["definitions"] = {**DATA["defaults"]["config"]["definitions"], **spec["definitions"]}
    spec["node"] = {"onUnavailable": spec.pop("nodeOnUnavailable")}
    spec.pop("multusGate", None)
    return {"kind": CONFIG_KIND, "metadata": {"name": CONFIG_NAME}, "spec": spec}


def with_capabilities(nad: Case) -> Case:
    """Give the network every capability that the pod asks for, so that the plan can be made."""
    if not nad["config"]:
        return nad
    return {**nad, "config": f'{{"capabilities": {json.dumps(CAPABILITIES)}, {nad["config"][1:]}'}


def world_of(case: Case) -> World:
    objects = [config_object(case.get("config") or {}), *policy_objects(case)]
    return World(objects, list(map(with_capabilities, case["nads"])), case["namespaces"])


def pod_of(value: Case) -> Pod:
    return Pod(
        namespace=value["namespace"],
        name=value["name"],
        uid="u",
        labels=value["labels"],
        annotations=value["annotations"],
        service_account=value["serviceAccount"],
        is_static=False,
    )


def webhook_says(pod: Pod, world: World) -> Decision:
    thing = Object(
        name=pod.name,
        labels=dict(pod.labels),
        annotations=dict(pod.annotations),
        service_account=pod.service_account,
    )
    asked = request(thing)._replace(namespace=pod.namespace)
    cluster = world.snapshot()
    return evaluate(
        asked,
        DecisionContext(
            cluster, compile_rules(cluster.policies, Config()), Configuration(injection=None, attached_by=NADMIT)
        ),
    )


def node_conf(directory: Path) -> netconf.NetConf:
    raw: dict[str, Any] = {"cniVersion": "1.0.0", "name": "n", "delegates": [{"type": "bridge"}]}
    raw |= {"recordDir": str(directory), "confDir": str(directory), "kubeletDir": str(directory)}
    return netconf.parse(raw)[0]


def node_says(pod: Pod, world: World, directory: Path) -> tuple[str, Sequence[Remark]]:
    """Return the text of a refusal, "" for a plan, "Invalid" for a SpecError; and the remarks."""
    conf = node_conf(directory)
    remarks: list[Remark] = []
    try:
        podnetworks.plan_networks(conf, pod, world, namespace="", ifname="eth0", uid="u", report=remarks.append)
    except SpecErrors:
        return "Invalid", remarks
    except CniError as error:
        if error.code != ACCESS_DENIED:
            raise AssertionError(error.msg) from error
        return f"{error.msg}\n{error.details}", remarks
    return "", remarks


def agree(pod: Pod, world: World, directory: Path) -> str:
    """Check that both decide alike, and return the node's text.

    NB: the webhook also reports other problems of items that are not refused; the node reports only the refusals.
    """
    decision = webhook_says(pod, world)
    said, remarks = node_says(pod, world, directory)
    expected = "" if decision.is_allowed else "Invalid" if decision.code == 422 else decision.message
    expected, _, also = expected.partition("\nalso wrong:")
    assert said == expected or (also and expected.splitlines()[:3] == said.splitlines()[:3])
    if decision.is_allowed:
        warned = [text for text in map(str, decision.warnings) if "(mode Warn)" in text]
        told = [line[:253] for remark in remarks for line in remark.message.splitlines()]
        assert told == [text[:253] for text in warned]
    return said


@pytest.mark.parametrize("case", PODS, ids=[case["id"] for case in PODS])
def test_the_decision_table(case: Case, tmp_path: Path) -> None:
    if case.get("policyCache"):
        return  # see test_verdicts_of_the_node_alone
    for nad in case["nads"]:
        if not nad["config"]:
            (tmp_path / f"{nad['name']}.conf").write_text(json.dumps({"type": "bridge", "name": nad["name"]}))
    said = agree(pod_of(case["pod"]), world_of(case), tmp_path)
    if case["expect"] != "deny" or case["reason_code"] != "MultusGate":
        assert bool(said) is (case["expect"] == "deny")


@pytest.mark.parametrize("case", ON_NODE, ids=[case["id"] for case in ON_NODE])
def test_verdicts_of_the_node_alone(case: Case, tmp_path: Path) -> None:
    world, pod = world_of(case), pod_of(case["pod"])
    if case.get("policyCache") == "unavailable":
        if case["snapshot"] == "ok":
            node_says(pod, world, tmp_path)
        world.has_rules = False
    said, remarks = node_says(pod, world, tmp_path)
    assert bool(said) is (case["expect"] == "deny")
    in_effect = accessrules.load(node_conf(tmp_path), pod.namespace, world)
    subject = Subject(namespace=pod.namespace, namespace_labels=in_effect.labels, labels=pod.labels)
    (element,) = annotation.parse(pod.annotations[NETWORKS], namespace=pod.namespace)
    network = world.snapshot().network(element.namespace, element.name)
    verdict = in_effect.refusal or judge(
        subject, Item(element=element, network=network, network_labels={}), in_effect.rules, is_on_node=True
    )
    codes = [verdict.code, *(remark.reason for remark in remarks)]
    assert case["reason_code"] in codes
    if "decided_by" in case:
        assert f"{verdict.policy}/{verdict.rule}" == case["decided_by"]


POLICIES = [value for case in DATA["cases"] for value in policy_objects(case)]
CONFIGS = [case.get("config") or {} for case in DATA["cases"]]
NADS = [
    with_capabilities(nad)
    for case in DATA["cases"]
    for nad in case["nads"]
    if nad["config"] and netattachdef.RESOURCE_NAME not in nad["annotations"]
]
SUBJECTS = [case["pod"] for case in PODS]
TEXTS = sorted({text for pod in SUBJECTS for text in pod["annotations"].values()})
NAMES = ("lan", "infra/storage", "default/internet", "green/lan", "green/shared", "raw", "nowhere/net", "lan@x1")


@st.composite
def worlds(draw: st.DrawFn) -> World:
    policies = draw(st.lists(st.sampled_from(POLICIES), max_size=6))
    named = [{**value, "metadata": {"name": f"p{number}"}} for number, value in enumerate(policies)]
    config = draw(st.one_of(st.none(), st.sampled_from(CONFIGS)))
    nads = draw(st.lists(st.sampled_from(NADS), max_size=8))
    objects = [*([config_object(config)] if config is not None else []), *named]
    return World(objects, nads, DATA["cases"][0]["namespaces"])


@st.composite
def pods(draw: st.DrawFn) -> Pod:
    pod = pod_of(draw(st.sampled_from(SUBJECTS)))
    if draw(st.booleans()):
        return pod
    text = draw(
        st.one_of(st.sampled_from(TEXTS), st.lists(st.sampled_from(NAMES), min_size=1, max_size=7).map(",".join))
    )
    return pod.replace(annotations={**pod.annotations, NETWORKS: text})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pod=pods(), world=worlds())
def test_mixed_worlds(pod: Pod, world: World) -> None:
    with tempfile.TemporaryDirectory() as directory:
        agree(pod, world, Path(directory))
