"""`NetworkSelectionElement`: one network that a pod asks for, and its JSON form (NPWG v1.3 §4.1.2.1)."""

from __future__ import annotations

from . import jsontext
from .record import PlainRecord, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Final

NETWORKS = "k8s.v1.cni.cncf.io/networks"
"""NPWG v1.3 §4.1."""
DEFAULT_NETWORK = "v1.multus-cni.io/default-network"
"""Multus' annotation that replaces the cluster-wide default network by one selected network."""
NETWORK_STATUS = "k8s.v1.cni.cncf.io/network-status"
"""NPWG v1.3 §5."""
OLD_NETWORK_STATUS = "k8s.v1.cni.cncf.io/networks-status"
"""The name of that annotation before v1.1. Multus up to 3.9 wrote both, and some programs still read this one."""
NETWORK_STATUS_KEYS = (NETWORK_STATUS, OLD_NETWORK_STATUS)


class PortMapping(Record):
    """One entry of `portMappings` (§4.1.2.1.7). Ports 1..65535; `protocol` as written, None means TCP."""

    host_port: int
    container_port: int
    protocol: str | None = None
    host_ip: str | None = None


class Bandwidth(Record):
    """`bandwidth` (§4.1.2.1.8): rates in bits per second, bursts in bits, None where not asked for."""

    ingress_rate: int | None = None
    ingress_burst: int | None = None
    egress_rate: int | None = None
    egress_burst: int | None = None


_NO_KEYS: Mapping[str, object] = {}  # never changed


class NetworkSelectionElement(PlainRecord):
    """One network that a pod asks for, with its requests (§4.1.2.1). None or () means that there is no request.

    `default_route` is None if the key is absent and () if it is an empty list, which keeps the attachment's own
    default routes. `cni_args` and `foreign` are JSON objects and are never changed.
    """

    __slots__ = (  # noqa: RUF023 - in the order of the standard
        "name", "namespace", "ips", "mac", "interface", "cni_args", "port_mappings", "bandwidth", "default_route",
        "infiniband_guid", "ipam_claim_reference", "device_id", "foreign",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - one argument per field
        self,
        *,
        name: str,
        namespace: str,
        ips: tuple[str, ...] = (),
        mac: str | None = None,
        interface: str | None = None,
        cni_args: Mapping[str, object] | None = None,
        port_mappings: tuple[PortMapping, ...] = (),
        bandwidth: Bandwidth | None = None,
        default_route: tuple[str, ...] | None = None,
        infiniband_guid: str | None = None,
        ipam_claim_reference: str | None = None,
        device_id: str | None = None,
        foreign: Mapping[str, object] = _NO_KEYS,
    ) -> None:
        self.name: Final = name
        self.namespace: Final = namespace
        self.ips: Final = ips
        self.mac: Final = mac
        self.interface: Final = interface
        self.cni_args: Final = cni_args
        self.port_mappings: Final = port_mappings
        self.bandwidth: Final = bandwidth
        self.default_route: Final = default_route
        self.infiniband_guid: Final = infiniband_guid
        self.ipam_claim_reference: Final = ipam_claim_reference
        self.device_id: Final = device_id
        self.foreign: Final = foreign


BANDWIDTH_FIELDS = {
    "ingressRate": "ingress_rate",
    "ingressBurst": "ingress_burst",
    "egressRate": "egress_rate",
    "egressBurst": "egress_burst",
}
"""Keys of `bandwidth` and the fields that hold them."""


def route_families(gateways: Sequence[str]) -> frozenset[int]:
    """Return the families, 4 and 6, whose default route an element holds; an empty list holds both."""
    return frozenset(6 if ":" in gateway else 4 for gateway in gateways) or frozenset((4, 6))


def to_json(element: NetworkSelectionElement) -> dict[str, object]:
    """Return the element as a JSON object with the standard's keys, in the standard's order."""
    value: dict[str, object] = {"name": element.name, "namespace": element.namespace}
    optional = {
        "ips": list(element.ips) or None,
        "mac": element.mac,
        "interface": element.interface,
        "cni-args": element.cni_args,
        "portMappings": [_port_to_json(port) for port in element.port_mappings] or None,
        "bandwidth": _bandwidth_to_json(element.bandwidth) if element.bandwidth else None,
        "default-route": None if element.default_route is None else list(element.default_route),
        "infiniband-guid": element.infiniband_guid,
        "ipam-claim-reference": element.ipam_claim_reference,
        "deviceID": element.device_id,
    }
    value.update((key, item) for key, item in optional.items() if item is not None)
    value.update(element.foreign)
    return value


def render(elements: Iterable[NetworkSelectionElement]) -> str:
    """Return the JSON form, which `annotation.parse` reads back to equal elements."""
    return jsontext.quote([to_json(element) for element in elements])


def _port_to_json(port: PortMapping) -> dict[str, object]:
    value: dict[str, object] = {"hostPort": port.host_port, "containerPort": port.container_port}
    if port.protocol is not None:
        value["protocol"] = port.protocol
    if port.host_ip is not None:
        value["hostIP"] = port.host_ip
    return value


def _bandwidth_to_json(bandwidth: Bandwidth) -> dict[str, object]:
    return {key: rate for key, field in BANDWIDTH_FIELDS.items() if (rate := getattr(bandwidth, field)) is not None}
