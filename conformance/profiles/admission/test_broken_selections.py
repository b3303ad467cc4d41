"""Annotations that the standard calls invalid: the pod would start without its networks, or never.

The standard says that an implementation ignores such an annotation (4.1.2.1.3 and others). A webhook that refuses the
pod tells its author at once, so each of these is a SHOULD.
"""

from __future__ import annotations

from typing import Any

import pytest

from conformance.clauses import PRACTICE, SHOULD, clause
from conformance.hooks.hook import Webhook
from conformance.hooks.samples import DEFAULT_NETWORK, NAMESPACE, pod
from conformance.standards import NPWG, PRACTICE_NAME

pytestmark = pytest.mark.usefixtures("judges_pods")


COMMA: dict[str, str] = {
    "an empty item": "bridge,,bridge-2",
    "a comma at the end": "bridge,",
    "a comma at the start": ",bridge",
    "only a comma": ",",
    "two slashes": "a/b/c",
    "no name": f"{NAMESPACE}/",
    "two at signs": "bridge@a@b",
    "a capital": "Bridge",
    "an underscore": "my_bridge",
    "a dot": "bridge.v1",
    "a dash at the end": "bridge-",
    "a dash at the start": "-bridge",
    "a space inside": "bridge bridge-2",
    "a semicolon": "bridge;bridge-2",
    "quotes": "'bridge'",
    "another alphabet": "brïdge",
    "an invisible space": "bridge\u200b",
    "a digit of another alphabet": "bridge\u0661",
    "a namespace in capitals": "Conformance/bridge",
    "an asterisk": "*",
}


@clause(NPWG, "4.1.1", SHOULD)
@pytest.mark.parametrize("name", COMMA)
def test_the_comma_form(webhook: Webhook, name: str) -> None:
    """A comma form that breaks the grammar is refused."""
    webhook.refuses(pod(COMMA[name]))


JSON: dict[str, str] = {
    "an object": '{"name": "bridge"}',
    "a text": '"bridge"',
    "not closed": '[{"name": "bridge"}',
    "a trailing comma": '[{"name": "bridge"},]',
    "more behind it": '[{"name": "bridge"}] bridge-2',
    "single quotes": "[{'name': 'bridge'}]",
    "no quotes": "[{name: bridge}]",
    "a list of texts": '["bridge"]',
    "a list in the list": '[[{"name": "bridge"}]]',
    "a list of null": "[null]",
    "a list of numbers": "[5]",
    "both forms": 'bridge,{"name": "bridge-2"}',
}


@clause(NPWG, "4.1.2", SHOULD)
@pytest.mark.parametrize("name", JSON)
def test_the_json_form(webhook: Webhook, name: str) -> None:
    """A JSON form that is no list of objects is refused."""
    webhook.refuses(pod(JSON[name]))


