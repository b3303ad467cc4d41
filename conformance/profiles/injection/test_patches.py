"""The answer and its patch: what an API server demands, for pods of many kinds."""

from __future__ import annotations

import concurrent.futures

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.hooks.admissionresponse import read_review, read_verdict
from conformance.hooks.calls import JSON
from conformance.hooks.envelopes import encode, review
from conformance.hooks.hook import CHANGES, Webhook
from conformance.hooks.samples import DEFAULT_NETWORK, NAMESPACE, NETWORKS, Object, container, pod
from conformance.hooks.testcluster import ASKING_PODS, RESOURCE_A
from conformance.standards import ADMISSION, PRACTICE_NAME, RFC6902

pytestmark = pytest.mark.usefixtures("changes_pods")

MAY_CHANGE = {
    ("metadata", "annotations"),
    ("spec", "containers"),
    ("spec", "initContainers"),
    ("spec", "nodeSelector"),
    ("spec", "volumes"),
}
CONTAINER_MAY_CHANGE = {"resources", "volumeMounts", "env"}


@pytest.fixture(params=ASKING_PODS)
def asked(request: pytest.FixtureRequest) -> Object:
    """Return a pod that asks for networks."""
    return ASKING_PODS[str(request.param)]


@clause(RFC6902, "4", MUST)
@clause(ADMISSION, "response.patch", MUST)
def test_the_patch_applies(webhook: Webhook, asked: Object) -> None:
    """The patch applies."""
    injected = webhook.inject(asked)
    assert injected.pod != asked, "these pods need something"


@clause(ADMISSION, "idempotence", MUST)
def test_a_second_call_changes_nothing(webhook: Webhook, asked: Object) -> None:
    """A second call changes nothing."""
    once = webhook.inject(asked).pod
    assert webhook.inject(once).pod == once


@clause(ADMISSION, "idempotence", SHOULD)
def test_a_second_call_has_no_patch(webhook: Webhook, asked: Object) -> None:
    """A second call has no patch."""
    once = webhook.inject(asked).pod
    assert webhook.inject(once).verdict.patch == [], "each patch is applied, logged and audited"


@clause(ADMISSION, "response.patch", MUST)
def test_requests_and_limits_of_a_device_are_equal(webhook: Webhook, asked: Object) -> None:
    """Requests and limits of a device are equal, and whole numbers.

    K/pkg/apis/core/validation: an extended resource has a limit, and the request is equal to it, a whole number.
    """
    after = webhook.inject(asked).pod
    for each in after["spec"]["containers"]:
        given = each.get("resources") or {}
        for place in ("requests", "limits"):
            for name, amount in (given.get(place) or {}).items():
                if name.startswith("example.com/"):
                    assert (given.get("limits") or {}).get(name) == (given.get("requests") or {}).get(name) == amount
                    assert isinstance(amount, str), f"a quantity is a text: {amount!r}"
                    assert amount.isdecimal(), amount


@clause(ADMISSION, "response.patch", MUST)
def test_names_and_paths_stay_unique(webhook: Webhook, asked: Object) -> None:
    """Names of volumes and paths of mounts stay unique."""
    after = webhook.inject(asked).pod
    volumes = [each["name"] for each in after["spec"].get("volumes") or []]
    assert len(volumes) == len(set(volumes)), volumes
    for each in after["spec"]["containers"]:
        mounts = each.get("volumeMounts") or []
        paths = [mount["mountPath"] for mount in mounts]
        assert len(paths) == len(set(paths)), paths
        assert {mount["name"] for mount in mounts} <= set(volumes), "a mount names a volume of the pod"
        assert all("value" in one or "valueFrom" in one for one in each.get("env") or [])


@clause(ADMISSION, "good-practice", SHOULD)
def test_nothing_else_changes(webhook: Webhook, asked: Object) -> None:
    """The patch changes only what networks need."""
    after = webhook.inject(asked).pod
    assert after.keys() == asked.keys()
    for part in asked:
        before, now = asked[part], after[part]
        if not isinstance(before, dict):
            assert now == before, part
            continue
        changed = {key for key in {*before, *now} if before.get(key) != now.get(key)}
        assert {(part, key) for key in changed} <= MAY_CHANGE
    for before, now in zip(asked["spec"]["containers"], after["spec"]["containers"], strict=True):
        assert {key for key in {*before, *now} if before.get(key) != now.get(key)} <= CONTAINER_MAY_CHANGE


