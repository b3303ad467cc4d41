"""Measures access policies: 1,000 of 5 rules over 2,000 namespaces and 10,000 definitions, beside a cluster without policies.

Policies are of the kinds in the manual: half name two namespaces, a third select namespaces by prefix or label, the rest
are guardrails for every pod. Each decision is whole, in process: decode, decide, encode.
"""

from __future__ import annotations

import gc
import itertools
import json
import resource
import time
from collections.abc import Callable, Iterator
from typing import Any

from cniplugin.access.compile import NO_POLICIES, Policies, read_policies
from cniplugin.access.model.decision import NAME_LABEL, Config
from webhook.admission.evaluate import evaluate
from webhook.admission.view.decisioncontext import CompiledRules, Configuration, DecisionContext
from webhook.review import wire
from webhook.review.decisioncache import DecisionCache
from webhook.snapshot.snapshot import Definition, Snapshot

POLICIES, RULES, NAMESPACES, NETWORKS = 1_000, 5, 2_000, 10_000
CONFIG = '{"cniVersion":"1.0.0","name":"net-%d","plugins":[{"type":"macvlan","master":"bond1.%d","capabilities":{"ips":true}}]}'
REPEATED = 5_000
"""Reviews of a row: more than a snapshot remembers, so that different pods are decided each time."""


def policy(number: int) -> dict[str, Any]:
    """Return one policy, as the API server returns it."""
    spec: dict[str, Any] = {"attachments": [_rule(number, rule) for rule in range(RULES)]}
    if number % 6 < 3:
        spec["pods"] = [{"namespaces": [_namespace(number * 2), _namespace(number * 2 + 1)]}]
    elif number % 6 == 3:
        spec["pods"] = [{"namespaces": [f"team-{number % 20}*"]}]
    elif number % 6 == 4:
        spec["pods"] = [{"namespaceSelector": {"matchLabels": {"tenant": f"t{number % 100}"}}}]
    else:
        spec["exceptPods"] = [{"namespaces": ["infra"], "serviceAccounts": ["edge-router"]}]
    return {"kind": "NetworkAttachmentPolicy", "metadata": {"name": f"policy-{number}"}, "spec": spec}


def _rule(number: int, rule: int) -> dict[str, Any]:
    if rule == 0:
        return {"name": "no-takeover", "action": "Deny", "onRequests": ["defaultRoute", "replaceDefaultNetwork"]}
    if rule == 1:
        return {"name": "no-host", "action": "Deny", "networks": [{"pluginTypes": ["host-device"]}]}
    where = {"namespaces": [_namespace(number * 7 + rule)], "names": [f"net-{number % 5}", "lan*"]}
    return {"name": f"r{rule}", "action": "Allow", "networks": [where], "limits": {"ips": {"cidrs": ["10.1.0.0/16"]}}}


def _namespace(number: int) -> str:
    return f"team-{number % NAMESPACES}"


def snapshot(policies: Policies) -> Snapshot:
    """Return a cluster with these policies."""
    definitions: dict[str, dict[str, Definition]] = {}
    for number in range(NETWORKS):
        namespace, name = _namespace(number), f"net-{number // NAMESPACES}"
        config = CONFIG % (number, number % 4096)
        made = Definition(namespace=namespace, name=name, config=config, labels=(), annotations=())
        definitions.setdefault(namespace, {})[name] = made
    labels = {
        _namespace(number): {NAME_LABEL: _namespace(number), "tenant": f"t{number % 100}"}
        for number in range(NAMESPACES)
    }
    return Snapshot(definitions, labels, policies)


def bodies(networks: str, *, are_different: bool) -> Iterator[bytes]:
    """Yield reviews of pods; different ones differ in a label and in their namespace."""
    for number in itertools.count():
        wanted = number if are_different else 0
        namespace = _namespace(wanted % 50)
        metadata = {
            "name": "web",
            "labels": {"app": "web", "number": str(wanted)},
            "annotations": {"k8s.v1.cni.cncf.io/networks": networks},
        }
        request = {
            "uid": "u",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "namespace": namespace,
            "name": "web",
            "userInfo": {"username": "x"},
            "object": {"metadata": metadata, "spec": {}},
        }
        yield json.dumps({"apiVersion": wire.API_VERSION, "kind": wire.KIND, "request": request}).encode()


ROWS = {
    "the same pod again": ("net-0,net-1", False),
    "pods that all differ": ("net-0,net-1", True),
    "refused, with its list": ("net-0,team-1999/net-4", True),
}


def run() -> None:
    """Print this part of the report."""
    objects = [json.loads(json.dumps(policy(number))) for number in range(POLICIES)]
    print(f"\nAccess: {POLICIES:,} policies of {RULES} rules, {NAMESPACES:,} namespaces, {NETWORKS:,} definitions")
    gc.collect()
    before = _rss_mib()
    started = time.perf_counter()
    policies = read_policies(objects)
    read = time.perf_counter()
    CompiledRules(Config())(snapshot(policies))
    print(
        f"read {1e3 * (read - started):.0f} ms, index {1e3 * _seconds(policies):.0f} ms; {_rss_mib() - before:.0f} MiB"
    )
    print(f"{'microseconds per review':28}{'none':>10}{'policies':>10}{'ratio':>8}")
    clusters = snapshot(NO_POLICIES), snapshot(policies)
    for name, (networks, are_different) in ROWS.items():
        costs = [_cost(cluster, networks, are_different=are_different) for cluster in clusters]
        print(f"{name:28}{costs[0]:>10.1f}{costs[1]:>10.1f}{costs[1] / costs[0]:>8.2f}")


def _seconds(policies: Policies) -> float:
    cluster = snapshot(policies)
    started = time.perf_counter()
    CompiledRules(Config())(cluster)
    return time.perf_counter() - started


def _cost(cluster: Snapshot, networks: str, *, are_different: bool) -> float:
    configuration = Configuration(injection=None)
    rules = CompiledRules(Config())(cluster)
    context = DecisionContext(cluster, rules, configuration, memory=DecisionCache(configuration))
    given = list(itertools.islice(bodies(networks, are_different=are_different), REPEATED))

    def once() -> None:
        for body in given:
            request = wire.decode(body)
            wire.encode(request, evaluate(request, context))

    return min(_times(once) for _ in range(5)) / REPEATED * 1e6


def _times(call: Callable[[], None]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _rss_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    run()
