"""Objects that nobody writes by mistake: each gets a verdict in time, and the server lives on.

An API server decodes most objects before it sends them, so some of these reach a webhook only in a review that somebody
else sends. A panic in a handler is a failed call for the API server: with failurePolicy Ignore it lets the object in.
"""

from __future__ import annotations

import json
import random
import time
from contextlib import closing
from typing import Any

import pytest

from conformance.clauses import MUST, PRACTICE, clause
from conformance.hooks.calls import exchange
from conformance.hooks.envelopes import encode, review
from conformance.hooks.hook import DEFINITIONS, PODS, QUERY, Webhook
from conformance.hooks.samples import NETWORKS, Object, definition, pod
from conformance.hooks.testcluster import chain, single
from conformance.standards import ADMISSION, PRACTICE_NAME

TIME_S = 10.0
"""The time that a webhook has by default (timeoutSeconds)."""

CONFIGS: dict[str, str] = {
    "deep lists": '{"type": "bridge", "x": ' + "[" * 50_000 + "]" * 50_000 + "}",
    "deep objects": '{"type": "bridge", "x": ' + '{"a":' * 50_000 + "1" + "}" * 50_000 + "}",
    "deep and not closed": "[" * 200_000,
    "a number beyond all": '{"cniVersion": "0.3.1", "type": "bridge", "mtu": 1e999}',
    "a number of 100,000 digits": '{"cniVersion": "0.3.1", "type": "bridge", "mtu": ' + "9" * 100_000 + "}",
    "NUL": '{"type": "bridge", "name": "a\\u0000b"}',
    "NUL as it is": '{"type": "bridge", "name": "a\0b"}',
    "a lone surrogate": '{"type": "bridge", "name": "\\ud800"}',
    "a byte order mark": '\ufeff{"cniVersion": "0.3.1", "type": "bridge"}',
    "a key twice": '{"cniVersion": "0.3.1", "type": "bridge", "type": 5}',
    "plugins twice": '{"cniVersion": "0.3.1", "name": "net", "plugins": [{"type": "bridge"}], "plugins": null}',
    "plugins a number": json.dumps(chain("net") | {"plugins": 1}),
    "plugins of numbers": json.dumps(chain("net") | {"plugins": [1, 2]}),
    "plugins of null": json.dumps(chain("net") | {"plugins": [None]}),
    "100,000 plugins": json.dumps(chain("net") | {"plugins": [{"type": "a"}] * 100_000}),
    "100,000 keys": json.dumps(single("net", {"type": "a"}) | {f"k{number}": number for number in range(100_000)}),
    "a key of 1 MB": json.dumps(single("net", {"type": "a"}) | {"k" * 1_000_000: 1}),
    "a type of 1 MB": json.dumps(single("net", {"type": "t" * 1_000_000})),
    "control characters": '{"type": "br\\u001b[2Jidge"}',
    "a bidirectional override": json.dumps(single("net", {"type": "\u202eegdirb"})),
}


def in_time(webhook: Webhook, value: Object, kind: str) -> None:
    """Fail unless a review gets a verdict in time."""
    begun = time.monotonic()
    webhook.answer(value, kind)
    assert time.monotonic() - begun < TIME_S


@clause(ADMISSION, "response", MUST)
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.usefixtures("judges_definitions")
def test_a_configuration_gets_a_verdict(webhook: Webhook, name: str) -> None:
    """A hostile configuration gets a verdict within 10 s."""
    in_time(webhook, review(definition(CONFIGS[name])), DEFINITIONS)


ANNOTATIONS: dict[str, str] = {
    "deep lists": "[" * 50_000 + "]" * 50_000,
    "deep and not closed": '[{"name":' * 20_000,
    "null": "null",
    "a list of null": "[null]",
    "a list of lists": "[[]]",
    "a list of numbers": "[1]",
    "50,000 commas": "," * 50_000,
    "50,000 names": ",".join(["bridge"] * 50_000),
    "a name of 200,000 characters": "n" * 200_000,
    "a number beyond all": '[{"name": "bridge", "x": 1e999}]',
    "NUL": "bridge\0",
    "a lone surrogate": '[{"name": "\\ud800"}]',
    "a byte order mark": "\ufeffbridge",
    "a key twice": '[{"name": "bridge", "name": 5}]',
    "cni-args deep": '[{"name": "bridge", "cni-args": ' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "}]",
    "a huge port": '[{"name": "full", "portMappings": [{"hostPort": ' + "9" * 5_000 + ', "containerPort": 1}]}]',
    "a fraction as port": '[{"name": "full", "portMappings": [{"hostPort": 80.5, "containerPort": 1}]}]',
    "10,000 addresses": json.dumps([{"name": "full", "ips": ["10.0.0.1/24"] * 10_000}]),
    "a right-to-left name": "\u202eegdirb",
}


@clause(ADMISSION, "response", MUST)
@pytest.mark.parametrize("name", ANNOTATIONS)
@pytest.mark.usefixtures("judges_pods")
def test_an_annotation_gets_a_verdict(webhook: Webhook, name: str) -> None:
    """A hostile annotation gets a verdict within 10 s."""
    in_time(webhook, review(pod(ANNOTATIONS[name])), PODS)


def _with(thing: Object, *path: str, value: Any) -> Object:
    parent = thing
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return thing