@clause(ADMISSION, "good-practice", SHOULD)
def test_what_the_pod_has_stays(webhook: Webhook, asked: Object) -> None:
    """The pod keeps what it has."""
    after = webhook.inject(asked).pod
    for before, now in zip(asked["spec"]["containers"], after["spec"]["containers"], strict=True):
        for each in (before.get("volumeMounts") or []) + (before.get("env") or []):
            assert each in (now.get("volumeMounts") or []) + (now.get("env") or [])
        for place in ("requests", "limits"):
            kept = (before.get("resources") or {}).get(place) or {}
            got = (now.get("resources") or {}).get(place) or {}
            for name, amount in kept.items():
                assert got.get(name) == amount or name == RESOURCE_A
    for each in asked["spec"].get("volumes") or []:
        assert each in after["spec"]["volumes"]
    assert (asked["spec"].get("nodeSelector") or {}).items() <= (after["spec"].get("nodeSelector") or {}).items()
    assert asked["metadata"]["annotations"].items() <= after["metadata"]["annotations"].items()


@clause(ADMISSION, "dry-run", MUST)
def test_a_dry_run_gets_the_same_patch(webhook: Webhook) -> None:
    """A dry run gets the patch of the real request."""
    real, dry = (webhook.inject(pod("device-a,on-rack"), dryRun=is_dry) for is_dry in (False, True))
    assert real.pod == dry.pod


@clause(ADMISSION, "request", MUST)
def test_a_pod_without_a_name_yet(webhook: Webhook) -> None:
    """A pod with generateName, and no name yet, gets its resources."""
    thing = pod("device-a")
    del thing["metadata"]["name"]
    thing["metadata"]["generateName"] = "web-"
    assert webhook.inject(thing).resources()["limits"] == {RESOURCE_A: "1"}


@clause(ADMISSION, "request", MUST)
def test_the_namespace_may_be_in_the_request_only(webhook: Webhook) -> None:
    """The namespace of a pod may be in the request only."""
    thing = pod("device-a")
    del thing["metadata"]["namespace"]
    assert webhook.inject(thing, namespace=NAMESPACE).resources()["limits"] == {RESOURCE_A: "1"}


@clause(ADMISSION, "request", MUST)
def test_fields_of_a_later_version_stay(webhook: Webhook) -> None:
    """Fields of a later version stay."""
    thing = pod("device-a", container(laterField={"a": [1]}), laterField=True)
    after = webhook.inject(thing).pod
    assert after["spec"]["laterField"] is True
    assert after["spec"]["containers"][0]["laterField"] == {"a": [1]}


@clause(ADMISSION, "request", MUST)
def test_a_pod_of_2_mib(webhook: Webhook) -> None:
    """A pod of 2 MiB gets its resources."""
    thing = pod("device-a", container(args=["x" * 2_000_000]))
    assert webhook.inject(thing).resources()["limits"] == {RESOURCE_A: "1"}


@clause(ADMISSION, "response.uid", MUST)
def test_reviews_at_the_same_time_do_not_mix(webhook: Webhook) -> None:
    """Reviews at the same time get their own patches."""

    def ask(number: int) -> tuple[int, dict[str, str]]:
        count = number % 5 + 1
        return count, webhook.inject(pod(",".join(["device-a"] * count))).resources()["limits"]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for count, limits in pool.map(ask, range(64)):
            assert limits == {RESOURCE_A: str(count)}


@clause(ADMISSION, "response", SHOULD)
def test_the_content_type_is_json(webhook: Webhook) -> None:
    """The content type of an answer is application/json."""
    answer = webhook.send(encode(review(pod("device-a"))), CHANGES)
    assert answer.headers.get("content-type", "").partition(";")[0].strip().lower() == JSON, answer


@clause(ADMISSION, "response.version", MUST)
def test_a_review_of_another_version_is_not_answered_in_v1(webhook: Webhook) -> None:
    """A review of v1beta1 is answered in v1beta1, or not at all."""
    value = review(pod("device-a")) | {"apiVersion": "admission.k8s.io/v1beta1"}
    answer = webhook.send(encode(value), CHANGES)
    if answer.status == 200:
        assert read_review(answer)["apiVersion"] == value["apiVersion"], "an answer has the version of its review"
    else:
        assert 400 <= answer.status < 500, answer


