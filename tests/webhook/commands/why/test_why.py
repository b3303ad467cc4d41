"""`nadmit why`: from an API server and from files, what it says without rights, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cniplugin.records.journal import Entry, Journal, Store
from tests.fakes import objectstore
from tests.fakes.apiserver import ApiServer, status
from tests.fakes.objects import write_kubeconfig
from tests.fakes.objectstore import NAMESPACES, NETWORKS, PODS, POLICIES
from tests.webhook.report.diagnosis.cases import CASES, Case, Object, objects_of, one, without_events
from webhook.cli import nadmit
from webhook.commands.why.targets import NETWORK_KIND, Target, parse

EVENTS = "/api/v1/events"
APPS = {kind: f"/apis/apps/v1/{kind.lower()}s" for kind in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")}
KUBEVIRT = {kind: f"/apis/kubevirt.io/v1/{kind.lower()}s" for kind in ("VirtualMachine", "VirtualMachineInstance")}
BATCH = {kind: f"/apis/batch/v1/{kind.lower()}s" for kind in ("Job", "CronJob")}
COLLECTIONS = {
    **APPS,
    **BATCH,
    **KUBEVIRT,
    "Event": EVENTS,
    "Pod": PODS,
    "Namespace": NAMESPACES,
    NETWORK_KIND: NETWORKS,
    "NetworkAttachmentPolicy": POLICIES,
    "NetworkAttachmentPolicyConfig": objectstore.CONFIGS,
    "ReplicationController": "/api/v1/replicationcontrollers",
}
FORBIDDEN = (403, status(403, "no"))


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        server.has_whole_pods = True
        server.serve(*(path for path in COLLECTIONS.values() if path not in objectstore.PATHS))
        yield server


@pytest.fixture
def kubeconfig(api: ApiServer, tmp_path: Path) -> Path:
    return write_kubeconfig(tmp_path / "kubeconfig", api.url)


def case(name: str) -> Case:
    return next(one for one in CASES if one.id == name)


def fill(api: ApiServer, objects: list[Object]) -> None:
    for item in objects:
        api.put(COLLECTIONS[item["kind"]], item)


def run(*words: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(nadmit, ["why", *words], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def ask(kubeconfig: Path, target: str, *words: str, namespace: str = "shop") -> tuple[int, dict[str, Any]]:
    result = run("-n", namespace, target, "--kubeconfig", str(kubeconfig), "-o", "json", *words)
    assert result.exit_code != 2, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, answer


# What is asked about


@pytest.mark.parametrize(
    ("word", "target"),
    [
        ("web-0", Target("Pod", "web-0")),
        ("pod/web-0", Target("Pod", "web-0")),
        ("pods/web-0", Target("Pod", "web-0")),
        ("deploy/web", Target("Deployment", "web")),
        ("Deployments.apps/web", Target("Deployment", "web")),
        ("sts/db", Target("StatefulSet", "db")),
        ("cj/nightly", Target("CronJob", "nightly")),
        ("vm/db", Target("VirtualMachine", "db")),
        ("net-attach-def/lan", Target(NETWORK_KIND, "lan")),
        ("network-attachment-definitions/lan", Target(NETWORK_KIND, "lan")),
        ("blue/lan", Target(NETWORK_KIND, "lan", "blue")),
        ("svc/web", None),
        ("node/n1", None),
        ("a/b/c", None),
        ("/web", None),
        ("pod/", None),
    ],
)
def test_a_word_names_an_object(word: str, target: Target | None) -> None:
    assert parse(word) == target


# From an API server, as from files

FROM_BOTH = (
    "multus/nomaster",
    "nadmit/second",
    "webhook/isolated",
    "webhook/once",
    "webhook/db",
    "webhook/db of a virtual machine",
    "any/ontemplate",
    "any/devicenone",
    "nadmit/fine",
)


@pytest.mark.parametrize("name", FROM_BOTH)
def test_an_api_server_gives_the_answer_of_files(api: ApiServer, kubeconfig: Path, tmp_path: Path, name: str) -> None:
    chosen = case(name)
    objects = objects_of(chosen)
    fill(api, objects)
    file = tmp_path / "objects.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    from_files = run("-n", chosen.namespace, chosen.target, "-f", str(file), "-o", "json")
    code, answer = ask(kubeconfig, chosen.target, namespace=chosen.namespace)
    assert (code, answer) == (from_files.exit_code, json.loads(from_files.stdout))


def test_the_output_of_kubectl_comes_by_a_pipe() -> None:
    chosen = case("multus/tiny-b")
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects_of(chosen)})
    result = run("-n", "shop", "tiny-b", "-f", "-", stdin=text)
    assert result.exit_code == 1
    assert result.stdout.startswith("pod shop/tiny-b: not attached: shop/tiny has no free address\n")


def test_the_namespace_is_that_of_the_kubeconfig(api: ApiServer, kubeconfig: Path) -> None:
    fill(api, objects_of(case("multus/nomaster")))
    value = json.loads(kubeconfig.read_text())
    value["contexts"][0]["context"]["namespace"] = "shop"
    kubeconfig.write_text(json.dumps(value))
    result = run("nomaster", "--kubeconfig", str(kubeconfig))
    assert result.stdout.startswith("pod shop/nomaster: not attached")


def test_events_of_an_earlier_pod_of_the_name_do_not_count(api: ApiServer, kubeconfig: Path) -> None:
    objects = objects_of(case("multus/nomaster"))
    one(objects, "Pod")["metadata"]["uid"] = "another"
    fill(api, objects)
    assert ask(kubeconfig, "nomaster")[1]["cause"] == "no-evidence"


# Rights


def test_a_pod_that_may_not_be_read_ends_the_command(api: ApiServer, kubeconfig: Path) -> None:
    api.answer_always["/api/v1/namespaces/shop/pods/web"] = FORBIDDEN
    result = run("-n", "shop", "web", "--kubeconfig", str(kubeconfig))
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line == (
        "nadmit: pods shop/web: get is forbidden: no; grant get on pods of this name to this account in a Role"
    )


def test_without_events_the_answer_names_the_right(api: ApiServer, kubeconfig: Path) -> None:
    fill(api, objects_of(case("multus/nomaster")))
    api.answer_always["/api/v1/namespaces/shop/events"] = FORBIDDEN
    code, answer = ask(kubeconfig, "nomaster")
    assert (code, answer["cause"]) == (3, "events-unread")
    assert answer["unread"] == [
        "events shop: list is forbidden: no; grant list and watch on events to this account in a Role"
    ]


def test_without_policies_the_webhook_is_not_asked(api: ApiServer, kubeconfig: Path) -> None:
    fill(api, objects_of(case("nadmit/crossns")))
    _, answer = ask(kubeconfig, "crossns")
    assert answer["webhookNow"]["rules"] == ["PostureIsolated"]
    api.answer_always[POLICIES] = FORBIDDEN
    code, answer = ask(kubeconfig, "crossns")
    assert (code, answer["cause"], answer["webhookNow"]) == (1, "rules-on-node", None)
    assert [right.partition(":")[0] for right in answer["unread"]] == ["networkattachmentpolicies.access.nadmit.io"]


def test_a_missing_right_is_a_line_of_the_text(api: ApiServer, kubeconfig: Path) -> None:
    fill(api, objects_of(case("multus/nomaster")))
    api.answer_always["/api/v1/namespaces/shop/events"] = FORBIDDEN
    result = run("-n", "shop", "nomaster", "--kubeconfig", str(kubeconfig))
    assert "  unread:  events shop: list is forbidden: no; grant list and watch on events" in result.stdout


# What does not exist


def test_a_pod_that_does_not_exist(api: ApiServer, kubeconfig: Path) -> None:
    result = run("-n", "shop", "web", "--kubeconfig", str(kubeconfig))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        'nadmit: there is no Pod "web" in namespace "shop"; check the name and -n NAMESPACE; for pods that were never '
        "created, ask about their workload: deployment/NAME\n"
    )


@pytest.mark.parametrize(("target", "meant"), [("nomastre", "nomaster"), ("isolated", "deployment/isolated")])
def test_a_name_that_is_meant(tmp_path: Path, target: str, meant: str) -> None:
    chosen = case("multus/nomaster" if target == "nomastre" else "webhook/isolated")
    file = tmp_path / "objects.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects_of(chosen)}))
    result = run("-n", chosen.namespace, target, "-f", str(file))
    assert result.exit_code == 2
    assert result.stderr.endswith(f'; did you mean "{meant}"?\n')


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("a/b/c",), "is not an object; allowed: NAME of a pod, KIND/NAME"),
        (("web", "-f", "x", "--cluster"), "-f and --manifests replace the cluster; leave out --cluster"),
        (("web", "-n", "Shop", "-f", "x"), "'Shop' does not name a namespace"),
        (("web", "-f", "nowhere.yaml"), "nowhere.yaml"),
        (("web", "--kubeconfig", "nowhere"), "nadmit: nowhere: no such kubeconfig"),
        (("web", "-n", "shop", "-f", "-", "--record-dir", "nowhere"), "'nowhere' is not a directory of this machine"),
    ],
)
def test_a_wrong_option_is_one_clear_line(words: tuple[str, ...], text: str) -> None:
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects_of(case("multus/nomaster"))})
    result = run(*words, stdin=given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert text in result.stderr


# Copies that lack something


def test_a_copy_without_definitions_has_no_verdict(tmp_path: Path) -> None:
    objects = [item for item in objects_of(case("nadmit/second")) if item["kind"] != NETWORK_KIND]
    result = run("-n", "shop", "second", "-f", write(tmp_path, objects), "-o", "json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["cause"], answer["webhookNow"]) == (1, "master-missing", None)
    assert answer["unread"][0].startswith("the files have no NetworkAttachmentDefinition, so what the webhook says")


def test_a_copy_without_policies_says_what_the_verdict_is_worth(tmp_path: Path) -> None:
    result = run("-n", "shop", "crossns", "-f", write(tmp_path, objects_of(case("nadmit/crossns"))))
    assert "  note:    the files have no access policy, so this verdict is that of the posture alone" in result.stdout


def test_a_pod_that_fails_with_other_networks_than_it_asks_for(tmp_path: Path) -> None:
    objects = objects_of(case("any/crash"))
    one(objects, "Pod")["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"] = "lan,lan@net9"
    result = run("-n", "shop", "crash", "-f", write(tmp_path, objects), "-o", "json")
    answer = json.loads(result.stdout)
    assert (answer["cause"], answer["notes"][0].partition(":")[0]) == ("container-ends", "changed-later")


# Networks


def write(tmp_path: Path, objects: list[Object]) -> str:
    file = tmp_path / "objects.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    return str(file)


def about(tmp_path: Path, objects: list[Object], network: str) -> tuple[int, dict[str, Any]]:
    result = run(network, "-f", write(tmp_path, objects), "-o", "json")
    return result.exit_code, json.loads(result.stdout)


def test_a_network_that_all_pods_fail_on(tmp_path: Path) -> None:
    code, answer = about(tmp_path, objects_of(case("multus/nomaster")), "shop/nomaster")
    assert (code, answer["cause"], answer["kind"]) == (1, "master-missing", NETWORK_KIND)
    assert [pod["name"] for pod in answer["pods"]] == ["nomaster"]


def test_a_network_that_works(tmp_path: Path) -> None:
    code, answer = about(tmp_path, objects_of(case("multus/fine")), "shop/lan")
    assert (code, answer["cause"]) == (0, "network-fine")
    assert answer["notes"] == [
        "pods that ask for it: 1, of these without a problem: 1",
        "pods of these namespaces may attach: shop",
    ]


def test_a_definition_that_the_webhook_refuses(tmp_path: Path) -> None:
    code, answer = about(tmp_path, objects_of(case("nadmit/badsubnet")), "shop/badsubnet")
    assert (code, answer["cause"], answer["explain"]) == (1, "definition-refused", ["NAD303"])


def test_a_network_that_nobody_may_use(tmp_path: Path) -> None:
    config: Object = {
        "apiVersion": "access.nadmit.io/v1alpha1",
        "kind": "NetworkAttachmentPolicyConfig",
        "metadata": {"name": "cluster"},
        "spec": {"posture": "Strict"},
    }
    code, answer = about(tmp_path, [*objects_of(case("multus/fine")), config], "shop/lan")
    assert (code, answer["cause"]) == (1, "nobody-may")
    assert "decided: default posture Strict" in answer["evidence"][0]["text"]


@pytest.mark.parametrize(("network", "cause"), [("shop/nope", "network-missing"), ("shop/secret", "namespace-wrong")])
def test_a_network_that_does_not_exist(tmp_path: Path, network: str, cause: str) -> None:
    objects = objects_of(case("multus/wrongns"))
    code, answer = about(tmp_path, objects, network)
    assert (code, answer["cause"]) == (1, cause)
    assert cause != "namespace-wrong" or answer["fix"] == "write infra/secret in the annotation"


def test_networks_that_may_not_be_listed_are_not_called_missing(api: ApiServer, kubeconfig: Path) -> None:
    api.answer_always[NETWORKS] = FORBIDDEN
    code, answer = ask(kubeconfig, "shop/lan")
    assert (code, answer["cause"]) == (3, "no-evidence")


# Workloads


def test_a_workload_of_no_pods(tmp_path: Path) -> None:
    objects = objects_of(case("webhook/isolated"))
    for item in objects:
        if item["kind"] in {"Deployment", "ReplicaSet"}:
            item["spec"]["replicas"] = 0
    result = run("-n", "blue", "deployment/isolated", "-f", write(tmp_path, objects))
    assert result.exit_code == 0
    assert "deployment blue/isolated: fine: it asks for no pods" in result.stdout


def test_a_refusal_of_long_ago_does_not_count(tmp_path: Path) -> None:
    """A pod that was created after the refusal has the last word."""
    objects = objects_of(case("webhook/isolated"))
    pods = [item for item in objects_of(case("multus/plain")) if item["kind"] == "Pod"]
    owner = {"kind": "ReplicaSet", **{key: one(objects, "ReplicaSet")["metadata"][key] for key in ("name", "uid")}}
    pods[0]["metadata"] |= {"namespace": "blue", "ownerReferences": [{**owner, "controller": True}]}
    result = run("-n", "blue", "deployment/isolated", "-f", write(tmp_path, [*objects, *pods]), "-o", "json")
    assert json.loads(result.stdout)["cause"] == "no-networks"


def test_a_workload_tells_how_many_pods_fail(tmp_path: Path) -> None:
    objects = objects_of(case("any/ontemplate"))
    pod = one(objects, "Pod")
    second = {**pod, "metadata": {**pod["metadata"], "name": "second", "uid": "another"}}
    result = run("-n", "shop", "deployment/ontemplate", "-f", write(tmp_path, [*objects, second]))
    assert "  note:    2 of 2 pods: annotation-place" in result.stdout
    assert "  pods:    shop/ontemplate-67885bd76-4v66w, shop/second\n" in result.stdout


# On a node


def record(directory: Path, pod: Object, failure: str | None) -> None:
    store = Store(str(directory))
    entry = Entry(reference="shop/nomaster", ifname="net1", item=0, config='{"type": "macvlan"}', capability_args={})
    if failure:
        entry = entry.failed(failure, 0)
    metadata = pod["metadata"]
    journal = Journal(
        container_id="c1",
        netns="/run/netns/x",
        pod_namespace=metadata["namespace"],
        pod_name=metadata["name"],
        pod_uid=metadata["uid"],
        runtime_ifname="eth0",
        entries=(entry,),
    )
    store.write(journal)


def test_a_record_answers_when_the_events_are_gone(tmp_path: Path) -> None:
    objects = objects_of(case("multus/nomaster"))
    without_events()(objects)
    directory = tmp_path / "records"
    directory.mkdir()
    words = ("-n", "shop", "nomaster", "-f", write(tmp_path, objects), "-o", "json", "--record-dir", str(directory))
    assert json.loads(run(*words).stdout)["cause"] == "no-evidence"
    record(directory, one(objects, "Pod"), 'plugin type="macvlan" name="nomaster" failed (add): Link not found')
    answer = json.loads(run(*words).stdout)
    assert answer["cause"] == "master-missing"
    failure = answer["failure"]
    assert (failure["network"], failure["item"], failure["text"]) == ("shop/nomaster", 1, "Link not found")
    assert [one["source"] for one in answer["evidence"]] == ["record"]


def test_the_record_of_another_pod_does_not_count(tmp_path: Path) -> None:
    objects = objects_of(case("multus/nomaster"))
    directory = tmp_path / "records"
    directory.mkdir()
    other = {"metadata": {"namespace": "shop", "name": "nomaster", "uid": "of an earlier pod"}}
    record(directory, other, "Link not found")
    words = ("-n", "shop", "nomaster", "-f", write(tmp_path, objects), "-o", "json", "--record-dir", str(directory))
    assert [one["source"] for one in json.loads(run(*words).stdout)["evidence"]] == ["event"]


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    directory = tmp_path / "records"
    directory.mkdir()
    (directory / "c1.journal").write_text("nonsense\n")
    objects = write(tmp_path, objects_of(case("multus/nomaster")))
    result = run("-n", "shop", "nomaster", "-f", objects, "--record-dir", str(directory))
    assert "  unread:  " in result.stdout
    assert "the record of container c1 cannot be read" in result.stdout.replace("\n           ", " ")


def test_a_tree_is_read_as_people_keep_it(tmp_path: Path) -> None:
    """With a kustomization and a file of another program, as `nadmit check` reads it."""
    (tmp_path / "base").mkdir()
    config = '{"cniVersion": "1.0.0", "type": "macvlan", "master": "bond1"}'
    network = {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": NETWORK_KIND,
        "metadata": {"name": "lan", "namespace": "blue"},
        "spec": {"config": config},
    }
    (tmp_path / "base" / "lan.yaml").write_text(json.dumps(network))
    (tmp_path / "base" / "kustomization.yaml").write_text("resources: [lan.yaml]\n")
    (tmp_path / "kustomization.yaml").write_text("resources: [base]\n")
    (tmp_path / "mkdocs.yml").write_text("site_name: x\nplugins: !ENV [A]\n")
    result = CliRunner().invoke(nadmit, ["map", "--manifests", str(tmp_path)])
    assert result.exit_code == 0, result.stderr
    assert "blue/lan" in result.stdout
