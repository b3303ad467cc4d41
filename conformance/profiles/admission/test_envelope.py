"""The AdmissionReview around every answer, and the requests that are none."""

from __future__ import annotations

import concurrent.futures
import json
import socket
import ssl
import warnings

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.hooks.admissionresponse import read_review, read_verdict
from conformance.hooks.calls import JSON, Answer, NoAnswerError, exchange
from conformance.hooks.envelopes import encode, review
from conformance.hooks.hook import PODS, QUERY, Webhook
from conformance.hooks.samples import POD, Object, definition, pod
from conformance.hooks.testcluster import single
from conformance.standards import ADMISSION, PRACTICE_NAME

LARGEST = 3 * 1024 * 1024 - 64 * 1024
"""Bytes of an object that the API server still takes (S/apiserver/pkg/server/config.go: 3 MiB for a request)."""


def right(kind: str) -> Object:
    """Return an object of a kind that nobody refuses."""
    return pod() if kind == PODS else definition(single("net"))


def wrong(kind: str) -> Object:
    """Return an object of a kind that every webhook of these objects refuses."""
    return pod("a/b/c") if kind == PODS else definition("{")


@clause(ADMISSION, "response.uid", MUST)
def test_the_answer_has_the_uid_of_the_request(webhook: Webhook, judged: str) -> None:
    """The answer has the uid of its request."""
    for uid in ("e07935aa-2a59-45e3-ada0-000000000001", "e07935aa-2a59-45e3-ada0-000000000002"):
        answer = webhook.send(encode(review(right(judged), uid=uid)), judged)
        assert read_verdict(answer, uid).is_allowed


@clause(ADMISSION, "response.version", MUST)
@clause(ADMISSION, "response", MUST)
def test_an_admission_is_a_review_with_status_200(webhook: Webhook, judged: str) -> None:
    """An admission is an AdmissionReview with status 200."""
    webhook.admits(right(judged))


@clause(ADMISSION, "response.status", MUST)
@clause(ADMISSION, "response", MUST)
def test_a_refusal_is_a_review_with_status_200(webhook: Webhook, judged: str) -> None:
    """A refusal is an AdmissionReview with status 200, and its code is an error."""
    verdict = webhook.judge(wrong(judged))
    assert not verdict.is_allowed
    assert verdict.code == 0 or verdict.code >= 400, "the API server replaces a code below 400 by 400"


@clause(ADMISSION, "response", SHOULD)
@pytest.mark.parametrize("verdict", ["admission", "refusal"])
def test_the_content_type_is_json(webhook: Webhook, judged: str, verdict: str) -> None:
    """The content type of an answer is application/json."""
    thing = right(judged) if verdict == "admission" else wrong(judged)
    answer = webhook.send(encode(review(thing)), judged)
    assert answer.headers.get("content-type", "").partition(";")[0].strip().lower() == JSON, answer


@clause(ADMISSION, "request", MUST)
def test_unknown_fields_of_the_request_are_ignored(webhook: Webhook, judged: str) -> None:
    """Fields of a later version of the API are ignored."""
    value = review(right(judged), fieldOfALaterVersion={"a": [1, None]})
    value["alsoLater"] = True
    assert webhook.answer(value, judged).is_allowed


@clause(ADMISSION, "request", MUST)
def test_the_namespace_may_be_in_the_request_only(webhook: Webhook, judged: str) -> None:
    """The namespace of an object may be in the request only."""
    thing = right(judged)
    namespace = thing["metadata"].pop("namespace")
    webhook.admits(thing, namespace=namespace)


@clause(ADMISSION, "response.version", MUST)
def test_a_review_of_another_version_is_not_answered_in_v1(webhook: Webhook, judged: str) -> None:
    """A review of v1beta1 is answered in v1beta1, or not at all."""
    value = review(right(judged)) | {"apiVersion": "admission.k8s.io/v1beta1"}
    answer = webhook.send(encode(value), judged)
    if answer.status == 200:
        assert read_review(answer)["apiVersion"] == value["apiVersion"], "an answer has the version of its review"
    else:
        assert_refused(answer)


@clause(ADMISSION, "dry-run", MUST)
@pytest.mark.parametrize("verdict", ["admission", "refusal"])
def test_a_dry_run_gets_the_same_verdict(webhook: Webhook, judged: str, verdict: str) -> None:
    """A dry run gets the verdict of the real request."""
    thing = right(judged) if verdict == "admission" else wrong(judged)
    real, dry = webhook.judge(thing), webhook.judge(thing, dryRun=True)
    assert dry.is_allowed is real.is_allowed is (verdict == "admission")
    assert dry.message == real.message


