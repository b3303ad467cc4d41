"""Each side door of the access policy's design, tried by users with kubectl, at a real API server, in stage Fail.

`tests/cniplugin/access/test_side_doors.py` tests the same doors with single reviews, in more variants. These tests show
which webhook the API server calls, and which objects it stores. No node takes part.

| # | Door | What is tried here; what is elsewhere |
| --- | --- | --- |
| 1 | definition edited after the check | bob's edit is refused, after the admin's a new pod is; at ADD: cniplugin/access/test_decision_table.py D10 |
| 2 | tenant's definition of type host-device, foreign master | under `definitions.default: Deny`, created and edited |
| 3 | `type: ../../x` | written by the admin, and used where it is older than the webhook |
| 4 | empty `spec.config` runs a file of the node | written, and used |
| 5 | delegating plugin, nested delegates | written by the admin, and used where it is older than the webhook |
| 6 | second plugin in a chain | written, and used |
| 7 | annotation changed by UPDATE | annotate, patch, apply, replace |
| 8 | `pods/status`, `pods/binding` | both, and `pods/resize`, which leaves annotations alone |
| 9 | another default network | on create and by UPDATE |
| 10 | `cni-args` carrying ips, mac, sysctl | each |
| 11 | JSON case, duplicates, null items | on a pod and in a definition |
| 12 | namespace label spoofing | no user can set `kubernetes.io/metadata.name`, and bob no label of a namespace |
| 13 | NAD label self-selection, pod label evasion | the protection by each narrowing; lints: cniplugin/access/lints/test_lints.py |
| 14 | service account choice | it narrows, and is no boundary inside a namespace |
| 15 | `failurePolicy: Ignore` window | a webhook that hangs admits only objects without networks |
| 16 | webhook configuration deleted | which requests pass meanwhile, and that it comes back as Ignore; the node: cniplugin/access/test_decision_table.py |
| 17 | static pods | the mirror pod is refused; the kubelet runs it all the same: cniplugin/cluster/test_objects.py |
| 18 | forged mirror annotations | no annotation exempts, nor does any user |
| 19 | pod before its network | the pod is refused, a Deployment gets a warning; at ADD: cniplugin/access/test_decision_table.py D10 |
| 20 | forged network-status | bob and the admin may not, nodes and listed writers may |
| 21 | replay of a signed approval | nothing that a pod carries approves anything |
| 22 | existence probing | one text for networks that are there, broken, or not there |
| 23 | expensive policy | the schema has bounds, and a large policy is judged in time |
| 24 | sandbox re-creation after tightening | the pod stays and can be labelled, a new one is refused; at ADD: cniplugin/access/test_decision_table.py H17 |
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.rig.registered import (
    CONFIGURATION,
    NETWORKS,
    STATUS,
    Object,
    empty_configuration,
    hooks,
    is_in_order,
    policies,
    run_webhooks,
)
from tests.cluster.rig.tenants import (
    ADMIN,
    NODE,
    TENANTS,
    Tenants,
    admitted,
    annotate,
    config_of,
    network,
    pod,
    policy,
    refused,
    tenants,
)
from tests.cniplugin.access.cases import CAPABILITIES
from tests.fakes.waiting import wait_until
from tests.realapi.server import MERGE_PATCH, RealApiServer
from webhook.registration.tables import VALIDATING_KIND

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

DEFAULT_NETWORK = "v1.multus-cni.io/default-network"
MACVLAN = config_of("macvlan", master="bond1", capabilities=CAPABILITIES)
HOST_DEVICE = config_of("host-device", device="eth3")
PATH = config_of("../../x")
META = {"config": '{"cniVersion":"1.0.0","plugins":[{"type":"other","delegates":[{"type":"multus"}]}]}'}
NETS: dict[str, Object] = dict.fromkeys(
    ("blue/lan", "infra/storage", "default/internet", "green/shared", "evil/lan"), MACVLAN
)
NO_HOST_DEVICE = policy(
    "guard", attachments=[{"name": "no-host-device", "action": "Deny", "networks": [{"pluginTypes": ["host-device"]}]}]
)
OWN = {
    "name": "own",
    "action": "Allow",
    "authors": {"groups": [TENANTS]},
    "config": {"pluginTypes": ["macvlan", "tuning"], "masters": ["bond1"]},
}
DEFINITIONS = policy("definitions", definitions=[OWN])
UNSAFE = "decided: built-in check of network configurations"
STRICT = {"definitions": {"default": "Deny"}}
ISOLATED = ("default posture Isolated (no rule covers this pod and network)",)


@pytest.fixture(scope="module")
def served(real_api: RealApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with tenants(
        real_api, tmp_path_factory.mktemp("doors") / "certs", old={"old/path": PATH, "old/meta": META}
    ) as world:
        yield world


@pytest.fixture
def world(served: Tenants) -> Iterator[Tenants]:
    served.clear()
    yield served
    served.clear()


@pytest.fixture
def plain(world: Tenants) -> Tenants:
    """Posture Isolated, no policies, and the networks."""
    world.settle(networks=NETS)
    return world


def write(world: Tenants, spec: Object, **user: Any) -> Any:
    return world.create(network("blue/mine", spec), **user)


def test_01_a_definition_edited_after_the_check(world: Tenants) -> None:
    world.settle(NO_HOST_DEVICE, DEFINITIONS, networks=NETS)
    assert admitted(world.create(pod("lan")))
    edit = json.dumps({"spec": HOST_DEVICE})
    words = ("patch", "net-attach-def", "lan", "-n", "blue", "--type=merge", "-p", edit)
    assert refused(world.kubectl(*words), "user bob may not write", "host-device is not one of", by="networks")
    assert admitted(world.kubectl(*words, user=ADMIN))
    world.settle()
    assert refused(world.create(pod("lan")), "no-host-device")


def test_02_a_tenants_definition(world: Tenants) -> None:
    world.settle(DEFINITIONS, config=STRICT)
    for spec in (
        HOST_DEVICE,
        config_of("macvlan", master="eth0"),
        config_of("macvlan"),  # the interface of the node's default route
        config_of("any-binary"),
    ):
        assert refused(write(world, spec), 'rule "own" (Allow, config)', by="networks")
    assert refused(write(world, MACVLAN, user=NODE), "definitions.default Deny", by="networks")
    assert admitted(write(world, MACVLAN))
    assert refused(world.apply(network("blue/mine", HOST_DEVICE)), 'rule "own"', by="networks")
    assert world.api.must("GET", world.api.path_of(network("blue/mine", {})))["spec"] == MACVLAN


def test_03_a_path_as_type(world: Tenants) -> None:
    world.settle(config={"posture": "Open"})
    for user in (ADMIN, NODE):
        assert "is invalid: spec.config.type: the type is a path" in write(world, PATH, user=user).stderr
    assert refused(world.create(pod("path", namespace="old")), UNSAFE)


def test_04_an_empty_config(world: Tenants) -> None:
    on_disk = policy("files", attachments=[{"name": "no-files", "action": "Deny", "networks": [{"onDisk": True}]}])
    world.settle(on_disk, DEFINITIONS, networks={**NETS, "blue/disk": {}})
    assert refused(world.create(pod("disk")), 'rule "no-files" (Deny)')
    assert admitted(world.create(pod("lan")))
    for spec in ({}, {"config": ""}):
        assert refused(write(world, spec), 'rule "own" (Allow, config)', by="networks")


def test_05_a_delegating_plugin(world: Tenants) -> None:
    nested = config_of("macvlan", master="bond1", delegates=[{"type": "host-device"}])
    world.settle(NO_HOST_DEVICE, DEFINITIONS, networks={"blue/nested": nested})
    assert "a delegating plugin cannot be a delegate" in write(world, META, user=ADMIN).stderr
    assert refused(world.create(pod("meta", namespace="old")), UNSAFE)
    assert refused(world.create(pod("nested")), "no-host-device")
    assert refused(write(world, nested), "host-device is not one of macvlan, tuning", by="networks")


def test_06_the_second_plugin_of_a_chain(world: Tenants) -> None:
    """NB: a second main plugin, such as host-device, is refused in any case (NAD408)."""
    plugins = [{"type": "macvlan", "master": "bond1", "ipam": {"type": "dhcp"}}, {"type": "sbr"}]
    chain = {"config": json.dumps({"cniVersion": "1.0.0", "plugins": plugins})}
    deny = {"name": "no-sbr", "action": "Deny", "networks": [{"pluginTypes": ["sbr"]}]}
    world.settle(policy("guard", attachments=[deny]), DEFINITIONS, networks={"blue/chain": chain})
    assert refused(world.create(pod("chain")), "no-sbr")
    assert refused(write(world, chain), "sbr is not one of macvlan, tuning", by="networks")
    chain = {"config": json.dumps({"cniVersion": "1.0.0", "plugins": [plugins[0], {"type": "host-device"}]})}
    assert "NAD408" in write(world, chain, user=ADMIN).stderr


def test_07_an_update_of_the_annotation(plain: Tenants) -> None:
    for name, networks in (("web", "lan"), ("bare", None)):
        old = plain.running(name, networks=networks)
        told = {"metadata": {**old["metadata"], "annotations": {NETWORKS: "green/shared"}}}
        text = json.dumps({**old, **told})
        words = ("annotate", "pod", name, "-n", "blue", "--overwrite", f"{NETWORKS}=lan,green/shared")
        assert refused(plain.kubectl(*words), *ISOLATED)
        assert refused(annotate(plain, name, {NETWORKS: "green/shared"}), *ISOLATED)
        assert refused(plain.kubectl("apply", "-f", "-", stdin=text), *ISOLATED)
        assert refused(plain.kubectl("replace", "-f", "-", stdin=text), *ISOLATED)
        assert admitted(annotate(plain, name, {NETWORKS: "lan,lan"}))
        assert admitted(annotate(plain, name, {NETWORKS: None}))


def test_08_subresources_of_a_pod_and_bindings(plain: Tenants) -> None:
    old = plain.running("web", networks="lan")
    path = plain.api.path_of(old)
    assert refused(annotate(plain, "web", {NETWORKS: "green/shared"}, subresource="status"), *ISOLATED)
    assert admitted(annotate(plain, "web", {NETWORKS: "green/shared"}, subresource="resize"))  # and is not carried out
    for key in (NETWORKS, DEFAULT_NETWORK, STATUS):
        metadata = {"name": "web", "annotations": {key: "lan"}}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": {"kind": "Node", "name": "n"}}
        for words in (("--raw", f"{path}/binding"), ("--raw", "/api/v1/namespaces/blue/bindings")):
            done = plain.kubectl("create", *words, "-f", "-", user=ADMIN, stdin=json.dumps(binding))
            assert refused(done, "network access denied: binding", by="bindings")
    assert plain.api.must("GET", path)["metadata"]["annotations"] == {NETWORKS: "lan"}


def test_09_another_default_network(world: Tenants) -> None:
    everything: Object = {"name": "all", "action": "Allow", "limits": {"default": "Allow"}}
    asked = pod(more={DEFAULT_NETWORK: "blue/lan"})
    world.settle(networks=NETS)
    assert refused(world.create(asked), "default posture Isolated")
    world.running("web")
    assert refused(annotate(world, "web", {DEFAULT_NETWORK: "blue/lan"}), "default posture Isolated")
    world.settle(policy("p", attachments=[everything]))
    assert refused(world.create(asked), 'rule "all" (Allow')
    world.settle(policy("p", attachments=[{**everything, "limits": {"replaceDefaultNetwork": {}}}]))
    assert admitted(world.create(asked))


def test_10_cni_args(world: Tenants) -> None:
    world.settle(policy("p", attachments=[{"name": "basic", "action": "Allow"}]), networks=NETS)
    for arguments, spelling in (
        ({"mac": "02:00:00:00:00:01"}, "mac"),
        ({"MAC": "02:00:00:00:00:01"}, "mac"),
        ({"ips": ["10.9.0.1"]}, "ips"),
        ({"Ip": "10.9.0.1"}, "ips"),
        ({"sysctl": {"net.ipv4.ip_forward": "1"}}, "cni-args"),
    ):
        asked = json.dumps([{"name": "lan", "cni-args": arguments}])
        assert refused(world.create(pod(asked)), f'the request uses "{spelling}"', 'rule "basic" (Allow')
    assert admitted(world.create(pod("lan")))


def test_11_tricks_of_parsers(plain: Tenants) -> None:
    """Keys are read as Go reads them: letter case folds, and the last key counts. The meaning is judged."""
    for networks in (
        '[{"name":"lan","Namespace":"infra"}]',
        '[{"name":"lan","namespace":"blue","namespace":"infra"}]',
        '[{"name":"lan","Namespace":"blue","namespace":"infra"}]',
        '[{"name":"lan","namespace":"blue","NAMESPACE":"infra"}]',
    ):
        assert refused(plain.create(pod(networks)), *ISOLATED, "infra/lan")
    for networks in ('[{"Name":"storage","name":"lan"}]', '[{"name":"lan","namespace":"infra","Namespace":"blue"}]'):
        done = plain.create(pod(networks))
        assert admitted(done)
        assert "Warning: " in done.stderr
    for networks in (
        '[{"name":"lan","Name":"storage"}]',
        "[null]",
        '[{"name":"lan","cni-args":{"a":1,"a":2}}]',
    ):
        done = plain.create(pod(networks))
        assert (done.returncode, "is invalid: " in done.stderr) == (1, True), done.stderr
    for config in (
        '{"cniVersion":"1.0.0","type":"bridge","type":"host-device"}',
        '{"cniVersion":"1.0.0","type":"bridge","Type":"host-device"}',
    ):
        done = write(plain, {"config": config})
        assert (done.returncode, "is invalid: " in done.stderr) == (1, True), done.stderr


def test_12_a_namespace_cannot_take_the_name_of_another(world: Tenants) -> None:
    """The API server writes `kubernetes.io/metadata.name` itself, over the value of any user."""
    key = "kubernetes.io/metadata.name"
    storage = {"name": "san", "action": "Allow", "networks": [{"namespaces": ["infra"]}]}
    by_label = [{"namespaceSelector": {"matchLabels": {key: "blue"}}}]
    evil = pod("infra/storage", namespace="evil")
    label = ("label", "namespace", "evil", "--overwrite")
    assert "is forbidden" in world.kubectl(*label, "tenant=blue").stderr
    world.kubectl(*label, f"{key}=blue", user=ADMIN)
    assert world.api.must("GET", "/api/v1/namespaces/evil")["metadata"]["labels"][key] == "evil"
    for pods in ([{"namespaces": ["blue"]}], by_label):
        world.settle(policy("p", pods=pods, attachments=[storage]), networks=NETS)
        assert admitted(world.create(pod("infra/storage")))
        assert refused(world.create(evil), *ISOLATED)


def test_13_labels_are_under_their_authors_control(world: Tenants) -> None:
    """A network cannot label itself into a rule that names namespaces; a Deny for labelled pods can be evaded."""
    shared = {"selector": {"matchLabels": {"class": "shared"}}}
    selected = {"name": "a", "action": "Allow", "networks": [{"namespaces": ["infra"], **shared}]}
    deny = {"name": "d", "action": "Deny", "networks": [{"names": ["lan"]}]}
    labelled = [{"podSelector": {"matchLabels": {"app": "web"}}}]
    assert admitted(world.create(network("evil/trap", MACVLAN, {"class": "shared"})))
    world.api.put(network("infra/open", MACVLAN, {"class": "shared"}))
    world.settle(policy("p", attachments=[selected]), policy("q", pods=labelled, attachments=[deny]), networks=NETS)
    assert admitted(world.create(pod("infra/open")))
    assert refused(world.create(pod("evil/trap")), *ISOLATED)
    assert refused(world.create(pod("infra/storage")), *ISOLATED)
    assert refused(world.create(pod("lan", labels={"app": "web"})), 'rule "d" (Deny)')
    assert admitted(world.create(pod("lan", labels={"app": "other"})))
    world.settle(policy("q", pods=[{"namespaces": ["blue"]}], attachments=[deny]))
    assert refused(world.create(pod("lan", labels={"app": "other"})), 'rule "d" (Deny)')


def test_14_a_service_account_is_no_boundary_inside_a_namespace(world: Tenants) -> None:
    deny = {"name": "d", "action": "Deny", "onRequests": ["defaultRoute"]}
    excepted = [{"namespaces": ["green"], "serviceAccounts": ["router"]}]
    ipam = {"type": "static", "addresses": [{"address": "10.1.0.7/24"}]}
    addressed = config_of("macvlan", master="bond1", ipam=ipam)
    world.settle(
        policy("p", exceptPods=excepted, attachments=[deny]),
        networks=dict.fromkeys(("green/lan", "blue/lan"), addressed),
    )
    for namespace in ("green", "blue"):
        router = {"name": "router", "namespace": namespace}
        world.api.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": router})
    asked = '[{"name":"lan","default-route":["10.1.0.1"]}]'
    assert admitted(
        world.create(pod(asked, namespace="green", serviceAccountName="router"))
    )  # for every author of the pod
    assert refused(world.create(pod(asked, namespace="green")), 'rule "d" (Deny)')
    assert refused(world.create(pod(asked, serviceAccountName="router")), 'rule "d" (Deny)')


def test_15_a_webhook_that_does_not_answer_admits_no_networks(plain: Tenants) -> None:
    """NB: the test takes the `timeoutSeconds` of each called webhook: 5 s, and 2 s for pods without networks."""
    plain.server.process.send_signal(signal.SIGSTOP)
    try:
        said = plain.create(pod("lan")).stderr
        assert 'failed calling webhook "pods.inject.nadmit.io"' in said
        assert admitted(plain.create(pod()))
    finally:
        plain.server.process.send_signal(signal.SIGCONT)
    wait_until(lambda: plain.create(pod("lan")).returncode == 0)


def test_16_a_configuration_that_is_deleted(plain: Tenants) -> None:
    """Without the configuration no webhook is asked; after the manifest is applied it is back, in stage Ignore."""
    asked = pod("green/shared")
    assert refused(plain.create(asked), *ISOLATED)
    plain.api.must("DELETE", CONFIGURATION)
    try:
        wait_until(lambda: plain.create(asked, "--dry-run=server").returncode == 0)
        wait_until(lambda: not is_in_order(plain.server))
    finally:
        plain.api.put(empty_configuration(VALIDATING_KIND))
        wait_until(lambda: is_in_order(plain.server))
    wait_until(lambda: plain.create(asked, "--dry-run=server").returncode == 1)
    assert set(policies(plain.api).values()) == {"Ignore"}
    assert run_webhooks(plain.api, "stage", "Fail").exit_code == 0


MIRROR = {
    "kubernetes.io/config.mirror": "6a2e",
    "kubernetes.io/config.source": "file",
    "kubernetes.io/config.seen": "2024-01-01T00:00:00Z",
}


def test_17_a_mirror_pod_is_judged_like_any_other(plain: Tenants) -> None:
    """A node creates it. The kubelet runs its pod in any case, and the plugin checks the rules again."""
    assert refused(plain.create(pod("green/shared", more=MIRROR, nodeName="n1"), user=NODE), *ISOLATED)
    assert admitted(plain.create(pod("lan", more=MIRROR, nodeName="n1"), user=NODE))


def test_18_no_annotation_and_no_user_is_exempt(plain: Tenants) -> None:
    own = ("access.nadmit.io/exempt", "access.nadmit.io/allowed-namespaces", "access.nadmit.io/skip")
    for values in (MIRROR, *(dict.fromkeys(own, value) for value in ("true", "all", "blue"))):
        claimed = pod("green/shared", more=values, labels=dict.fromkeys(own, "true"), nodeName="n1")
        assert refused(plain.create(claimed), *ISOLATED)
    for user in (NODE, ADMIN):
        assert refused(plain.create(pod("green/shared"), user=user), *ISOLATED)


def test_19_a_pod_before_its_network(world: Tenants) -> None:
    template = {"metadata": {"labels": {"app": "x"}, "annotations": {NETWORKS: "later"}}, "spec": pod()["spec"]}
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": template}
    head = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "blue"}}
    world.settle(NO_HOST_DEVICE)
    done = world.create(pod("later"))
    assert (done.returncode, 'is no NetworkAttachmentDefinition "later"' in done.stderr) == (1, True), done.stderr
    done = world.create({**head, "spec": spec})
    assert (done.returncode, "Warning: " in done.stderr, "later" in done.stderr) == (0, True, True), done.stderr
    world.settle(networks={"blue/later": HOST_DEVICE})
    assert refused(world.create(pod("later")), "no-host-device")


def test_20_a_forged_network_status(world: Tenants) -> None:
    agent = "system:serviceaccount:green:agent"
    writer = ("--as", agent, "--as-group", TENANTS)
    world.settle(config={"networkStatusMode": "Deny"}, networks=NETS)
    wait_until(lambda: STATUS in hooks(world.api)["pods.access.nadmit.io"]["matchConditions"][0]["expression"])
    world.running("web", networks="lan")
    # The API server learns of changed conditions by a watch.
    wait_until(lambda: 'webhook "pods.access' in annotate(world, "web", {STATUS: "[7]"}).stderr)
    forged = {STATUS: '[{"name":"evil"}]'}
    for user in ({}, {"user": ADMIN}, {"user": writer}):
        for where in ({}, {"subresource": "status"}):
            assert refused(annotate(world, "web", forged, **where, **user), "network-status")
    assert admitted(annotate(world, "web", forged, subresource="status", user=NODE))
    assert refused(annotate(world, "web", {STATUS: None}), "network-status")
    world.settle(config={"networkStatusMode": "Deny", "statusWriters": [agent]})
    assert admitted(annotate(world, "web", {STATUS: "[]"}, subresource="status", user=writer))


def test_21_nothing_that_a_pod_carries_approves_it(plain: Tenants) -> None:
    """An earlier admission, the status of an attached network, or a name that was allowed before approves no request."""
    status = '[{"name":"green/shared","interface":"net1","ips":["10.1.0.7"]}]'
    carried = {STATUS: status, "access.nadmit.io/approved": "sig"}
    assert refused(plain.create(pod("green/shared", name="web", more=carried)), *ISOLATED)
    plain.running("web", networks="lan", more=carried)
    assert refused(annotate(plain, "web", {NETWORKS: "green/shared"}), *ISOLATED)


def test_22_existence_cannot_be_probed(world: Tenants) -> None:
    world.api.put(network("green/net-qa", MACVLAN))
    consent = [{"name": "a", "action": "Allow", "networks": [{"namespaces": ["green"]}], "requireConsent": True}]
    content = [{"name": "d", "action": "Deny", "networks": [{"pluginTypes": ["macvlan"]}]}]
    networks = {"green/net-qb": HOST_DEVICE, "green/net-qc": {}, "green/net-qd": MACVLAN}
    for rules in ([], consent, content):
        world.api.must("DELETE", "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicies")
        world.settle(*([policy("p", attachments=rules)] if rules else []), networks=networks)
        for asked in ("", ',"mac":"02:00:00:00:00:01"'):
            said = set()
            for name in ("net-qa", "net-qb", "net-qc", "net-qd", "net-qe"):
                done = world.create(pod(f'[{{"name":"{name}","namespace":"green"{asked}}}]', name="web"))
                assert refused(done, f"green/{name}")
                said.add(done.stderr.replace(name, "NAME"))
            assert len(said) == 1


def test_23_the_largest_policies_cost_little(world: Tenants) -> None:
    """The API server refuses policies above its bounds; 4 policies of 64 rules of 128 patterns are judged in time.

    NB: the lints compare every two rules, so one policy of 600 kB (8 such networks in each rule) takes 6 s on two cores,
    which is more than `timeoutSeconds`.
    """
    names = [f"n{number}-*" for number in range(64)]
    rules = [
        {"name": f"r{number}", "action": "Deny", "networks": [{"names": names, "masters": names}]}
        for number in range(64)
    ]
    too_many = policy("large", attachments=[*rules, {**rules[0], "name": "r64"}])
    said = world.create(too_many, user=ADMIN).stderr
    assert "must have at most 64 items" in said
    for number in range(4):
        world.api.put(policy(f"l{number}", attachments=rules))
    world.settle(networks=NETS)
    assert refused(world.create(pod("green/shared")), *ISOLATED)
    assert admitted(world.create(pod("lan")))


def test_24_a_running_pod_after_the_rules_were_tightened(plain: Tenants) -> None:
    old = plain.running("web", networks="lan")
    deny = {"name": "no-lan", "action": "Deny", "networks": [{"names": ["lan"]}]}
    plain.settle(policy("new", attachments=[deny]))
    path = plain.api.path_of(old)
    assert plain.api.must("GET", path)["metadata"]["resourceVersion"] == old["metadata"]["resourceVersion"]
    assert admitted(plain.kubectl("label", "pod", "web", "-n", "blue", "a=b"))
    status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    plain.api.must("PATCH", f"{path}/status", status, kind=MERGE_PATCH)
    assert refused(plain.create(pod("lan")), 'rule "no-lan" (Deny)')


def test_every_door_has_a_test() -> None:
    doors = set(re.findall(r"^\| (\d+) \|", __doc__, flags=re.MULTILINE))
    tested = {str(int(name[5:7])) for name in globals() if re.match(r"test_\d\d_", name)}
    assert doors == tested == {str(number) for number in range(1, 25)}
