"""The whole server as an ASGI application: answers from watches and from files, missing rights, and refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from anyio import from_thread
from click.testing import CliRunner

from tests.browser import worlds
from tests.fakes.apiserver import ApiServer, failure, status
from tests.fakes.objects import write_kubeconfig
from tests.fakes.objectstore import NETWORKS, PODS, POLICIES
from tests.fakes.waiting import wait_until
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration
from webhook.cli import nadmit
from webhook.commands.ui import peer
from webhook.commands.ui.application import Application, Changes
from webhook.commands.ui.clusterview import Origin, Settings
from webhook.commands.ui.copiedobjects import CopiedObjects
from webhook.commands.ui.guard import Guard
from webhook.commands.ui.livecluster import LiveCluster
from webhook.plugindata.pluginfiles import load_schemas
from webhook.trees.documents import Document
from webhook.trees.positions import Source

SETTINGS = Settings(Configuration(injection=None, plugins=PluginChecks(schemas=load_schemas())), {}, "kube-system")
DENIED = "network access denied: pod shop/my-pod may not attach to infra/storage"
FORBIDDEN = (403, status(403, "no"))


class Client:
    """Sends requests to an application without a socket."""

    def __init__(self, origin: Origin) -> None:
        self.guard = Guard(8100)
        self.application = Application(self.guard, origin, SETTINGS, Changes())

    def get(self, path: str, *, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        sent: list[Any] = []
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "client": ("127.0.0.1", 40000),
            "headers": [
                (name.encode(), value.encode()) for name, value in {"host": "127.0.0.1:8100", **headers}.items()
            ],
        }

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        with from_thread.start_blocking_portal() as portal:
            portal.call(self.application, scope, receive, send)
        head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], head, b"".join(one.get("body", b"") for one in sent[1:])

    def ask(self, name: str, /, **question: str) -> Any:
        """Return the answer to a question, which must have one."""
        code, _, body = self.get(f"/{self.guard.token}/api/{name}?{urlencode(question)}")
        assert code == 200, body
        return json.loads(body)

    def fail(self, name: str, /, **question: str) -> tuple[int, str]:
        code, _, body = self.get(f"/{self.guard.token}/api/{name}?{urlencode(question)}")
        return code, json.loads(body)["error"]


@contextmanager
def watching(api: ApiServer, directory: Path, namespace: str = "") -> Iterator[LiveCluster]:
    origin = LiveCluster(
        write_kubeconfig(directory / "kubeconfig", api.url), namespace=namespace, network_namespace="kube-system"
    )
    origin.start()
    try:
        assert origin.wait(20)
        yield origin
    finally:
        origin.stop()


def copied() -> CopiedObjects:
    documents = [Document(Source("demo", ""), one, 0, 0) for one in worlds.demo()]
    return CopiedObjects(documents, title="demo", namespace="", network_namespace="kube-system")


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        worlds.fill(server, worlds.demo())
        yield server


@pytest.fixture
def client(api: ApiServer, tmp_path: Path) -> Iterator[Client]:
    with watching(api, tmp_path) as origin:
        yield Client(origin)


def test_watches_and_files_give_the_same_answers(client: Client) -> None:
    files = Client(copied())
    questions: list[tuple[str, dict[str, str]]] = [
        ("network", {"namespace": "infra", "name": "storage"}),
        ("network", {"namespace": "media", "name": "stream"}),
        ("namespace", {"namespace": "payments"}),
        ("pod", {"namespace": "payments", "name": "ledger-0"}),
        ("pod", {"namespace": "media", "name": "encoder-0"}),
        ("workload", {"namespace": "shop", "workload": "deployment/web"}),
        ("search", {"q": "10.100.0.5"}),
        ("can-attach", {"namespace": "shop", "network": "infra/storage"}),
    ]
    for name, question in questions:
        assert client.ask(name, **question) == files.ask(name, **question), name
    assert client.ask("map")["segments"] == files.ask("map")["segments"]


def test_a_network(client: Client) -> None:
    found = client.ask("network", namespace="infra", name="storage")
    assert [(one["state"], one["namespaces"]) for one in found["rights"]] == [
        ("yes", ["infra"]),
        ("yes", ["payments"]),
        ("no", ["default", "media", "shop"]),
    ]
    assert 'rule "san"' in found["rights"][1]["decided"]
    assert found["attachments"]["count"] == 6
    assert (found["addresses"]["usedCount"], found["addresses"]["count"]) == (6, str(65534 - 6))
    assert {one["kind"] for one in found["touches"]} == {"program", "vlan", "address"}
    refused = client.ask("network", namespace="media", name="stream")
    assert refused["verdict"]["text"].startswith('The NetworkAttachmentDefinition "stream" is invalid: ')
    assert [one["code"] for one in refused["verdict"]["explained"]] == ["NAD303"]
    assert client.fail("network", namespace="media", name="none")[0] == 404


def test_who_asks_for_a_network(api: ApiServer, client: Client) -> None:
    asks = worlds.pod("media", "late", {}, asks="spare")
    del asks["metadata"]["annotations"][worlds.STATUS]
    api.put(PODS, asks)
    wait_until(lambda: client.ask("network", namespace="media", name="spare")["asking"])
    assert client.ask("network", namespace="media", name="spare")["asking"] == [
        {"namespace": "media", "workload": "pod/late", "pods": 0, "nodes": 0}
    ]
    assert client.ask("network", namespace="infra", name="storage")["asking"] == []


def test_a_namespace_and_a_pod(client: Client) -> None:
    payments = client.ask("namespace", namespace="payments")
    assert [one["network"] for one in payments["allowed"]] == ["default/public", "infra/storage", "payments/ledger"]
    assert payments["refusedCount"] == 4
    waiting = client.ask("pod", namespace="media", name="encoder-0")
    assert (waiting["why"]["cause"], waiting["verdict"]["allowed"]) == ("network-missing", False)
    assert waiting["plan"]["problems"] == ['[0]: there is no NetworkAttachmentDefinition "gone" in namespace "media"']
    ledger = client.ask("pod", namespace="payments", name="ledger-0")
    assert [one["interface"] for one in ledger["plan"]["attachments"]] == ["net1", "net2"]
    assert ledger["why"]["fine"]
    assert client.fail("pod", namespace="shop", name="none") == (404, 'there is no pod "none" in namespace "shop"')


def test_the_text_of_a_refusal_is_that_of_kubectl(client: Client) -> None:
    found = client.ask("can-attach", namespace="shop", network="infra/storage")
    assert not found["allowed"]
    assert found["verdict"]["text"].splitlines()[:2] == [
        f'Error from server (Forbidden): admission webhook "pods.access.nadmit.io" denied the request: {DENIED}',
        "- infra/storage (item 1)",
    ]
    assert client.ask("can-attach", namespace="payments", network="infra/storage")["verdict"]["allowed"]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"network": "a/b"}, "namespace is empty"),
        ({"namespace": "shop"}, "network is empty"),
        ({"namespace": "A B", "network": "a/b"}, "does not name a namespace"),
        ({"namespace": "shop", "network": "[{"}, "JSON"),
        ({"namespace": "shop", "network": "a/b", "labels": "x"}, "'x' is not a label"),
        ({"namespace": "shop", "network": "a/b", "ips": "10.0.0"}, "10.0.0"),
        ({"namespace": "shop", "network": "a/b", "serviceAccount": "A"}, "service account"),
    ],
)
def test_a_question_that_is_wrong(question: dict[str, str], words: str) -> None:
    code, text = Client(copied()).fail("can-attach", **question)
    assert code == 400
    assert words in text


def test_changes_arrive(api: ApiServer, client: Client) -> None:
    before = client.ask("map")
    api.put(NETWORKS, worlds.network("shop/new", {"type": "ptp"}))
    api.put(PODS, worlds.pod("shop", "one", {"shop/new": ("10.9.9.9", "")}))
    wait_until(lambda: client.ask("search", q="10.9.9.9")["holders"])
    after = client.ask("map")
    assert after["version"] > before["version"]
    assert after["pods"] == before["pods"] + 1
    assert client.ask("network", namespace="shop", name="new")["attachments"]["count"] == 1
    api.delete(PODS, "shop", "one")
    api.delete(NETWORKS, "shop", "new")
    wait_until(lambda: client.ask("map")["segments"] == before["segments"])


def test_a_new_status_of_a_pod_that_changes_nothing_is_no_change(api: ApiServer, tmp_path: Path) -> None:
    with watching(api, tmp_path) as origin:
        version = origin.version
        web = next(one for one in worlds.demo() if one["kind"] == "Pod")
        api.put(PODS, {**web, "status": {**web["status"], "message": "hello"}})
        api.put(NETWORKS, worlds.network("shop/new", {"type": "ptp"}))
        wait_until(lambda: "shop/new" in origin.moment().topology.networks)
        assert origin.version == version + 1


def test_each_missing_right_is_one_line(api: ApiServer, tmp_path: Path) -> None:
    api.answer_always[POLICIES] = FORBIDDEN
    api.answer_always[worlds.DEPLOYMENTS] = FORBIDDEN
    with watching(api, tmp_path) as origin:
        client = Client(origin)
        unread = client.ask("map")["unread"]
        assert [one.partition(":")[0] for one in unread] == [
            "networkattachmentpolicies.access.nadmit.io",
            "deployments.apps",
        ]
        network = client.ask("network", namespace="infra", name="storage")
        assert (network["rights"], network["verdict"], network["lacking"]) == ([], None, unread[:1])
        assert network["attachments"]["count"] == 6
        code, text = client.fail("can-attach", namespace="shop", network="infra/storage")
        assert code == 409
        assert unread[0] in text
        pod = client.ask("pod", namespace="payments", name="ledger-0")
        assert (pod["verdict"], pod["lacking"]) == (None, unread[:1])
        del api.answer_always[POLICIES]
        wait_until(lambda: len(client.ask("map")["unread"]) == 1)


def test_a_connection_that_is_lost_is_said(api: ApiServer, tmp_path: Path) -> None:
    with watching(api, tmp_path) as origin:
        client, before = Client(origin), origin.state
        api.instead = lambda _request: failure(500, "etcd has a bad day")
        api.cut_watches()
        wait_until(lambda: any("what is shown may be old" in one for one in client.ask("map")["notes"]))
        assert origin.state != before
        assert client.ask("map")["unread"] == []
        assert client.ask("map")["pods"] == 16
        api.instead = lambda _request: None
        wait_until(lambda: client.ask("map")["notes"] == [])


def test_one_namespace(api: ApiServer, tmp_path: Path) -> None:
    api.instead = lambda request: failure(403, "no") if request.path in {PODS, NETWORKS, worlds.DEPLOYMENTS} else None
    with watching(api, tmp_path, "shop") as origin:
        found = Client(origin).ask("map")
        assert found["pods"] == 7
        assert found["notes"] == ["only pods of namespace shop are read"]
        assert [one.partition(":")[0] for one in found["unread"]] == ["network-attachment-definitions.k8s.cni.cncf.io"]
        names = {network["network"] for one in found["segments"] for network in one["networks"] if network["defined"]}
        assert names == {"shop/frontend", "shop/backend"}
        far = Client(origin).ask("network", namespace="default", name="public")
        assert far["defined"] is None, "nobody knows whether there is one"


def test_an_api_server_that_does_not_answer(tmp_path: Path) -> None:
    with ApiServer() as api:
        url = api.url
    origin = LiveCluster(write_kubeconfig(tmp_path / "kubeconfig", url), namespace="", network_namespace="kube-system")
    origin.start()
    assert origin.wait(20)
    assert origin.has_nothing()
    origin.stop()


# The server


def test_every_answer_has_the_policy_and_no_key_for_others(client: Client) -> None:
    paths = ["/", f"/{client.guard.token}/", f"/{client.guard.token}/style.css", f"/{client.guard.token}/api/map"]
    for path in paths:
        _, headers, _ = client.get(path)
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
        assert not any(name.startswith("access-control") for name in headers)


def test_refusals(client: Client) -> None:
    inner = f"/{client.guard.token}/api/map"
    assert client.get(inner, host="evil.example")[0] == 403
    assert client.get(inner, origin="http://evil.example")[0] == 403
    assert client.get(inner, method="POST")[0] == 405
    assert client.get("/api/map")[0] == 404
    assert client.get(f"/{client.guard.token}/../secrets")[0] == 404
    assert client.get(f"/{client.guard.token}/api/none")[0] == 404


def test_the_first_visit_leads_to_the_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user of this machine can read the address in the list of processes, and cannot use it up."""
    path = f"/open/{client.guard.once}"
    monkeypatch.setattr(peer, "is_own", lambda port, *, server_port: (port, server_port) != (40000, 8100))
    assert client.get(path)[0] == 403
    monkeypatch.setattr(peer, "is_own", lambda port, *, server_port: (port, server_port) == (40000, 8100))
    code, headers, _ = client.get(path)
    assert (code, headers["location"]) == (303, f"/{client.guard.token}/")
    assert client.get(path)[0] == 404