@clause(ADMISSION, "request", MUST)
def test_the_largest_objects_of_an_api_server_are_answered(webhook: Webhook, judged: str) -> None:
    """An update of an object of 3 MiB, which comes twice, gets a verdict."""
    thing = right(judged)
    if judged == PODS:
        thing["spec"]["containers"][0]["args"] = ["x" * LARGEST]
    else:
        thing["spec"]["config"] = json.dumps(single("net") | {"description": "x" * LARGEST})
    webhook.judge(thing, operation="UPDATE", old=thing)


@clause(ADMISSION, "request", MUST)
def test_one_connection_carries_many_reviews(webhook: Webhook, judged: str) -> None:
    """One connection carries many reviews."""
    connection = webhook.caller.connect()
    path = webhook.paths[judged] + QUERY
    try:
        connection.connect()
        opened = connection.sock
        for thing in (right(judged), wrong(judged), right(judged)):
            value = review(thing)
            read_verdict(exchange(connection, path, encode(value)), value["request"]["uid"])
        assert connection.sock is opened, "the API server keeps connections; each new one costs a handshake"
    finally:
        connection.close()


@clause(ADMISSION, "request", MUST)
def test_reviews_at_the_same_time_do_not_mix(webhook: Webhook, judged: str) -> None:
    """Reviews at the same time get their own verdicts."""

    def ask(number: int) -> tuple[bool, bool]:
        thing = right(judged) if number % 2 else wrong(judged)
        return webhook.judge(thing).is_allowed, bool(number % 2)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for decided, expected in pool.map(ask, range(64)):
            assert decided is expected


# What is no review: the status says so, and the server goes on

GARBAGE = {
    "empty": b"",
    "text": b"hello",
    "half": b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":',
    "list": b"[]",
    "null": b"null",
    "number": b"1",
    "an object": b"{}",
    "a pod": encode(pod()),
    "no request": b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}',
    "request null": b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":null}',
    "request a list": b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":[]}',
    "uid a number": b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":1}}',
    "binary": bytes(range(256)),
    "deep": b"[" * 100_000,
}


def assert_refused(answer: Answer) -> None:
    """Fail unless a request got a status that blames the client."""
    assert 400 <= answer.status < 500, f"what is no review gets a status from 400 to 499, not {answer}"


@clause(PRACTICE_NAME, "admission", PRACTICE)
@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_review_gets_a_client_error(webhook: Webhook, judged: str, name: str) -> None:
    """A body that is no review gets a status from 400 to 499, and the server goes on."""
    assert_refused(webhook.send(GARBAGE[name], judged))
    assert webhook.judge(right(judged)).is_allowed


@clause(PRACTICE_NAME, "admission", PRACTICE)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_another_method_is_refused(webhook: Webhook, judged: str, method: str) -> None:
    """Methods other than POST get 405."""
    body = b"" if method in {"GET", "HEAD"} else encode(review(right(judged)))
    answer = webhook.send(body, judged, method=method)
    assert answer.status == 405, f"{method}: {answer}"


@clause(PRACTICE_NAME, "admission", PRACTICE)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/yaml"])
def test_another_content_type_is_refused(webhook: Webhook, judged: str, content_type: str) -> None:
    """Content types other than JSON get 415."""
    answer = webhook.send(encode(review(right(judged))), judged, content_type=content_type)
    assert answer.status == 415, answer


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_the_content_type_may_have_parameters(webhook: Webhook, judged: str) -> None:
    """The content type may have parameters."""
    value = review(right(judged))
    answer = webhook.send(encode(value), judged, content_type="application/json; charset=utf-8")
    assert read_verdict(answer, value["request"]["uid"]).is_allowed


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_another_path_is_not_found(webhook: Webhook, judged: str) -> None:
    """A path that is not served gets 404."""
    answer = webhook.caller.send("/conformance/no-such-path", encode(review(right(judged))))
    assert answer.status == 404, answer


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_a_body_of_64_mib_is_refused(webhook: Webhook, judged: str) -> None:
    """A body of 64 MiB is refused, and the server goes on."""
    value = review(right(judged), padding="x" * (64 * 1024 * 1024))
    try:
        answer = webhook.send(encode(value), judged)
    except NoAnswerError:
        pass  # the server may end the connection in the middle of the body
    else:
        assert_refused(answer)
    assert webhook.judge(right(judged)).is_allowed


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_a_client_that_stops_in_its_body_hinders_nobody(webhook: Webhook, judged: str) -> None:
    """Clients that stop in their bodies hinder nobody."""
    stalled = []
    try:
        for _ in range(8):
            stalled.append(webhook.caller.open())
            head = [f"POST {webhook.paths[judged]} HTTP/1.1", "Host: x", f"Content-Type: {JSON}", "Content-Length: 99"]
            stalled[-1].sendall("\r\n".join([*head, "", "{"]).encode())
        assert webhook.judge(right(judged)).is_allowed
    finally:
        for each in stalled:
            each.close()


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_tls_before_1_2_is_refused(webhook: Webhook) -> None:
    """TLS 1.1 is refused."""
    if not ssl.HAS_TLSv1_1:
        pytest.skip("this Python cannot speak TLS 1.1")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the old version is what is tested
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection((webhook.caller.host, webhook.caller.port), timeout=10) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain)


