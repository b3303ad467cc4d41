"""`nadmit who`: from an API server and from files, what it says without rights, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from tests.fakes.apiserver import ApiServer, status
from tests.fakes.objects import write_kubeconfig
from tests.fakes.objectstore import NETWORKS, PODS
from tests.paths import ROOT
from tests.webhook.report.topology.objects import Object, bridge, deployment, has, host_local, pod, pool
from webhook.cli import nadmit
from webhook.commands import objectfiles
from webhook.commands.who import graphreading

DEPLOYMENTS = "/apis/apps/v1/deployments"
POOLS = "/apis/whereabouts.cni.cncf.io/v1alpha1/ippools"
COLLECTIONS = {
    "Pod": PODS,
    "NetworkAttachmentDefinition": NETWORKS,
    "Deployment": DEPLOYMENTS,
    "IPPool": POOLS,
}
FORBIDDEN = (403, status(403, "no"))
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "who.schema.json").read_text())

OBJECTS: list[Object] = [
    bridge(ipam=host_local("10.1.0.0/28")),
    pod("web", has(ip="10.1.0.5", mac="02:00:00:00:00:0a"), asks="lan"),
    pod("db", has("blue/lan", ip="10.1.0.6"), namespace="green"),
    deployment("api", [{"name": "lan", "ips": ["10.1.0.7"]}]),
    pool("10.2.0.0/24", {"5": {"podref": "blue/gone", "ifname": "net1"}}),
]


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        server.has_whole_pods = True
        server.serve(DEPLOYMENTS, POOLS)
        for one in OBJECTS:
            server.put(COLLECTIONS[one["kind"]], one)
        yield server


@pytest.fixture
def kubeconfig(api: ApiServer, tmp_path: Path) -> Path:
    return write_kubeconfig(tmp_path / "kubeconfig", api.url)


def run(*words: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(nadmit, ["who", *words], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def text(objects: list[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def answer_of(result: Result) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(result.stdout)
    jsonschema.validate(value, SCHEMA)
    return value


# Answers


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["10.1.0.5"], 0),
        (["02:00:00:00:00:0A"], 0),
        (["10.1.0.7"], 0),
        (["10.2.0.5"], 0),
        (["br-lan"], 0),
        (["10.1.0.8"], 1),
        (["02:00:00:00:00:0b"], 1),
        (["0000:18:02.5"], 1),
        (["--free", "blue/lan"], 0),
    ],
)
def test_an_api_server_gives_the_answer_of_files(kubeconfig: Path, words: list[str], code: int) -> None:
    from_files = run(*words, "-f", "-", "-o", "json", stdin=text(OBJECTS))
    from_cluster = run(*words, "--kubeconfig", str(kubeconfig), "-o", "json")
    assert (from_files.exit_code, from_cluster.exit_code) == (code, code)
    assert answer_of(from_files) == answer_of(from_cluster)


def test_the_text_says_who_has_it() -> None:
    result = run("10.1.0.5", "-f", "-", stdin=text(OBJECTS))
    assert result.stdout.splitlines() == [
        "10.1.0.5: pod blue/web",
        "  network: blue/lan, interface net1, addresses 10.1.0.5, MAC 02:00:00:00:00:0a",
        "  segment: bridge br-lan",
        "  node:    node1, since 2026-01-02T03:04:05Z",
        "  range:   blue/lan hands it out (host-local, 10.1.0.1-10.1.0.14)",
    ]


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("10.1.0.7", "10.1.0.7: no pod has it, and 1 object asks for it"),
        ("10.1.0.8", "10.1.0.8: nobody has it, and nothing asks for it"),
        ("10.2.0.5", "10.2.0.5: no pod has it, and a pool keeps it"),
        ("br-lan", "br-lan: no pod has it, and 1 object names it"),
    ],
)
def test_the_first_line_says_if_nobody_has_it(asked: str, line: str) -> None:
    assert run(asked, "-f", "-", stdin=text(OBJECTS)).stdout.splitlines()[0] == line


def test_all_that_a_pod_can_have_is_in_the_text() -> None:
    metadata = {
        "deletionTimestamp": "2026-01-02T04:00:00Z",
        "ownerReferences": [{"kind": "StatefulSet", "name": "web", "uid": "u", "controller": True}],
    }
    info = {"type": "pci", "pci": {"pci-address": "0000:18:02.5"}}
    kept = pool("10.1.0.0/24", {"5": {"podref": "blue/web-0"}})
    web = pod("web-0", has(ip="10.1.0.5", info=info), metadata=metadata, status={"phase": "Pending"})
    assert run("10.1.0.5", "-f", "-", stdin=text([web, kept])).stdout.splitlines() == [
        "10.1.0.5: pod blue/web-0",
        "  network: blue/lan, interface net1, addresses 10.1.0.5, device 0000:18:02.5",
        "  node:    node1, since 2026-01-02T03:04:05Z, being deleted since 2026-01-02T04:00:00Z, Pending",
        "  owner:   statefulset/web",
        "  pool:    whereabouts keeps it for this pod in kube-system/pool",
    ]


def test_pods_on_the_host_network_are_one_line() -> None:
    pods = [pod(f"p{n}", spec={"hostNetwork": True}, status={"podIP": "192.168.0.1"}) for n in range(3)]
    result = run("192.168.0.1", "-f", "-", stdin=text(pods))
    assert result.stdout == "192.168.0.1: the host network of node1, with 3 pods\n"


def test_a_long_answer_is_cut_and_the_json_has_all() -> None:
    pods = [pod(f"p{n}", has(ip="10.1.0.5")) for n in range(30)]
    assert "10.1.0.5: and 10 pods more\n" in run("10.1.0.5", "-f", "-", stdin=text(pods)).stdout
    assert len(answer_of(run("10.1.0.5", "-f", "-", "-o", "json", stdin=text(pods)))["holders"]) == 30
    asking = [deployment(f"d{n}", [{"name": "lan", "ips": ["10.1.0.5"]}]) for n in range(30)]
    assert "  asks:    and 10 more; -o json has all\n" in run("10.1.0.5", "-f", "-", stdin=text(asking)).stdout


def test_what_a_pod_writes_does_not_reach_the_terminal_as_it_is() -> None:
    web = pod("web", has(ip="10.1.0.5", mac="\x1b[2J\n  node: lies"))
    result = run("10.1.0.5", "-f", "-", stdin=text([web]))
    assert "\x1b" not in result.stdout
    assert "MAC ?[2J?  node: lies" in result.stdout


def test_free_addresses_as_text() -> None:
    result = run("--free", "blue/lan", "-f", "-", stdin=text(OBJECTS))
    assert result.stdout.splitlines()[:8] == [
        "blue/lan: 10 addresses free",
        "  segment: bridge br-lan",
        "  ipam:    host-local, 10.1.0.1-10.1.0.14",
        "  free:    10.1.0.2-10.1.0.4",
        "  free:    10.1.0.8-10.1.0.14",
        "  used:    10.1.0.5 pod blue/web",
        "  used:    10.1.0.6 pod green/db",
        "  used:    10.1.0.7 deployment blue/api asks for it",
    ]


def test_a_network_without_free_addresses_ends_with_1() -> None:
    full = [bridge(ipam=host_local("10.1.0.0/30")), pod("a", has(ip="10.1.0.2"))]
    result = run("--free", "blue/lan", "-f", "-", stdin=text(full))
    assert (result.exit_code, result.stdout.splitlines()[0]) == (1, "blue/lan: no address is free")
    assert answer_of(run("--free", "blue/lan", "-f", "-", "-o", "json", stdin=text(full)))["count"] == 0


def test_a_tree_is_read_beside_files(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(json.dumps(OBJECTS[0]))
    result = run("10.1.0.5", "-f", "-", "--manifests", str(tmp_path), stdin=text(OBJECTS[1:2]))
    assert "  segment: bridge br-lan\n" in result.stdout


def test_files_without_pods_say_so() -> None:
    result = run("10.1.0.8", "-f", "-", stdin=text(OBJECTS[:1]))
    assert "  note:    the files have no pod; add pods to kubectl get\n" in result.stdout


# Namespaces and rights


def test_one_namespace_of_pods(api: ApiServer, kubeconfig: Path) -> None:
    api.answer_always[PODS] = FORBIDDEN
    note = "only pods of namespace green were read"
    for source in (["--kubeconfig", str(kubeconfig)], ["-f", "-"]):
        code, answer = _ask("10.1.0.6", "-n", "green", *source)
        assert (code, [one["pod"] for one in answer["holders"]], answer["notes"]) == (0, ["db"], [note])
        code, answer = _ask("10.1.0.5", "-n", "green", *source)
        assert (code, answer["holders"]) == (1, [])


def _ask(*words: str) -> tuple[int, dict[str, Any]]:
    result = run(*words, "-o", "json", stdin=text(OBJECTS))
    return result.exit_code, answer_of(result)


def test_pods_that_may_not_be_listed_end_the_command(api: ApiServer, kubeconfig: Path) -> None:
    api.answer_always[PODS] = FORBIDDEN
    result = run("10.1.0.5", "--kubeconfig", str(kubeconfig))
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("nadmit: pods: list is forbidden: no; grant list")
    assert line.endswith(", or read one namespace with -n")


def test_the_pods_of_a_namespace_that_may_not_be_listed(api: ApiServer, kubeconfig: Path) -> None:
    api.answer_always["/api/v1/namespaces/green/pods"] = FORBIDDEN
    result = run("10.1.0.5", "-n", "green", "--kubeconfig", str(kubeconfig))
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("nadmit: pods green: list is forbidden: no; grant list")


@pytest.mark.parametrize("path", [DEPLOYMENTS, POOLS, NETWORKS])
def test_another_missing_right_is_named(api: ApiServer, kubeconfig: Path, path: str) -> None:
    api.answer_always[path] = FORBIDDEN
    code, answer = _ask("10.1.0.5", "--kubeconfig", str(kubeconfig))
    (line,) = answer["unread"]
    assert (code, answer["found"]) == (0, True)
    assert f"{path.rpartition('/')[2]}" in line
    assert "list is forbidden" in line
    assert "  unread:  " in run("10.1.0.5", "--kubeconfig", str(kubeconfig)).stdout


def test_free_addresses_need_the_definition(api: ApiServer, kubeconfig: Path) -> None:
    api.answer_always[NETWORKS] = FORBIDDEN
    result = run("--free", "blue/lan", "--kubeconfig", str(kubeconfig))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("nadmit: network-attachment-definitions.k8s.cni.cncf.io: list is forbidden: no")


def test_kinds_that_are_not_installed_have_no_objects(tmp_path: Path) -> None:
    with ApiServer() as server:
        server.has_whole_pods = True
        server.put(PODS, OBJECTS[1])
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
        code, answer = _ask("10.1.0.5", "--kubeconfig", str(kubeconfig))
        assert (code, answer["unread"]) == (0, [])


def test_an_api_server_that_is_away(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")
    result = run("10.1.0.5", "--kubeconfig", str(kubeconfig))
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def test_a_list_whose_pages_expire_is_read_again(api: ApiServer, kubeconfig: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("webhook.commands.check.clusterobjects.PAGE_SIZE", 1)
    api.answers[PODS].append((200, _first_page()))
    api.answers[PODS].append((410, status(410, "expired")))
    code, answer = _ask("10.1.0.6", "--kubeconfig", str(kubeconfig))
    assert (code, [one["pod"] for one in answer["holders"]]) == (0, ["db"])


def _first_page() -> bytes:
    return json.dumps({"metadata": {"continue": "x/1"}, "items": [OBJECTS[1]]}).encode()


def test_a_large_list_shows_its_progress(kubeconfig: Path, monkeypatch: Any) -> None:
    lines: list[str] = []
    monkeypatch.setattr(graphreading, "TELL_EACH", 1)
    monkeypatch.setattr(objectfiles, "tell", lines.append)
    run("10.1.0.5", "--kubeconfig", str(kubeconfig))
    assert lines[:3] == ["pods: 1 so far", "pods: 2 so far", "pods: 2"]


# What cannot be answered


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["10.1.0.300"], "'10.1.0.300' is neither an address nor a device; allowed: an IP address, a MAC address"),
        (["--free", "lan"], "'lan' is not a network; allowed: NAMESPACE/NAME"),
        (["--free", "a/b/c"], "'a/b/c' is not a network; allowed: NAMESPACE/NAME"),
        ([], "Give TARGET, or --free NAMESPACE/NAME"),
        (["10.1.0.5", "--free", "blue/lan"], "Give TARGET, or --free NAMESPACE/NAME"),
        (["10.1.0.5", "-n", "Blue"], "'Blue' does not name a namespace"),
        (["10.1.0.5", "-f", "x", "--cluster"], "-f and --manifests replace the cluster"),
    ],
)
def test_words_that_are_wrong(words: list[str], expected: str) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert expected in result.stderr


@pytest.mark.parametrize(
    ("reference", "line"),
    [
        ("blue/lann", 'there is no NetworkAttachmentDefinition "lann" in namespace "blue"; did you mean blue/lan?'),
        ("red/lan", 'there is no NetworkAttachmentDefinition "lan" in namespace "red"; did you mean blue/lan?'),
        (
            "red/other",
            'there is no NetworkAttachmentDefinition "other" in namespace "red"; kubectl get net-attach-def -A lists them',
        ),
    ],
)
def test_a_network_that_does_not_exist(reference: str, line: str) -> None:
    result = run("--free", reference, "-f", "-", stdin=text(OBJECTS))
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"nadmit: {line}\n")


def test_a_network_whose_addresses_are_not_known() -> None:
    result = run("--free", "blue/lan", "-f", "-", stdin=text([bridge(ipam={"type": "dhcp"})]))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "nadmit: blue/lan: its addresses are not known: its IPAM (dhcp) does not say them; allowed: IPAM host-local or "
        "whereabouts, with ranges that the plugin accepts\n"
    )


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    result = run("10.1.0.5", "-f", str(tmp_path / "no.yaml"))
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
