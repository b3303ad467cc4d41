"""What CNI plugins read of a pod's requests, besides capabilities: literals, compiled by `make golden`.

Source: the fields `cni_args` and `reads_pod` of the files in `webhook/plugindata`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

READS: Mapping[str, tuple[str, ...]] = {
    "accelerated-bridge": ("MAC",),
    "antrea": ("mac",),
    "bandwidth": (),
    "bond": (),
    "bridge": ("MAC",),
    "cnv-bridge": ("MAC",),
    "cnv-tuning": ("MAC",),
    "dhcp": (),
    "dummy": (),
    "firewall": (),
    "host-device": (),
    "host-local": ("IP",),
    "ib-sriov": (),
    "ipvlan": (),
    "ipvtap": ("MAC",),
    "kube-ovn": ("ips", "mac"),
    "loopback": (),
    "macvlan": ("MAC",),
    "macvtap": ("MAC",),
    "ovn-k8s-cni-overlay": ("ipam-claim-reference", "ips", "mac"),
    "ovs": ("MAC",),
    "ovs-mirror-consumer": (),
    "ovs-mirror-producer": (),
    "portmap": (),
    "ptp": (),
    "rdma": (),
    "route-override": (),
    "sbr": (),
    "sriov": ("MAC",),
    "static": ("IP",),
    "tap": ("MAC",),
    "tuning": ("MAC",),
    "userspace": (),
    "vlan": (),
    "vrf": (),
    "whereabouts": ("IP",),
}
"""By plugin type: IP and MAC of CNI_ARGS, and keys of the pod's annotation."""
