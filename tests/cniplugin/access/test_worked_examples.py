"""The worked examples of the access policy's design, byte for byte as kubectl prints them.

`tests/vectors/worked_examples/*.yaml` and `tests/golden/access/*.txt` are copied from the design. UPDATE_GOLDEN does not
change them. Each example is a review over TLS against a server that has read the example's own policies. There are two
differences from the examples:

- The definitions declare the capabilities that the examples ask for, without which no plugin would get the request.
- Nothing is created here, so an allowed object is printed as `allowed` where kubectl prints `created`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import yaml

from tests.cniplugin.access import served
from tests.cniplugin.access.cases import CAPABILITIES, review
from tests.paths import TESTS
from webhook.report import kubectl

EXAMPLES = TESTS / "vectors" / "worked_examples"
GOLDEN = TESTS / "golden" / "access"

MACVLAN = json.dumps(
    {
        "cniVersion": "1.0.0",
        "type": "macvlan",
        "master": "bond1",
        "capabilities": CAPABILITIES,
        "ipam": {"type": "static", "addresses": [{"address": "10.1.0.200/24"}]},
    }
)
HOST_DEVICE = json.dumps({"cniVersion": "1.0.0", "type": "host-device", "device": "eth3"})
COMMON: dict[str, dict[str, Any]] = {
    "namespaces": {"blue": {"tenant": "blue"}, "green": {"tenant": "green"}, "infra": {}, "default": {}},
    "networks": {"blue/lan": MACVLAN, "infra/storage": MACVLAN, "default/internet": MACVLAN, "green/shared": MACVLAN},
    "config": {"posture": "Isolated", "globalNamespaces": ["default"], "messages": {"contact": "#net-team"}},
}
"""The objects that all examples share, from the design's introduction to them."""

NETWORKS = "k8s.v1.cni.cncf.io/networks"


class Example(NamedTuple):
    """The facts from the text around an example. `file`: the argument of kubectl."""

    name: str
    file: str | None = "web.yaml"
    user: dict[str, Any] | None = None
    networks: tuple[tuple[str, str], ...] = ()


ALL = (
    Example("01-other-namespace"),
    Example("02-shared-by-the-admin"),
    Example("03-address-out-of-range"),
    Example("04-mac-in-cni-args"),
    Example("05-default-route"),
    Example("06-host-device", networks=(("blue/raw", HOST_DEVICE),)),
    Example("07-no-consent"),
    Example("08-definition", file="uplink.yaml", user={"username": "bob", "groups": ["blue-admins"]}),
    Example("09-trial"),
    Example("10-deployment", file="deploy.yaml"),
    Example("11-hot-plug", file=None),
    Example("12-parser-trick"),
)


def documents(example: Example) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Return the policies of an example, and the object that the user writes."""
    text = (EXAMPLES / f"{example.name}.yaml").read_text()
    found = [document for document in yaml.safe_load_all(text) if document]
    policies = [document for document in found if document["kind"] == "NetworkAttachmentPolicy"]
    others = [document for document in found if document["kind"] != "NetworkAttachmentPolicy"]
    assert len(others) == (0 if example.name == "11-hot-plug" else 1)
    return policies, others[0] if others else None


def body_of(example: Example, written: dict[str, Any] | None) -> bytes:
    if written is not None:
        return review(written["kind"], written, user=example.user)
    # The pod of example 11 is in a comment.
    before, after = "lan", "lan,default/internet,green/shared,infra/other"
    text = (EXAMPLES / f"{example.name}.yaml").read_text()
    assert f'pod blue/web-0 runs with networks: "{before}"; then' in text
    assert text.rstrip().endswith(f"{NETWORKS}={after}")
    return review("Pod", pod(after), old=pod(before))


def pod(networks: str) -> dict[str, Any]:
    metadata = {"name": "web-0", "namespace": "blue", "labels": {"app": "web"}, "annotations": {NETWORKS: networks}}
    return {"metadata": metadata}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[served.Servers]:
    with served.Servers(tmp_path_factory.mktemp("examples")) as started:
        yield started


@pytest.mark.parametrize("example", ALL, ids=lambda example: example.name)
def test_worked_example(example: Example, servers: served.Servers) -> None:
    policies, written = documents(example)
    server = servers.start(
        namespaces=COMMON["namespaces"],
        networks={**COMMON["networks"], **dict(example.networks)},
        config=COMMON["config"],
        policies=policies,
    )
    request, decision = server.ask(body_of(example, written))
    name = kubectl.webhook_name(request.kind)
    printed = kubectl.render(request, decision, webhook_name=name, file=example.file)
    if decision.is_allowed:
        printed = printed.removesuffix(" allowed") + " created"
    lines = [*kubectl.render_warnings(decision), printed]
    assert "\n".join(lines) + "\n" == (GOLDEN / f"{example.name}.txt").read_text()


def test_every_example_is_there() -> None:
    names = {example.name for example in ALL}
    assert {path.stem for path in EXAMPLES.iterdir()} == names
    assert {path.stem for path in GOLDEN.iterdir()} == names
    assert len(names) == 12