# Operations

CONNECT_OPTIONS = {"kind": "PodExecOptions", "apiVersion": "v1", "command": ["sh"], "container": "app"}


@clause(ADMISSION, "operations", MUST)
def test_a_delete_is_allowed(webhook: Webhook, judged: str) -> None:
    """A DELETE, which has no object, is allowed."""
    webhook.needs_operation(judged, "DELETE")
    webhook.admits(None, operation="DELETE", old=right(judged))


@clause(ADMISSION, "operations", MUST)
def test_a_delete_of_a_wrong_object_is_allowed(webhook: Webhook, judged: str) -> None:
    """A DELETE of an object that is wrong is allowed."""
    webhook.needs_operation(judged, "DELETE")
    webhook.admits(None, operation="DELETE", old=wrong(judged))


@clause(ADMISSION, "operations", MUST)
def test_a_connect_is_allowed(webhook: Webhook) -> None:
    """A CONNECT, such as exec into a pod, is allowed."""
    webhook.needs_operation(PODS, "CONNECT")
    kind = POD._replace(kind="PodExecOptions")
    value = review(CONNECT_OPTIONS, operation="CONNECT", kind=kind, subResource="exec", name="web", namespace="x")
    verdict = webhook.answer(value, PODS)
    assert verdict.is_allowed, verdict


@clause(ADMISSION, "operations", MUST)
def test_an_update_to_something_right_is_allowed(webhook: Webhook, judged: str) -> None:
    """An UPDATE that repairs an object is allowed."""
    webhook.needs_operation(judged, "UPDATE")
    webhook.admits(right(judged), operation="UPDATE", old=wrong(judged))


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_an_update_to_something_wrong_is_refused(webhook: Webhook, judged: str) -> None:
    """An UPDATE that breaks an object is refused."""
    webhook.needs_operation(judged, "UPDATE")
    verdict = webhook.judge(wrong(judged), operation="UPDATE", old=right(judged))
    assert not verdict.is_allowed


@clause(PRACTICE_NAME, "admission", PRACTICE)
@pytest.mark.parametrize("change", ["a label", "a finalizer that goes", "nothing"])
def test_an_update_that_leaves_the_fault_is_allowed(webhook: Webhook, judged: str, change: str) -> None:
    """An UPDATE that leaves the fault as it was is allowed."""
    webhook.needs_operation(judged, "UPDATE")
    old, new = wrong(judged), wrong(judged)
    if change == "a label":
        new["metadata"]["labels"] = {"touched": "yes"}
    elif change == "a finalizer that goes":
        old["metadata"]["finalizers"] = ["example.com/cleanup"]
        for each in (old, new):
            each["metadata"]["deletionTimestamp"] = "2026-11-23T18:00:00Z"
    verdict = webhook.judge(new, operation="UPDATE", old=old)
    assert verdict.is_allowed, f"it was stored before the webhook came, and must stay usable: {verdict}"


# Warnings and messages


@clause(ADMISSION, "response.warnings", SHOULD)
@pytest.mark.parametrize("verdict", ["admission", "refusal"])
def test_warnings_reach_the_user(webhook: Webhook, judged: str, verdict: str) -> None:
    """Warnings have a form that the API server passes on."""
    thing = right(judged) if verdict == "admission" else wrong(judged)
    if verdict == "admission":
        thing["metadata"].setdefault("annotations", {})["k8s.v1.cni.cncf.io/network"] = "bridge"
    for text in webhook.judge(thing).warnings:
        assert text.isprintable(), f"the API server drops a warning with control characters: {text!r}"
        assert len(text) <= 256, f"the API server may shorten a warning to 256 characters: {text!r}"
        assert not text.startswith("Warning:"), "clients write that word themselves"


@clause(ADMISSION, "response.status", SHOULD)
def test_a_refusal_has_a_message(webhook: Webhook, judged: str) -> None:
    """A refusal has a message."""
    verdict = webhook.judge(wrong(judged))
    assert verdict.message.strip(), "without a message, users read `denied the request without explanation`"