FULL = {"name": "full"}
PORT = {"hostPort": 8080, "containerPort": 80}
ELEMENTS: dict[str, tuple[str, Any]] = {
    "no name": ("4.1.2.1.1", {}),
    "a name that is empty": ("4.1.2.1.1", {"name": ""}),
    "a name that is null": ("4.1.2.1.1", {"name": None}),
    "a name that is a number": ("4.1.2.1.1", {"name": 5}),
    "a name with a slash": ("4.1.2.1.1", {"name": f"{NAMESPACE}/bridge"}),
    "a namespace that is a number": ("4.1.2.1.2", {"name": "bridge", "namespace": 1}),
    "a namespace in capitals": ("4.1.2.1.2", {"name": "bridge", "namespace": "Conformance"}),
    "no addresses": ("4.1.2.1.3", FULL | {"ips": []}),
    "an address as text": ("4.1.2.1.3", FULL | {"ips": "10.2.2.42/24"}),
    "an address of 256": ("4.1.2.1.3", FULL | {"ips": ["10.2.2.256"]}),
    "an address of three parts": ("4.1.2.1.3", FULL | {"ips": ["10.2.2"]}),
    "a prefix of 33": ("4.1.2.1.3", FULL | {"ips": ["10.2.2.42/33"]}),
    "a netmask": ("4.1.2.1.3", FULL | {"ips": ["10.2.2.42/255.255.255.0"]}),
    "an address with a zone": ("4.1.2.1.3", FULL | {"ips": ["fe80::1%eth0"]}),
    "an address that is null": ("4.1.2.1.3", FULL | {"ips": [None]}),
    "the second address": ("4.1.2.1.3", FULL | {"ips": ["10.2.2.42/24", "2001:db8::g/64"]}),
    "a mac of 5 bytes": ("4.1.2.1.4", FULL | {"mac": "02:23:45:67:89"}),
    "a mac of 8 bytes": ("4.1.2.1.4", FULL | {"mac": "02:23:45:67:89:01:02:03"}),
    "a mac that is none": ("4.1.2.1.4", FULL | {"mac": "random"}),
    "a mac that is a number": ("4.1.2.1.4", FULL | {"mac": 2}),
    "an interface of 16": ("4.1.2.1.5", {"name": "bridge", "interface": "abcdefghijklmnop"}),
    "an interface of 16 bytes": ("4.1.2.1.5", {"name": "bridge", "interface": "é" * 8}),
    "an interface with a slash": ("4.1.2.1.5", {"name": "bridge", "interface": "a/b"}),
    "an interface with a space": ("4.1.2.1.5", {"name": "bridge", "interface": "a b"}),
    "an interface with a colon": ("4.1.2.1.5", {"name": "bridge", "interface": "a:1"}),
    "an interface of dots": ("4.1.2.1.5", {"name": "bridge", "interface": ".."}),
    "an interface that is a number": ("4.1.2.1.5", {"name": "bridge", "interface": 1}),
    "cni-args a text": ("4.1.2.1.6", {"name": "bridge", "cni-args": "spoofchk=on"}),
    "cni-args a list": ("4.1.2.1.6", {"name": "bridge", "cni-args": ["spoofchk"]}),
    "no ports": ("4.1.2.1.7", FULL | {"portMappings": []}),
    "port 0": ("4.1.2.1.7", FULL | {"portMappings": [PORT | {"hostPort": 0}]}),
    "port 65536": ("4.1.2.1.7", FULL | {"portMappings": [PORT | {"containerPort": 65536}]}),
    "a port as text": ("4.1.2.1.7", FULL | {"portMappings": [PORT | {"hostPort": "8080"}]}),
    "no container port": ("4.1.2.1.7", FULL | {"portMappings": [{"hostPort": 8080}]}),
    "ICMP": ("4.1.2.1.7", FULL | {"portMappings": [PORT | {"protocol": "ICMP"}]}),
    "no rate": ("4.1.2.1.8", FULL | {"bandwidth": {}}),
    "a burst without its rate": ("4.1.2.1.8", FULL | {"bandwidth": {"ingressBurst": 1600}}),
    "a rate of 0": ("4.1.2.1.8", FULL | {"bandwidth": {"ingressRate": 0, "ingressBurst": 1600}}),
    "a rate as text": ("4.1.2.1.8", FULL | {"bandwidth": {"ingressRate": "2M", "ingressBurst": 1600}}),
    "a gateway that is none": ("4.1.2.1.9", {"name": "bridge", "default-route": ["gateway"]}),
    "a gateway as text": ("4.1.2.1.9", {"name": "bridge", "default-route": "10.40.0.1"}),
    "a GUID of 7 bytes": ("4.1.2.1.10", {"name": "infiniband", "infiniband-guid": "24:8a:07:03:00:8d:ae"}),
    "a GUID that is none": ("4.1.2.1.10", {"name": "infiniband", "infiniband-guid": "any"}),
    "a claim that is a number": ("4.1.2.1.11", {"name": "bridge", "ipam-claim-reference": 5}),
    "a claim beside addresses": ("4.1.2.1.11", FULL | {"ips": ["10.2.2.42/24"], "ipam-claim-reference": "vm"}),
}


@pytest.mark.parametrize(
    "element",
    [pytest.param(value, id=name, marks=clause(NPWG, section, SHOULD)) for name, (section, value) in ELEMENTS.items()],
)
def test_a_key_of_the_json_form(webhook: Webhook, element: Any) -> None:
    """A key with a value that the standard forbids is refused."""
    webhook.refuses(pod([element]))


@clause(NPWG, "4.1.2.1.5", SHOULD)
@pytest.mark.parametrize(
    "interface",
    ["abcdefghijklmnop", "a b", "a:1", "..", "a/b"],
    ids=["16 characters", "a space", "a colon", "dots", "a slash"],
)
def test_an_interface_in_the_comma_form(webhook: Webhook, interface: str) -> None:
    """An interface name that Linux forbids is refused in the comma form."""
    webhook.refuses(pod(f"bridge@{interface}"))


@clause(NPWG, "4.1.2.1.5", SHOULD)
@pytest.mark.parametrize(
    "networks",
    ["bridge@x1,bridge-2@x1", [{"name": "bridge", "interface": "x1"}, {"name": "bridge-2", "interface": "x1"}]],
    ids=["comma", "json"],
)
def test_one_interface_for_two_networks(webhook: Webhook, networks: object) -> None:
    """One interface for two networks is refused."""
    webhook.refuses(pod(networks))


