"""What happens on the node if the webhook lets a mistake pass: the measure of every rule.

A rule refuses only what would fail, what a pod would not get although it asks for it, or what nobody may have. What
merely breaks the letter of a standard, or is read by nobody, is a warning. `severity` is the one function that says so;
a rule that cannot say what would fail is a warning.

`seen` says how the effect was found. It begins with one of SEEN; after a colon, it may name programs and instances.
`tests/webhook/admission/plugins/real/test_outcomes.py` runs the examples of codes that were seen by "run".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from cniplugin.netspec.attachers import MULTUS

Effect = Literal["fails", "attaches without it", "attaches", "differs", "not allowed", "works"]
"""fails: the pod does not start. attaches without it: it starts and lacks what was asked for. attaches: nothing is
lost. differs: by node, by version, or by what else the pod asks for. not allowed: it would work, and nobody may have
it, because it opens a door to the node or has two readings. works: it is no mistake for this attacher."""
Subject = Literal["pod", "definition"]
"""Who asks. A pod asks for something; a definition only offers it to pods."""

ERROR = "error"
"""The object is refused."""
WARNING = "warning"
"""The object is allowed with a warning."""
NONE = "none"
"""Nothing is found."""


SEEN: Mapping[str, str] = {
    "run": "a real plugin, or a program, ran",
    "kubelet": "a pod ran on a real kubelet, under nadmit and under Multus",
    "source": "the source of the program was read",
    "kernel": "the documentation of the kernel was read",
    "API server": "the API server refuses the object",
    "setting": "a setting of the cluster forbids it",
    "decision": "nadmit decides so, for safety or because it cannot look further",
}
"""How an effect was found: the first words of `Outcome.seen`, and what they mean."""


class Outcome(NamedTuple):
    """The effect of one mistake when our plugin attaches, and when Multus does; and how that was seen."""

    nadmit: Effect
    multus: Effect
    seen: str

    def effect(self, attached_by: str) -> Effect:
        """Return the effect for one of `netspec.attachers.ATTACHERS`."""
        return self.multus if attached_by == MULTUS else self.nadmit


_REFUSED: Mapping[Subject, frozenset[Effect]] = {
    "pod": frozenset({"fails", "attaches without it", "not allowed"}),
    "definition": frozenset({"fails", "not allowed"}),
}


def severity(effect: Effect, subject: Subject) -> str:
    """Return ERROR, WARNING or NONE."""
    if effect == "works":
        return NONE
    return ERROR if effect in _REFUSED[subject] else WARNING


def _same(effect: Effect, seen: str) -> Outcome:
    return Outcome(effect, effect, seen)


CODES: Mapping[str, Outcome] = {
    # keys and types
    "NAD101": _same("fails", "run"),
    "NAD102": _same("fails", "run"),
    "NAD103": _same("fails", "run"),
    "NAD104": _same("attaches without it", "run: bridge starts, and is no gateway"),
    "NAD105": _same("attaches", "run"),
    "NAD106": _same("fails", "source: bridge since 1.3, ovs-mirror-producer"),
    "NAD107": _same("differs", "run: fails on nodes without the program, and starts on others"),
    "NAD108": _same("not allowed", "setting: unknownTypes is Refuse"),
    "NAD109": _same("attaches without it", "run: macvlan starts without an address"),
    "NAD110": _same("differs", "decision: the rest was not looked at"),
    "NAD112": _same("fails", "run: firewall, bandwidth"),
    "NAD113": _same("differs", "source: a later release may speak the version"),
    "NAD114": _same("fails", "run: bridge, macvlan, host-device"),
    "NAD115": _same("attaches without it", "run: macvlan starts, and sends untagged frames"),
    "NAD116": _same("attaches without it", "source: libcni passes each plugin its own object"),
    "NAD117": _same("attaches without it", "run: macvlan starts without an address"),
    # values and limits
    "NAD201": _same("fails", "run"),
    "NAD202": _same("fails", "run"),
    "NAD203": _same("fails", "run"),
    "NAD204": _same("fails", "run"),
    "NAD205": _same("fails", "run: bandwidth; source: sriov, bond, userspace"),
    "NAD206": _same("fails", "source: bridge since 1.3, ovs"),
    "NAD207": _same("fails", "run"),
    "NAD208": _same("fails", "source: sbr since 1.9.1"),
    "NAD209": _same("fails", "source: OVN-Kubernetes and Kube-OVN drop the definition"),
    "NAD210": _same("fails", "source: OVN-Kubernetes drops the definition"),
    "NAD211": _same("fails", "source: OVN-Kubernetes drops the definition"),
    "NAD212": _same("fails", "source: OVN-Kubernetes drops the definition"),
    "NAD213": _same("fails", "source: OVN-Kubernetes drops the definition"),
    "NAD214": _same("fails", "source: OVN-Kubernetes drops the definition"),
    # IPAM and addresses
    "NAD301": _same("fails", "run"),
    "NAD302": _same("fails", "run"),
    "NAD303": _same("fails", "run"),
    "NAD304": _same("fails", "run"),
    "NAD305": _same("fails", "run"),
    "NAD306": _same("fails", "run"),
    "NAD307": _same("fails", "run"),
    "NAD308": _same("fails", "run"),
    "NAD309": _same("fails", "run"),
    "NAD310": _same("differs", "run: host-local hands out an address outside the range; source: whereabouts has none"),
    "NAD311": _same("fails", "source: bond, ib-sriov"),
    "NAD312": _same("differs", "run: starts, and fails once a route uses the gateway"),
    "NAD313": _same("fails", "run: bridge, macvlan, ptp, host-device"),
    "NAD314": _same("differs", "source: static takes addresses of the pod; a DPDK device has no routes"),
    "NAD315": _same("fails", "source: whereabouts gives one address twice"),
    "NAD316": _same("differs", "source: whereabouts; it matters to the pods that share the link with the gateway"),
    # order, chaining, capabilities
    "NAD401": _same("fails", "run"),
    "NAD402": _same("fails", "run"),
    "NAD403": _same("attaches without it", "run: host-local with ipam starts, and makes no interface"),
    "NAD404": _same("attaches without it", "source: ipvlan reads no MAC address"),
    "NAD405": _same("attaches without it", "run: portmap maps nothing"),
    "NAD406": _same("differs", "run: host-device fails, unless the pod has a device"),
    "NAD407": _same("attaches without it", "source: dhcp reads no requested address"),
    "NAD408": _same("fails", "run: bridge, macvlan, ptp, host-device"),
    "NAD409": _same("differs", "source: a DPDK device has no interface"),
    # surprises
    "NAD501": _same("attaches without it", "source: sriov"),
    "NAD502": _same("attaches without it", "source: sriov, whereabouts"),
    "NAD503": _same("attaches without it", "source: firewall, whereabouts, sriov, userspace"),
    "NAD504": _same("attaches without it", "source: ovs, bridge, host-device, ptp, sbr, route-override"),
    "NAD505": _same("differs", "run: IPAM static fails, unless the pod asks for an address; source: vlan, ovs"),
    "NAD506": _same("differs", "run: a route with host bits fails; source: ovs and sriov start or fail later"),
    "NAD507": _same("differs", "source: OVN-Kubernetes keeps the definition that it saw first"),
    "NAD508": _same("differs", "source: OVN-Kubernetes; the cluster may have moved its own subnets"),
    "NAD509": _same("attaches without it", "source: OVN-Kubernetes keeps the first one of a namespace"),
    "NAD510": _same("differs", "source: the DHCP server decides"),
    "NAD520": _same("fails", "run"),
    # pods and their networks
    "NAD601": _same("fails", "kubelet"),
    "NAD602": _same("fails", "kubelet"),
    "NAD603": _same("fails", "kubelet"),
    "NAD604": _same("fails", "kubelet"),
    "NAD605": _same("fails", "run"),
    "NAD606": _same("fails", "kubelet"),
    "NAD607": _same("differs", "run: the kernel refuses the route, unless a router makes the gateway reachable"),
    "NAD608": _same("attaches without it", "source: ipvlan reads no MAC address, dhcp no requested address"),
    "NAD609": _same("differs", "source: whereabouts; it depends on what other pods get"),
    "NAD610": _same("differs", "source: whereabouts sets it; the link decides whether anything answers"),
    "NAD611": _same("differs", "source: static keeps no record; connections break from time to time"),
    "NAD612": _same("differs", "source: bridge sets it twice; it matters if both are on one link"),
    "NAD613": _same("fails", "run"),
    "NAD614": _same("fails", "kubelet"),
    "NAD615": _same("fails", "run"),
    "NAD616": _same("fails", "run: host-local reads one address in CNI_ARGS"),
    "NAD617": _same("fails", "kubelet"),
    "NAD618": Outcome("works", "differs", "kubelet: Multus 4.3 leaves the route; source: older ones move it"),
    "NAD619": Outcome("works", "fails", "kubelet"),
    "NAD640": Outcome("works", "fails", "run: portmap; source: Multus types/types.go"),
    "NAD620": _same("attaches without it", "run: portmap serves the first port alone"),
    "NAD621": _same("differs", "run: portmap; one of the networks may have another IP family"),
    "NAD622": _same("fails", "source: OVN-Kubernetes pod_annotation.go validateStaticIPRequest"),
    "NAD641": _same("fails", "run"),
}
"""The outcome of every code. NAD1xx to NAD5xx are about definitions, NAD6xx about pods.

If the instances of a code differ, the row has the worst effect that is certain, and "differs" if none is.
"""


def subject_of(code: str) -> Subject:
    """Return who a code is about."""
    return "pod" if code[3] == "6" else "definition"