def test_the_cluster_is_only_read(api: ApiServer, client: Client) -> None:
    for name, question in (("map", {}), ("pod", {"namespace": "media", "name": "encoder-0"})):
        client.ask(name, **question)
    client.ask("can-attach", namespace="shop", network="infra/storage")
    assert api.written() == []


# Findings


def test_findings_are_those_of_a_scan(api: ApiServer, client: Client, tmp_path: Path) -> None:
    found = client.ask("findings")
    kubeconfig = str(write_kubeconfig(tmp_path / "other", api.url))
    scanned = json.loads(CliRunner().invoke(nadmit, ["scan", "--kubeconfig", kubeconfig, "-o", "json"]).stdout)
    assert found["findings"] == scanned["findings"] != []
    assert {"NAD303", "network-not-found"} <= found["explained"].keys()
    assert {one["rule"] for one in Client(copied()).ask("findings")["findings"]} == {
        one["rule"] for one in found["findings"]
    }


def test_findings_are_kept_until_somebody_asks_again(api: ApiServer, client: Client) -> None:
    assert client.ask("network", namespace="media", name="stream")["findings"] == []
    first = client.ask("findings")
    assert not first["old"]
    about = client.ask("network", namespace="media", name="stream")["findings"]
    assert [one["rule"] for one in about] == ["NAD303", "host-local-nodes"]
    fixed = worlds.network("media/stream", {"type": "bridge", "bridge": "br-media"})
    before = len(api.list_requests(PODS))
    api.put(NETWORKS, fixed)
    wait_until(lambda: client.ask("findings")["old"])
    assert client.ask("findings")["findings"] == first["findings"]
    assert len(api.list_requests(PODS)) == before, "nothing is read for an answer that is there"
    again = client.ask("findings", again="true")
    assert not again["old"]
    assert "NAD303" not in {one["rule"] for one in again["findings"]}


def test_findings_without_a_right(api: ApiServer, client: Client) -> None:
    api.answer_always[POLICIES] = FORBIDDEN
    found = client.ask("findings")
    assert not found["judged"]
    assert [one.partition(":")[0] for one in found["unread"]] == ["networkattachmentpolicies.access.nadmit.io"]
    api.answer_always[PODS] = FORBIDDEN
    code, text = client.fail("findings", again="true")
    assert (code, text.partition(":")[0]) == (502, "pods")
