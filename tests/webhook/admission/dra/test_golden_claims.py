"""Every message about claims, as golden files: `tests/golden/claims/<case>.txt`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests import golden_files as golden
from webhook.admission.model.kinds import POD
from webhook.admission.model.requests import Decision, Object, Request, User
from webhook.admission.wording import claimtext

from .claimobjects import (
    BY_CLAIM,
    BY_TEMPLATE,
    CNI,
    DRANET,
    claim,
    device_class,
    opaque,
    pod,
    policy,
    posture,
    request,
    review,
    template,
    vf,
)
from .test_pods import deployment

PLAIN = device_class()
FOREIGN = opaque(vf("secret", "infra"))
EMBEDDED = opaque({"config": {"cniVersion": "1.0.0", "type": "macvlan", "master": "eth0"}}, driver=CNI)
NO_LAN = {"name": "no-lan", "action": "Deny", "networks": [{"names": ["lan"]}]}
OWN = policy("definitions", definitions=[{"name": "own", "action": "Allow", "config": {"masters": ["bond1"]}}])


def unknown(count: int) -> Decision:
    asked = Request(uid="u", kind=POD, operation="CREATE", namespace="blue", name="web", object=Object(name="web"))
    names = [("ResourceClaim", "blue", f"c{number}") for number in range(count)]
    return claimtext.claims_unknown(asked, [("DeviceClass", "", "fast"), *names])


CASES: dict[str, Callable[[], Decision]] = {
    "claim-of-others": lambda: review(claim(FOREIGN)),
    "template-of-others": lambda: review(template(FOREIGN)),
    "claim-missing": lambda: review(claim(opaque(vf("lam")))),
    "claim-version": lambda: review(claim(opaque({**vf("lan"), "apiVersion": "v1alpha2"}))),
    "claim-keys": lambda: review(claim(opaque({**vf("lan"), "netAttachDefname": "lan", "ifname": "net1"}))),
    "claim-value": lambda: review(claim(opaque({"interface": {"mtu": 9, "addresses": ["x"]}}, driver=DRANET))),
    "claim-two-keys": lambda: review(claim(opaque({"config": {"type": "a"}, "Config": {}}, driver=CNI))),
    "claim-plugin": lambda: review(
        claim(opaque({"config": {"cniVersion": "1.0.0", "type": "bridge", "vlan": 4095}}, driver=CNI))
    ),
    "claim-plugin-remark": lambda: review(claim(opaque({"config": {"type": "foo"}}, driver=CNI))),
    "claim-author": lambda: review(claim(EMBEDDED), OWN),
    "claim-author-default": lambda: review(claim(EMBEDDED), posture("Isolated", definitions={"default": "Deny"})),
    "claim-trial": lambda: review(claim(opaque(vf("lan"))), policy("trial", NO_LAN, mode="Warn")),
    "class-missing": lambda: review(device_class(opaque(vf("absent", "infra")))),
    "class-author": lambda: review(
        device_class(EMBEDDED), posture("Isolated", definitions={"default": "Deny"}), user=User("flux", ())
    ),
    "pod-claim": lambda: review(pod(BY_CLAIM), PLAIN, claim(FOREIGN)),
    "pod-template": lambda: review(pod(BY_TEMPLATE), PLAIN, template(FOREIGN)),
    "pod-class": lambda: review(
        pod(BY_CLAIM), device_class(FOREIGN, name="fast"), claim(requests=[request("vf", "fast")])
    ),
    "pod-resource": lambda: review(
        pod(resources={"example.com/fast": "1"}),
        device_class(FOREIGN, name="fast", extendedResourceName="example.com/fast"),
    ),
    "pod-deny": lambda: review(pod(BY_CLAIM), PLAIN, claim(opaque(vf("lan"))), policy("guard", NO_LAN)),
    "pod-missing": lambda: review(pod(BY_CLAIM), PLAIN, claim(opaque(vf("lam")))),
    "pod-unreadable": lambda: review(pod(BY_CLAIM), PLAIN, claim(opaque({**vf("lan"), "bogus": 1}))),
    "pod-limit": lambda: review(
        pod(*({"resourceClaimName": f"c{number}"} for number in range(65))),
        PLAIN,
        *(claim(opaque(vf("lan", f"n{number}")), name=f"c{number}") for number in range(65)),
        posture("Open"),
    ),
    "pod-unknown": lambda: unknown(1),
    "pod-unknown-many": lambda: unknown(9),
    "deployment": lambda: review(deployment(pod(BY_CLAIM)["spec"]), PLAIN, claim(FOREIGN)),
    "deployment-missing": lambda: review(deployment(pod(BY_CLAIM)["spec"]), PLAIN, claim(opaque(vf("absent")))),
}


def show(decision: Decision) -> str:
    """Return the whole text of a decision."""
    lines = [decision.verdict if decision.is_allowed else f"{decision.code} {decision.reason}", decision.message]
    lines += [f"cause: {cause.field}: {cause.reason}: {cause.message}" for cause in decision.causes]
    lines += [f"warning: {warning}" for warning in map(str, decision.warnings)]
    return "\n".join(filter(None, lines)) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_golden_message(case: str) -> None:
    golden.compare(f"claims/{case}.txt", show(CASES[case]()))


def test_golden_messages_are_all_in_use() -> None:
    assert golden.stale("claims", {f"{case}.txt" for case in CASES}) == []