SHAPES: dict[str, Object | None] = {
    "no object": None,
    "spec a text": _with(definition(single("net")), "spec", value="bridge"),
    "spec a list": _with(definition(single("net")), "spec", value=[]),
    "spec null": _with(definition(single("net")), "spec", value=None),
    "config a number": _with(definition(single("net")), "spec", "config", value=5),
    "config an object": _with(definition(single("net")), "spec", "config", value={"type": "bridge"}),
    "metadata null": _with(definition(single("net")), "metadata", value=None),
    "annotations a list": _with(definition(single("net")), "metadata", "annotations", value=[]),
    "an annotation that is a number": _with(definition(single("net")), "metadata", "annotations", value={"a": 1}),
    "name a number": _with(definition(single("net")), "metadata", "name", value=5),
    "100,000 labels": _with(
        definition(single("net")), "metadata", "labels", value={f"l{number}": "v" for number in range(100_000)}
    ),
}
"""Shapes that the API server refuses by the schema of the CRD, before a webhook sees them."""


def alive(webhook: Webhook, value: Object, kind: str) -> None:
    """Fail unless a review gets a verdict or a client error, and the server still answers."""
    answer = webhook.send(encode(value), kind)
    assert answer.status < 500, answer
    assert webhook.judge(pod() if kind == PODS else definition(single("net"))).is_allowed


@clause(PRACTICE_NAME, "admission", PRACTICE)
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.usefixtures("judges_definitions")
def test_a_definition_of_another_shape_is_no_server_error(webhook: Webhook, name: str) -> None:
    """A definition of an impossible shape is no server error."""
    value = review(definition(single("net")))
    value["request"]["object"] = SHAPES[name]
    alive(webhook, value, DEFINITIONS)


POD_SHAPES: dict[str, Object | None] = {
    "no object": None,
    "no spec": _with(pod("bridge"), "spec", value=None),
    "no containers": _with(pod("bridge"), "spec", "containers", value=[]),
    "containers an object": _with(pod("bridge"), "spec", "containers", value={}),
    "metadata null": _with(pod("bridge"), "metadata", value=None),
    "annotations a list": _with(pod("bridge"), "metadata", "annotations", value=[]),
    "the annotation a list": _with(pod(), "metadata", "annotations", value={NETWORKS: ["bridge"]}),
    "the annotation null": _with(pod(), "metadata", "annotations", value={NETWORKS: None}),
}


@clause(PRACTICE_NAME, "admission", PRACTICE)
@pytest.mark.parametrize("name", POD_SHAPES)
@pytest.mark.usefixtures("judges_pods")
def test_a_pod_of_another_shape_is_no_server_error(webhook: Webhook, name: str) -> None:
    """A pod of an impossible shape is no server error."""
    value = review(pod())
    value["request"]["object"] = POD_SHAPES[name]
    alive(webhook, value, PODS)


@clause(PRACTICE_NAME, "admission", PRACTICE)
@pytest.mark.parametrize("operation", ["PATCH", "", "create"])
def test_an_unknown_operation_is_no_server_error(webhook: Webhook, judged: str, operation: str) -> None:
    """An unknown operation is no server error."""
    thing = pod() if judged == PODS else definition(single("net"))
    alive(webhook, review(thing, operation=operation), judged)


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_an_object_of_another_kind_is_no_server_error(webhook: Webhook, judged: str) -> None:
    """An object of another kind is no server error."""
    thing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "conformance"}, "data": {}}
    value = review(pod())
    value["request"] |= {"object": thing, "kind": {"group": "", "version": "v1", "kind": "ConfigMap"}}
    value["request"]["resource"] = {"group": "", "version": "v1", "resource": "configmaps"}
    alive(webhook, value, judged)


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_bytes_that_are_not_utf_8_are_no_server_error(webhook: Webhook, judged: str) -> None:
    """Bytes that are not UTF-8 are no server error."""
    thing = pod("BYTES") if judged == PODS else definition(single("BYTES"))
    body = encode(review(thing)).replace(b"BYTES", b"br\xff\xfe\xc3")
    assert webhook.send(body, judged).status < 500
    assert webhook.judge(pod() if judged == PODS else definition(single("net"))).is_allowed


def damaged(body: bytes, number: int) -> bytes:
    """Return a review with a few bytes changed, moved or lost; the same for the same number."""
    choose = random.Random(number)  # noqa: S311 - nothing is secret
    bytes_ = bytearray(body)
    for _ in range(choose.randint(1, 4)):
        start = choose.randrange(len(bytes_))
        end = min(len(bytes_), start + choose.randint(1, 12))
        how = choose.randrange(4)
        if how == 0:
            del bytes_[start:end]
        elif how == 1:
            bytes_[start:end] = bytes_[start:end] * 2
        elif how == 2:
            bytes_[start] = choose.choice(b'"{}[]:,0-\\\0\xff')
        else:
            bytes_[start:end] = choose.choice([b"null", b"[]", b"{}", b"1e400", b'""', b"\\ud800"])
    return bytes(bytes_)


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_damaged_reviews_are_no_server_error(webhook: Webhook, judged: str) -> None:
    """Two hundred damaged reviews are no server error."""
    thing = (
        pod([{"name": "full", "ips": ["10.0.0.1/24"]}]) if judged == PODS else definition(chain("net", {"type": "a"}))
    )
    body = encode(review(thing))
    with closing(webhook.caller.connect()) as connection:
        for number in range(200):
            answer = exchange(connection, webhook.paths[judged] + QUERY, damaged(body, number))
            assert answer.status < 500, f"{damaged(body, number)!r:.600}: {answer}"
