"""Who attaches: what differs between the delegating plugins that read one annotation, as a table.

Most clusters run Multus, others the plugin of this project. Both read the same text; they carry out a few things
differently. Each difference is one row of FACTS, which the planner and the checks of admission read. No other module
branches on the name of an attacher.

Source of the column `multus`: multus-cni 4.3 (95a0932), thin and thick alike; "run" means that a real kubelet ran it.
"""

from __future__ import annotations

from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MULTUS, NADMIT, STRICT = "multus", "nadmit", "nadmit-strict"
ATTACHERS = (MULTUS, NADMIT, STRICT)
"""The values of `attachedBy`. STRICT is our plugin with `strict` in its configuration: capabilities alone count."""

NAMES: Mapping[str, str] = {MULTUS: "Multus", NADMIT: "nadmit", STRICT: "nadmit"}
"""The attachers as messages name them."""

# Values of rows.
ALWAYS, WITHOUT_CAPABILITY, NEVER = "always", "without the capability", "never"
YES, NO = "yes", "no"


class Fact(Record):
    """One row: `what` differs, the value for each attacher, and its `source`. `strict` is "" if it is as for nadmit."""

    what: str
    nadmit: str
    multus: str
    source: str
    strict: str = ""

    def value(self, attacher: str) -> str:
        """Return the value for one of ATTACHERS."""
        if attacher == MULTUS:
            return self.multus
        return self.strict or self.nadmit if attacher == STRICT else self.nadmit


CNI_ARGS = "cni-args"
NUMBERED = "numbered-by-position"
BURST = "burst-filled-in"
PROTOCOL = "protocol-filled-in"
ROUTE_MOVES = "default-route-moves"
GATEWAYS = "several-gateways"
BLANK = "blank-annotation"
BLANK_CONFIG = "blank-configuration"
SHORT_DEVICES = "too-few-devices"
OLD_STATUS = "status-of-cni-0.2.0"

FACTS: Mapping[str, Fact] = {
    CNI_ARGS: Fact(
        what="`ips` and `mac` reach a plugin in CNI_ARGS, as IP and MAC",
        nadmit=WITHOUT_CAPABILITY,
        strict=NEVER,
        multus=ALWAYS,
        source="multus.go DelegateAdd; run",
    ),
    NUMBERED: Fact(
        what="a generated interface name is the position, even if another network asks for that name",
        nadmit=NO,
        multus=YES,
        source="multus.go getIfname; run",
    ),
    BURST: Fact(
        what="a rate without a burst gets the largest burst",
        nadmit=YES,
        multus=NO,
        source="types/conf.go mergeCNIRuntimeConfig; run",
    ),
    PROTOCOL: Fact(
        what="a port mapping without a protocol is for TCP",
        nadmit=YES,
        multus=NO,
        source="types/types.go PortMapEntry; portmap 1.1.1 run",
    ),
    ROUTE_MOVES: Fact(
        what="`default-route` moves the default route of the pod",
        nadmit=YES,
        multus="some versions",
        source="multus.go CmdAdd, not since 4.2.2; run",
    ),
    GATEWAYS: Fact(
        what="`default-route` takes several gateways of one address family",
        nadmit=YES,
        multus=NO,
        source="types/conf.go CheckGatewayConfig",
    ),
    BLANK: Fact(
        what="an annotation of white space alone names no network",
        nadmit=YES,
        multus=NO,
        source="k8sclient.go parsePodNetworkAnnotation",
    ),
    BLANK_CONFIG: Fact(
        what="a `spec.config` of white space alone counts as an empty one",
        nadmit=YES,
        multus=NO,
        source="netutils GetCNIConfigFromSpec; run",
    ),
    SHORT_DEVICES: Fact(
        what="a pod whose network has no device left is attached without one",
        nadmit=NO,
        multus=YES,
        source="k8sclient.go getKubernetesDelegate",
    ),
    OLD_STATUS: Fact(
        what="a network of CNI 0.1.0 or 0.2.0 is in network-status",
        nadmit=YES,
        multus=NO,
        source="multus.go CmdAdd; run",
    ),
}
"""What differs, by name."""


def value_of(fact: str, attacher: str) -> str:
    """Return the value of a row for one of ATTACHERS."""
    return FACTS[fact].value(attacher)
