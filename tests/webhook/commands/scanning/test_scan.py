"""`nadmit scan`: from an API server and from files, its forms, what it says without rights, and how it ends."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from tests.fakes.apiserver import Answer, ApiServer, Request, failure, status
from tests.fakes.objects import write_kubeconfig
from tests.fakes.objectstore import NAMESPACES, NETWORKS, PODS, POLICIES
from tests.paths import ROOT
from tests.webhook.report.scan.cluster import Cluster, clean, entry, network, pod
from webhook.cli import nadmit
from webhook.commands.check import clusterobjects
from webhook.commands.who import graphreading
from webhook.report.stockrules import STOCK_RULES

POOLS = "/apis/whereabouts.cni.cncf.io/v1alpha1/ippools"
SERVICES = "/api/v1/services"
MULTI_POLICIES = "/apis/k8s.cni.cncf.io/v1beta1/multi-networkpolicies"
WORKLOADS = {
    "Deployment": "/apis/apps/v1/deployments",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "DaemonSet": "/apis/apps/v1/daemonsets",
    "CronJob": "/apis/batch/v1/cronjobs",
    "Job": "/apis/batch/v1/jobs",
}
COLLECTIONS = {
    "Pod": PODS,
    "NetworkAttachmentDefinition": NETWORKS,
    "Namespace": NAMESPACES,
    "NetworkAttachmentPolicy": POLICIES,
    "IPPool": POOLS,
    "Service": SERVICES,
    "MultiNetworkPolicy": MULTI_POLICIES,
    **WORKLOADS,
}
FORBIDDEN = (403, status(403, "no"))
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "scan.schema.json").read_text())


def corrupted() -> Cluster:
    """A cluster with an error, a warning, and information."""
    cluster = clean()
    cluster.restatus("team-0", "web-5d-0", lambda entries: entries.pop(1))
    cluster.restatus("team-1", "web-5d-1", lambda entries: entries[1].update(ips=["10.99.0.1"]))
    kept = cluster.get("IPPool", "kube-system", "10.20.0.0-24")["spec"]["allocations"]
    kept["99"] = {"id": "x", "podref": "team-0/gone", "ifname": "net1"}
    return cluster


def fill(api: ApiServer, cluster: Cluster) -> None:
    api.has_whole_pods = True
    api.serve(POOLS, SERVICES, MULTI_POLICIES, *WORKLOADS.values())
    for one in cluster.objects.values():
        api.put(COLLECTIONS[one["kind"]], one)


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        fill(server, corrupted())
        yield server


@pytest.fixture
def kubeconfig(api: ApiServer, tmp_path: Path) -> str:
    return str(write_kubeconfig(tmp_path / "kubeconfig", api.url))


def run(*words: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(nadmit, ["scan", *words], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def answer_of(result: Result) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(result.stdout)
    jsonschema.validate(value, SCHEMA)
    return value


def rules_of(result: Result) -> set[str]:
    return {one["rule"] for one in answer_of(result)["findings"]}


# Answers


def test_an_api_server_gives_the_answer_of_files(kubeconfig: str) -> None:
    from_files = run("-f", "-", "-o", "json", stdin=corrupted().text())
    from_cluster = run("--kubeconfig", kubeconfig, "-o", "json")
    assert (from_files.exit_code, from_cluster.exit_code) == (1, 1)
    one, other = answer_of(from_files), answer_of(from_cluster)
    uids = {item["object"].pop("uid") for item in one["findings"] + other["findings"]}
    assert one["findings"] == other["findings"]
    assert "pod-team-0-web-5d-0" in uids
    assert one["summary"]["errors"] == other["summary"]["errors"] == 1


def test_the_text_has_a_group_for_each_rule() -> None:
    handed_out = "10.20.1.0-10.20.1.255"
    lines = run("-f", "-", stdin=corrupted().text()).stdout.splitlines()
    assert lines[:6] == [
        "error: a pod runs without a network that it asks for [network-lost]",
        "  pod team-0/web-5d-0: it runs, and its network-status lacks item 1, team-0/lan",
        "  to do: nadmit why -n team-0 web-5d-0 says more; create it again",
        "warning: a pod has an address that its network does not hand out [address-outside]",
        f"  pod team-1/web-5d-1: has address 10.99.0.1 of team-1/lan, whose IPAM whereabouts hands out {handed_out}",
        "  to do: create it again, or correct the ranges, if the definition was changed by mistake",
    ]
    assert lines[-1] == "11 definitions, 26 pods, 10 workloads, 2 policies: 1 error, 2 warnings, 2 for information"


def test_a_long_group_is_cut_and_the_json_has_all() -> None:
    cluster = clean()
    for number in range(30):
        cluster.put(pod("team-0", f"lost-{number}", "node0", "lan"))
    result = run("-f", "-", stdin=cluster.text())
    assert "  and 10 more; -o json has all\n" in result.stdout
    assert len(answer_of(run("-f", "-", "-o", "json", stdin=cluster.text()))["findings"]) == 32


def test_what_a_pod_writes_does_not_reach_the_terminal_as_it_is() -> None:
    cluster = clean()
    for number in range(2):
        cluster.put(pod("team-0", f"odd-{number}", "node0", "lan", entry("team-0/lan", mac="02:\x1b[2J")))
    result = run("-f", "-", stdin=cluster.text())
    assert "\x1b" not in result.stdout
    assert "MAC address 02:?[2J" in result.stdout


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit"])
def test_half_a_character_in_a_status_stops_no_form(form: str) -> None:
    cluster = clean()
    for number in range(2):
        cluster.put(pod("team-0", f"odd-{number}", "node0", "lan", entry("team-0/lan", mac="\ud800:02")))
    result = run("-f", "-", "-o", form, stdin=cluster.text())
    assert (result.exit_code, "mac-twice" in result.stdout) == (1, True)


def test_two_fixes_of_one_rule_are_each_at_their_finding() -> None:
    cluster = clean()
    for name in ("db-0", "web-5d-0"):
        cluster.restatus("team-0", name, lambda entries: entries.pop(2))
    result = run("-f", "-", stdin=cluster.text())
    assert "; nadmit why -n team-0 db-0 says more; create it again\n" in result.stdout
    assert "; nadmit why -n team-0 web-5d-0 says more; create it again\n" in result.stdout


# How it ends, and what is left out


@pytest.mark.parametrize(
    ("fail_on", "skip", "code"),
    [
        ("error", "", 1),
        ("error", "network-lost", 0),
        ("warning", "network-lost", 1),
        ("warning", "network-lost,address-outside,ALLOCATION-ORPHAN", 0),
        ("info", "network-lost,address-outside,allocation-orphan", 1),
        ("info", "network-lost,address-outside,allocation-orphan,host-local-nodes", 0),
    ],
)
def test_fail_on_and_skip_decide_how_it_ends(fail_on: str, skip: str, code: int) -> None:
    words = ["--skip", skip] if skip else []
    result = run("-f", "-", "--fail-on", fail_on, *words, "-o", "json", stdin=corrupted().text())
    assert result.exit_code == code
    left_out = 5 - len(answer_of(result)["findings"])
    assert answer_of(result)["summary"]["skipped"] == left_out
    assert (left_out > 0) == bool(skip)


def test_a_rule_that_does_not_exist_is_named() -> None:
    result = run("-f", "-", "--skip", "adress-twice", stdin=clean().text())
    assert (result.exit_code, result.stdout) == (2, "")
    assert 'did you mean "address-twice"?' in result.stderr


def test_the_line_at_the_end_says_what_was_left_out() -> None:
    result = run("-f", "-", "--skip", "network-lost", stdin=corrupted().text())
    assert result.stdout.splitlines()[-1].endswith("; 1 finding left out by --skip")


def test_an_object_that_is_there_twice_is_no_copy_of_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(json.dumps(clean().get("NetworkAttachmentDefinition", "team-0", "lan")))
    result = run("-f", "-", "--manifests", str(tmp_path), stdin=clean().text())
    assert (result.exit_code, result.stdout) == (2, "")
    assert "a second NetworkAttachmentDefinition team-0/lan" in result.stderr


def test_files_that_cannot_be_read_end_it(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("a: [")
    assert run("-f", str(tmp_path / "net.yaml")).exit_code == 2
    assert run("-f", str(tmp_path / "no.yaml")).exit_code == 2


def test_files_and_a_cluster_exclude_each_other() -> None:
    result = run("-f", "x", "--cluster")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "-f and --manifests replace the cluster" in result.stderr


def test_files_without_pods_say_so_and_nothing_is_unused() -> None:
    cluster = Cluster(one for one in clean().objects.values() if one["kind"] != "Pod")
    answer = answer_of(run("-f", "-", "-o", "json", stdin=cluster.text()))
    assert (answer["findings"], answer["notes"]) == ([], ["the files have no pod; add pods to kubectl get"])


# SARIF and JUnit


def test_sarif_has_the_rules_and_names_the_objects() -> None:
    result = run("-f", "-", "-o", "sarif", stdin=corrupted().text())
    log = json.loads(result.stdout)["runs"][0]
    rules = {rule["id"]: rule["defaultConfiguration"]["level"] for rule in log["tool"]["driver"]["rules"]}
    assert rules == {
        "network-lost": "error", "address-outside": "warning", "allocation-orphan": "warning",
        "host-local-nodes": "warning",
    }  # fmt: skip
    first = log["results"][0]
    assert (first["ruleId"], first["level"]) == ("network-lost", "error")
    (place,) = first["locations"]
    assert place["logicalLocations"] == [{"fullyQualifiedName": "pod team-0/web-5d-0", "kind": "resource"}]
    assert {one["level"] for one in log["results"]} == {"error", "warning", "note"}


@pytest.mark.parametrize(("fail_on", "failures"), [("error", 1), ("warning", 3), ("info", 5)])
def test_junit_fails_what_counts(fail_on: str, failures: int) -> None:
    result = run("-f", "-", "-o", "junit", "--fail-on", fail_on, stdin=corrupted().text())
    root = ET.fromstring(result.stdout)  # noqa: S314 - our own text
    assert (root.get("name"), root.get("failures")) == ("nadmit scan", str(failures))
    names = {str(case.get("name")).partition(":")[0] for case in root.iter("testcase")}
    assert names >= STOCK_RULES.keys() - {"network-lost", "address-outside", "allocation-orphan", "host-local-nodes"}


# Namespaces and rights


def test_one_namespace(kubeconfig: str, api: ApiServer) -> None:
    api.answer_always[PODS] = FORBIDDEN
    for source in (["--kubeconfig", kubeconfig], ["-f", "-"]):
        result = run("-n", "team-0", *source, "-o", "json", stdin=corrupted().text())
        answer = answer_of(result)
        assert [(one["rule"], one["object"]["name"]) for one in answer["findings"]] == [
            ("network-lost", "web-5d-0"), ("allocation-orphan", "10.20.0.0-24"), ("host-local-nodes", "node"),
        ]  # fmt: skip
        is_cluster = source[0] == "--kubeconfig"
        assert answer["notes"] == (["only pods and workloads of namespace team-0 were read"] if is_cluster else [])
        assert answer["summary"]["objects"]["pods"] == (13 if is_cluster else 26)


def test_pods_that_may_not_be_listed_end_the_command(api: ApiServer, kubeconfig: str) -> None:
    api.answer_always[PODS] = FORBIDDEN
    result = run("--kubeconfig", kubeconfig)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("nadmit: pods: list is forbidden: no; grant list")
    assert line.endswith(", or read one namespace with -n")
    api.answer_always["/api/v1/namespaces/team-0/pods"] = FORBIDDEN
    result = run("--kubeconfig", kubeconfig, "-n", "team-0")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "in a Role" in result.stderr


def test_a_server_that_does_not_answer_ends_the_command(api: ApiServer, kubeconfig: str) -> None:
    api.answer_always[NAMESPACES] = failure(500, "etcd is gone")
    result = run("--kubeconfig", kubeconfig)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("nadmit: namespaces: list failed with 500: etcd is gone")


@pytest.mark.parametrize(
    ("path", "kind", "keeps"),
    [
        (POOLS, "ippools.whereabouts.cni.cncf.io: list", {"network-lost", "address-outside"}),
        (WORKLOADS["Deployment"], "deployments.apps: list", {"network-lost", "address-outside", "allocation-orphan"}),
        (
            f"{SERVICES[:7]}/namespaces/kube-system/services/kube-dns",
            "services kube-system/kube-dns: get",
            {"network-lost"},
        ),
        (NAMESPACES, "namespaces: list", {"network-lost", "address-outside", "allocation-orphan"}),
        (NETWORKS, "network-attachment-definitions.k8s.cni.cncf.io: list", {"network-lost", "allocation-orphan"}),
    ],
)
def test_each_missing_right_is_one_line(api: ApiServer, kubeconfig: str, path: str, kind: str, keeps: set[str]) -> None:
    api.answer_always[path] = FORBIDDEN
    result = run("--kubeconfig", kubeconfig, "-o", "json")
    answer = answer_of(result)
    (line,) = answer["unread"]
    assert line.startswith(f"{kind} is forbidden: no; grant ")
    assert rules_of(result) >= keeps
    assert rules_of(result) <= {"network-lost", "address-outside", "allocation-orphan", "host-local-nodes"}
    assert "  unread:" in run("--kubeconfig", kubeconfig).stdout
    sarif = run("--kubeconfig", kubeconfig, "-o", "sarif")
    assert f"nadmit: {kind} is forbidden" in sarif.stderr


def test_a_verdict_is_not_made_without_what_it_needs(api: ApiServer, kubeconfig: str) -> None:
    api.put(PODS, pod("team-0", "odd", "node0", "[{"))
    assert "json-syntax" in rules_of(run("--kubeconfig", kubeconfig, "-o", "json"))
    api.answer_always[POLICIES] = FORBIDDEN
    result = run("--kubeconfig", kubeconfig, "-o", "json")
    assert "json-syntax" not in rules_of(result)
    (note,) = answer_of(result)["notes"]
    assert note.startswith("what would be refused if it were created now is not known")


def test_a_kind_that_is_not_installed_has_no_objects(tmp_path: Path) -> None:
    with ApiServer() as api:
        api.has_whole_pods = True
        api.put(NETWORKS, network("team-0", "lan", {"type": "bridge", "bridge": "br0"}))
        api.put(NAMESPACES, clean().get("Namespace", "", "team-0"))
        api.put(PODS, pod("team-0", "web", "node0", "lan", entry("team-0/lan")))
        result = run("--kubeconfig", str(write_kubeconfig(tmp_path / "kubeconfig", api.url)), "-o", "json")
    assert (result.exit_code, answer_of(result)["findings"], answer_of(result)["unread"]) == (0, [], [])


# Reading while the cluster changes


def test_an_allocation_whose_pod_comes_or_goes_meanwhile_is_no_orphan(api: ApiServer, kubeconfig: str) -> None:
    """Its pod is created after the pods were listed, or its address is released before the second reading."""
    pages: list[str] = []

    def on_page() -> None:
        pages.append("")
        if len(pages) == 2:  # pools, pods
            spec = api.get(f"{POOLS.rsplit('/', 1)[0]}/namespaces/kube-system/ippools/10.20.0.0-24")["spec"]
            spec["allocations"]["100"] = {"id": "y", "podref": "team-0/new", "ifname": "net1"}
            del spec["allocations"]["99"]

    api.on_page = on_page
    found = answer_of(run("--kubeconfig", kubeconfig, "-o", "json"))["findings"]
    assert "allocation-orphan" not in {one["rule"] for one in found}
    assert len(pages) > 2


def test_pages_and_a_list_that_expires(api: ApiServer, kubeconfig: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusterobjects, "PAGE_SIZE", 5)
    monkeypatch.setattr(graphreading, "TELL_EACH", 4)
    expected = answer_of(run("--kubeconfig", kubeconfig, "-o", "json"))
    expires = [False, False, True]  # the pod that is tried, and the first page

    def expired(request: Request) -> Answer | None:
        is_list = request.path.startswith(PODS) and bool(expires)
        return failure(410, "expired") if is_list and expires.pop(0) else None

    api.instead = expired
    assert answer_of(run("--kubeconfig", kubeconfig, "-o", "json")) == expected
    assert expires == []