@clause(PRACTICE_NAME, "injection", PRACTICE)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_another_method_is_refused(webhook: Webhook, method: str) -> None:
    """Methods other than POST get 405."""
    answer = webhook.send(b"" if method == "GET" else encode(review(pod())), CHANGES, method=method)
    assert answer.status == 405, answer


@clause(PRACTICE_NAME, "injection", PRACTICE)
@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"[]", b"null", b"{}", encode(pod()), b'{"request":', encode(review(pod()) | {"request": None})],
    ids=["empty", "text", "list", "null", "an object", "a pod", "half", "no request"],
)
def test_what_is_no_review_gets_a_client_error(webhook: Webhook, body: bytes) -> None:
    """A body that is no review gets a status from 400 to 499."""
    answer = webhook.send(body, CHANGES)
    assert 400 <= answer.status < 500, answer


@clause(PRACTICE_NAME, "injection", PRACTICE)
def test_the_content_type_may_have_parameters(webhook: Webhook) -> None:
    """The content type may have parameters."""
    value = review(pod("device-a"))
    answer = webhook.send(encode(value), CHANGES, content_type="application/json; charset=utf-8")
    assert read_verdict(answer, value["request"]["uid"], may_patch=True).is_allowed


# Pods that nobody writes by mistake: no server error, and the server lives on

HOSTILE: dict[str, Object] = {
    "no containers": pod("device-a") | {"spec": {"containers": []}},
    "no spec": {key: value for key, value in pod("device-a").items() if key != "spec"},
    "containers null": pod("device-a") | {"spec": {"containers": None}},
    "a list of null": pod("[null]"),
    "a list of lists": pod("[[]]"),
    "deep": pod("[" * 50_000),
    "1,000 commas": pod("," * 1_000),
    "20,000 networks": pod(",".join(["device-a"] * 20_000)),
    "NUL": pod("device-a\0"),
    "a default network of null": pod(annotations={DEFAULT_NETWORK: "[null]"}),
    "a quantity that is none": pod("device-a", container(resources={"limits": {RESOURCE_A: "many"}})),
    "resources null": pod("device-a", container(resources=None)),
    "a container without a name": pod("device-a", {"image": "a", "resources": {}}),
    "a path in the name": pod([{"name": "../../../api/v1/secrets"}]),
    "a path in the namespace": pod([{"name": "x", "namespace": "../../secrets"}]),
}


@clause(PRACTICE_NAME, "injection", PRACTICE)
@pytest.mark.parametrize("name", HOSTILE)
def test_no_server_error(webhook: Webhook, name: str) -> None:
    """A hostile pod is no server error, and the server goes on."""
    answer = webhook.send(encode(review(HOSTILE[name])), CHANGES)
    assert answer.status < 500, answer
    assert webhook.inject(pod("device-a")).resources()["limits"] == {RESOURCE_A: "1"}


@clause(PRACTICE_NAME, "injection", PRACTICE)
@pytest.mark.parametrize(
    "text",
    ["a/b/c", "device-a@x@y", "Device_A", "[", '[{"name": 5}]', "device-a,,device-b"],
    ids=["two slashes", "two at signs", "capitals", "not closed", "a number", "an empty item"],
)
def test_an_annotation_that_cannot_be_read_gets_a_verdict(webhook: Webhook, text: str) -> None:
    """An annotation that cannot be read gets a verdict, and no resources.

    NB: a status other than 200 is a failed call: the user reads none of its text, and Ignore lets the pod in.
    """
    injected = webhook.change(pod(text))
    assert not injected.verdict.is_allowed or not injected.resources()["limits"], "networks of a text that has none"


@clause(ADMISSION, "operations", MUST)
@pytest.mark.parametrize("operation", ["UPDATE", "DELETE"])
def test_other_operations_change_nothing(webhook: Webhook, operation: str) -> None:
    """Operations other than CREATE change nothing."""
    webhook.needs_operation(CHANGES, operation)
    thing = pod("device-a")
    value = review(None if operation == "DELETE" else thing, operation=operation, old=thing)
    assert webhook.answer(value, CHANGES).patch == []


@clause(ADMISSION, "good-practice", SHOULD)
@pytest.mark.parametrize("annotations", [{}, {"example.com/x": "y"}, {NETWORKS: ""}], ids=["none", "another", "empty"])
def test_a_pod_that_asks_for_nothing_has_no_patch(webhook: Webhook, annotations: dict[str, str]) -> None:
    """A pod without networks has no patch."""
    injected = webhook.inject(pod(annotations=annotations))
    assert injected.verdict.patch == []
