"""Reviews that wait for the cluster: outside the shortcut, within the time, with one answer."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cniplugin.access.compile import compile_rules, read_policies
from cniplugin.access.model.decision import Config, Rules
from cniplugin.access.reading.consent import ALLOWED_SELECTOR
from tests.paths import EXAMPLES
from tests.webhook.admission.world import MACVLAN, RULES, FakeCluster, cluster
from tests.webhook.serving.harness import PATIENCE_S, Client, request, running
from webhook.admission.model.requests import Decision, Request
from webhook.admission.view.decisioncontext import Configuration
from webhook.review.reviews import Reviews
from webhook.serving.http import RETRY_HEADER, RequestError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from webhook.serving.http import Later

RECORDING = EXAMPLES / "recordings" / "create-pods-alice-pod.json"


class Live:
    """Finds a network and a namespace when the test sets `found`. `seconds`: how long reviews would wait."""

    def __init__(self, found: FakeCluster | None, *, namespaces: FakeCluster | None = None) -> None:
        self.found = found
        self.namespaces = namespaces
        self.seconds: list[float] = []
        self.asked: list[tuple[tuple[str, str], ...]] = []
        self.asked_namespaces: list[tuple[str, ...]] = []
        self.over: list[object] = []
        self.is_worth = True

    def may_find_networks(self, missing: Sequence[tuple[str, str]]) -> bool:
        self.asked.append(tuple(missing))
        return self.is_worth

    def may_find_namespaces(self, unknown: Sequence[str]) -> bool:
        self.asked_namespaces.append(tuple(unknown))
        return self.is_worth

    async def find_networks(
        self, _missing: Sequence[tuple[str, str]], *, seconds: float, over: FakeCluster | None = None
    ) -> FakeCluster | None:
        self.seconds.append(seconds)
        self.over.append(over)
        return self.found

    async def find_namespaces(
        self, _unknown: Sequence[str], *, seconds: float, over: FakeCluster | None = None
    ) -> FakeCluster | None:
        self.seconds.append(seconds)
        self.over.append(over)
        return self.namespaces


class Noted:
    def __init__(self) -> None:
        self.verdicts: list[str] = []

    def review(self, _path: str, _request: Request, decision: Decision, _seconds: float) -> None:
        self.verdicts.append(decision.verdict)


def reviews(
    live: Live | None, noted: Noted, *, snapshot: Callable[[], FakeCluster] = cluster, rules: Rules = RULES
) -> Reviews:
    return Reviews(
        snapshot=snapshot,
        problem=lambda: None,
        rules=lambda _cluster: rules,
        configuration=Configuration,
        network_namespace="kube-system",
        observer=noted,
        live=live,
    )


def body(networks: str, kind: str = "Pod") -> bytes:
    review: dict[str, Any] = json.loads(RECORDING.read_text())
    metadata = {"name": "web-0", "annotations": {"k8s.v1.cni.cncf.io/networks": networks}}
    review["request"] |= {"namespace": "blue", "name": "web-0", "object": {"metadata": metadata}, "oldObject": None}
    if kind != "Pod":
        review["request"]["kind"] = {"group": "apps", "version": "v1", "kind": kind}
        review["request"]["object"] = {"metadata": {"name": "web"}, "spec": {"template": {"metadata": metadata}}}
    return json.dumps(review).encode()


def allowed(answer: bytes | Later) -> bool:
    assert isinstance(answer, bytes)
    return bool(json.loads(answer)["response"]["allowed"])


def test_a_pod_of_a_network_that_is_found_is_judged_again() -> None:
    noted, live = Noted(), Live(cluster(blue__new=MACVLAN))
    later = reviews(live, noted)("/validate", body("lan,new"))
    assert not isinstance(later, bytes)
    assert noted.verdicts == []
    assert allowed(asyncio.run(_await(later, 10.0)))
    assert (live.asked, noted.verdicts) == ([(("blue", "new"),)], ["allow"])


async def _await(later: Later, seconds_left: float) -> bytes:
    return await later(seconds_left)


def test_a_network_that_is_not_found_stays_refused() -> None:
    noted = Noted()
    plain = reviews(None, noted)("/validate", body("new"))
    later = reviews(Live(None), noted)("/validate", body("new"))
    assert not isinstance(later, bytes)
    assert asyncio.run(_await(later, 10.0)) == plain
    assert noted.verdicts == ["deny", "deny"]


@pytest.mark.parametrize(("left", "waits"), [(10.0, 1.0), (1.5, 0.75), (0.2, 0.1)])
def test_a_review_waits_a_second_or_half_of_its_time(left: float, waits: float) -> None:
    live = Live(None)
    later = reviews(live, Noted())("/validate", body("new"))
    assert not isinstance(later, bytes)
    asyncio.run(_await(later, left))
    assert live.seconds == [waits]


@pytest.mark.parametrize(
    ("networks", "kind"),
    [
        ("lan", "Pod"),
        ("infra/new", "Pod"),  # refused by the rules, so no review asks whether it exists
        ("new,infra/storage", "Pod"),
        ("new,,", "Pod"),
        ('[{"name":"new"},{"name":"lan","ips":["10.0.0.1/24"]}]', "Pod"),  # another problem stays
        ("new", "Deployment"),  # a warning only
    ],
)
def test_the_cluster_is_asked_only_if_it_can_help(networks: str, kind: str) -> None:
    live = Live(None)
    assert isinstance(reviews(live, Noted())("/validate", body(networks, kind)), bytes)
    assert live.asked == []


def test_a_network_that_is_known_to_be_absent_is_refused_at_once() -> None:
    live = Live(None)
    live.is_worth = False
    assert not allowed(reviews(live, Noted())("/validate", body("new")))


@pytest.mark.parametrize(
    ("networks", "asked"),
    [("lan,new", ["new"]), ("infra/new", []), ("new,infra/storage", []), ("new,,", [])],
)
def test_mutate_asks_for_a_network_that_may_need_something(networks: str, asked: list[str]) -> None:
    noted, live = Noted(), Live(cluster(blue__new=MACVLAN))
    answer = reviews(live, noted)("/mutate", body(networks))
    if not asked:
        assert isinstance(answer, bytes)
    assert live.asked == ([(("blue", "new"),)] if asked else [])
    assert allowed(answer if isinstance(answer, bytes) else asyncio.run(_await(answer, 10.0)))
    assert noted.verdicts == ["allow"]


# An unknown namespace


NO_STORAGE_FOR_DEV = compile_rules(
    read_policies(
        [
            {
                "kind": "NetworkAttachmentPolicy",
                "metadata": {"name": "dev"},
                "spec": {
                    "pods": [{"namespaceSelector": {"matchLabels": {"env": "dev"}}}],
                    "attachments": [{"name": "none", "action": "Deny"}],
                },
            }
        ]
    ),
    Config(),
)


def new_namespace(env: str | None = None, **networks: str | None) -> FakeCluster:
    """A cluster that does not know namespace blue, or that knows its label."""
    made = cluster(**networks)
    if env is None:
        made.unknown = frozenset({"blue"})
    else:
        made.labels = {"blue": {"env": env}}
    return made


def in_new_namespace(live: Live | None, noted: Noted) -> Reviews:
    return reviews(live, noted, snapshot=new_namespace, rules=NO_STORAGE_FOR_DEV)


@pytest.mark.parametrize(("env", "is_allowed"), [("dev", False), ("prod", True)])
def test_a_namespace_whose_labels_matter_is_asked_for(env: str, *, is_allowed: bool) -> None:
    noted, live = Noted(), Live(None, namespaces=new_namespace(env))
    later = in_new_namespace(live, noted)("/validate", body("lan"))
    assert not isinstance(later, bytes)
    assert noted.verdicts == []
    assert allowed(asyncio.run(_await(later, 10.0))) is is_allowed
    assert (live.asked_namespaces, live.asked) == ([("blue",)], [])
    assert noted.verdicts == ["allow" if is_allowed else "deny"]


def test_without_the_namespace_there_is_no_verdict() -> None:
    """NB: without the labels the Deny rule would not match. The API server tries again."""
    noted, live = Noted(), Live(None)
    later = in_new_namespace(live, noted)("/validate", body("lan"))
    assert not isinstance(later, bytes)
    with pytest.raises(RequestError) as late:
        asyncio.run(_await(later, 10.0))
    live.is_worth = False
    with pytest.raises(RequestError) as at_once:
        in_new_namespace(live, noted)("/validate", body("lan"))
    for error in (late.value, at_once.value):
        assert (error.status, error.headers) == (503, (RETRY_HEADER,))
        assert error.text == (
            'access rules select namespaces by labels, and those of namespace "blue" cannot be read yet; '
            "try again in 1 s"
        )
    assert noted.verdicts == []


def test_while_the_namespace_is_unknown_there_is_no_verdict() -> None:
    later = in_new_namespace(Live(None, namespaces=new_namespace()), Noted())("/validate", body("lan"))
    assert not isinstance(later, bytes)
    with pytest.raises(RequestError):
        asyncio.run(_await(later, 10.0))


def test_networks_are_sought_once_the_namespace_is_known() -> None:
    """A namespace, a network and a pod are created together. The second search has the remaining time."""
    known = new_namespace("prod")
    noted, live = Noted(), Live(new_namespace("prod", blue__new=MACVLAN), namespaces=known)
    later = in_new_namespace(live, noted)("/validate", body("new"))
    assert not isinstance(later, bytes)
    assert allowed(asyncio.run(_await(later, 10.0)))
    assert (live.asked, live.over) == ([(("blue", "new"),)], [None, known])
    first, second = live.seconds
    assert first == 1.0
    assert second <= first


def test_a_network_that_was_found_may_make_the_labels_matter() -> None:
    """The owner shares the network by labels. The second snapshot has the objects of the first."""
    with_network = new_namespace(green__new=MACVLAN)
    by_label = {ALLOWED_SELECTOR: "env=prod"}
    with_network.networks["green", "new"] = with_network.networks["green", "new"].replace(annotations=by_label)
    with_both = replace(with_network, unknown=frozenset())
    live = Live(with_network, namespaces=with_both)
    rules = Rules(config=Config(posture="Consent", global_namespaces=("green",)))
    later = reviews(live, Noted(), snapshot=new_namespace, rules=rules)("/validate", body("green/new"))
    assert not isinstance(later, bytes)
    assert allowed(asyncio.run(_await(later, 10.0)))
    assert live.over == [None, with_network]


@pytest.mark.parametrize(("rules", "networks"), [(RULES, "lan"), (NO_STORAGE_FOR_DEV, "")])
def test_a_namespace_whose_labels_do_not_matter_is_not_asked_for(rules: Rules, networks: str) -> None:
    live = Live(None)
    assert allowed(reviews(live, Noted(), snapshot=new_namespace, rules=rules)("/validate", body(networks)))
    assert live.asked_namespaces == []


def test_without_an_api_server_it_is_a_warning() -> None:
    """With a tree of files, an object that is not in it does not exist."""
    answer = in_new_namespace(None, Noted())("/validate", body("lan"))
    assert allowed(answer)
    assert isinstance(answer, bytes)
    (warning,) = json.loads(answer)["response"]["warnings"]
    assert warning == (
        'no manifest has namespace "blue": it counts as one without labels, and access rules select namespaces by '
        "labels; add the Namespace with its labels"
    )


# Over the wire


def test_a_review_that_waits_leaves_the_short_way(pki: Path, context: ssl.SSLContext) -> None:
    """A waiting review delays the pipelined requests behind it, and the answers keep their order."""
    release, waiting = threading.Event(), threading.Event()

    def review(_path: str, sent: bytes) -> bytes | Later:
        async def later(_seconds_left: float) -> bytes:
            waiting.set()
            await asyncio.to_thread(release.wait, PATIENCE_S)
            return b'"late"'

        return later if sent == b'"wait"' else sent

    with running(pki, review=review) as server, Client(server.addresses.webhook, context) as client:
        client.send(request(b'"wait"', "/validate?timeout=10s") + request(b'"now"'))
        assert waiting.wait(PATIENCE_S)
        with Client(server.addresses.webhook, context) as other:
            assert other.post(b'"x"').body == b'"x"'
        release.set()
        assert [client.read().body, client.read().body, client.post(b'"then"').body] == [b'"late"', b'"now"', b'"then"']
        assert server.responses == [("/validate", 200)] * 4


def test_a_review_in_pieces_may_wait(pki: Path, context: ssl.SSLContext) -> None:
    lefts: list[float] = []

    def review(_path: str, _sent: bytes) -> Later:
        async def later(seconds_left: float) -> bytes:
            lefts.append(seconds_left)
            return b"{}"

        return later

    with running(pki, review=review) as server, Client(server.addresses.webhook, context) as client:
        whole = request(b'{"a": 1}', "/validate?timeout=3s")
        client.send(whole[:-4])
        client.send(whole[-4:])
        assert client.read().status == 200
        assert client.post(b"{}", "/validate?timeout=3s").status == 200
    assert all(0 < left <= 2.5 for left in lefts)
    assert len(lefts) == 2


def test_a_bug_while_waiting_is_answered_with_an_id(
    pki: Path, context: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    def review(_path: str, _sent: bytes) -> Later:
        async def later(_seconds_left: float) -> bytes:
            raise ZeroDivisionError

        return later

    with running(pki, review=review) as server, Client(server.addresses.webhook, context) as client:
        answer = client.post()
        assert answer.status == 500
        assert answer.text.split("id ")[1].split(";")[0] in caplog.text
        assert "ZeroDivisionError" in caplog.text


def test_a_client_that_leaves_while_its_review_waits(pki: Path, context: ssl.SSLContext) -> None:
    release, waiting = threading.Event(), threading.Event()

    def review(_path: str, sent: bytes) -> bytes | Later:
        async def later(_seconds_left: float) -> bytes:
            waiting.set()
            await asyncio.to_thread(release.wait, PATIENCE_S)
            return b"{}"

        return later if sent == b'"wait"' else sent

    with running(pki, review=review) as server:
        with Client(server.addresses.webhook, context) as client:
            client.send(request(b'"wait"'))
            assert waiting.wait(PATIENCE_S)
        release.set()
        with Client(server.addresses.webhook, context) as other:
            assert other.post(b"1").body == b"1"


def test_a_refusal_to_judge_while_waiting_is_an_answer(pki: Path, context: ssl.SSLContext) -> None:
    def review(_path: str, _sent: bytes) -> Later:
        async def later(_seconds_left: float) -> bytes:
            raise RequestError(503, "not yet", RETRY_HEADER)

        return later

    with running(pki, review=review) as server, Client(server.addresses.webhook, context) as client:
        answer = client.post()
        assert (answer.status, answer.text, answer.headers["retry-after"]) == (503, "not yet", "1")