@clause(NPWG, "4.1.2.1.9", SHOULD)
def test_two_default_routes(webhook: Webhook) -> None:
    """Two default routes are refused."""
    elements = [
        {"name": "bridge", "default-route": ["10.40.0.1"]},
        {"name": "bridge-2", "default-route": ["10.40.0.2"]},
    ]
    webhook.refuses(pod(elements))


@clause(NPWG, "3.4.1", SHOULD)
@pytest.mark.parametrize(
    "networks",
    [
        "missing",
        "bridge,missing",
        f"{NAMESPACE}/missing",
        [{"name": "missing"}],
        [{"name": "bridge", "namespace": "none"}],
    ],
    ids=["alone", "second", "namespace", "json", "no namespace"],
)
def test_a_definition_that_is_missing(webhook: Webhook, networks: object) -> None:
    """A network without a definition is refused."""
    webhook.refuses(pod(networks))


REQUESTS: dict[str, tuple[str, Any]] = {
    "ips": ("4.1.2.1.3", {"name": "bridge", "ips": ["10.40.0.9/16"]}),
    "mac": ("4.1.2.1.4", {"name": "bridge", "mac": "02:23:45:67:89:01"}),
    "portMappings": ("4.1.2.1.7", {"name": "bridge", "portMappings": [PORT]}),
    "bandwidth": ("4.1.2.1.8", {"name": "bridge", "bandwidth": {"ingressRate": 2048, "ingressBurst": 1600}}),
    "infiniband-guid": ("4.1.2.1.10", {"name": "bridge", "infiniband-guid": "24:8a:07:03:00:8d:ae:2f"}),
}


@pytest.mark.parametrize(
    "element",
    [pytest.param(value, id=name, marks=clause(NPWG, section, SHOULD)) for name, (section, value) in REQUESTS.items()],
)
def test_a_request_that_no_plugin_of_the_network_serves(webhook: Webhook, element: Any) -> None:
    """A request without the capability of a plugin is refused."""
    webhook.refuses(pod([element]))


@clause(PRACTICE_NAME, "admission", PRACTICE)
@pytest.mark.parametrize("text", ["bridge,bridge-2", "missing", "a/b/c"], ids=["two", "missing", "unreadable"])
def test_the_default_network_of_a_pod(webhook: Webhook, text: str) -> None:
    """An annotation for the default network that names none, or two, is refused."""
    webhook.refuses(pod(annotations={DEFAULT_NETWORK: text}))


ITEMS: dict[str, tuple[Any, list[str]]] = {
    "a name": ("bridge,Net_A,bridge-2", ["Net_A"]),
    "a missing definition": ("bridge,missing", ["missing"]),
    "an interface": ("bridge@abcdefghijklmnop", ["abcdefghijklmnop"]),
    "an address": ([{"name": "full"}, {"name": "full", "ips": ["10.2.2.256"]}], ["10.2.2.256"]),
    "a mac": ([{"name": "full", "mac": "02:23:45"}], ["mac", "02:23:45"]),
    "a port": ([{"name": "full", "portMappings": [PORT | {"hostPort": 70000}]}], ["hostPort", "70000"]),
    "a name that is missing": ([{"name": "bridge"}, {"namespace": NAMESPACE}], ["name"]),
}


@clause(PRACTICE_NAME, "admission", PRACTICE)
@pytest.mark.parametrize("name", ITEMS)
def test_the_message_names_the_item(webhook: Webhook, name: str) -> None:
    """The message names the item and its value."""
    networks, words = ITEMS[name]
    webhook.refuses(pod(networks)).must_say(*words)


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_one_message_has_all_faults(webhook: Webhook) -> None:
    """One answer has all faults of an annotation."""
    elements = [{"name": "full", "mac": "x1"}, {"name": "bridge", "interface": "a/b"}, {"name": "full", "ips": ["y2"]}]
    verdict = webhook.refuses(pod(elements))
    for word in ("x1", "a/b", "y2"):
        verdict.must_say(word)


@clause(PRACTICE_NAME, "admission", PRACTICE)
def test_a_message_shows_a_part_of_a_long_value(webhook: Webhook) -> None:
    """A message shows a part of a long value."""
    verdict = webhook.refuses(pod("n" * 100_000))
    assert len(verdict.message) < 8_192, f"a message of {len(verdict.message)} characters"


@clause(PRACTICE_NAME, "admission", PRACTICE)
@pytest.mark.parametrize("key", ["ip", "Mac", "interfaces", "defaultRoute", "portmapping"])
def test_a_key_that_nobody_reads_is_not_silent(webhook: Webhook, key: str) -> None:
    """A key that resembles a known one is refused, or there is a warning."""
    verdict = webhook.judge(pod([{"name": "full", key: "02:23:45:67:89:01"}]))
    assert verdict.says(key), f"neither refused nor warned about: {verdict}"
