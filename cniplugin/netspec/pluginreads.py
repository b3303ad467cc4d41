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
    "azure-vnet-ipam": (),
    "bandwidth": (),
    "bond": (),
    "bridge": ("MAC",),
    "calico-ipam": ("IP",),
    "cnv-bridge": ("MAC",),
    "cnv-tuning": ("MAC",),
    "dhcp": (),
    "dummy": (),
    "firewall": (),
    "host-device": (),
    "host-local": ("IP",),
    "ib-sriov": (),
    "ipoib": (),
    "ipvlan": (),
    "kube-ovn": ("ips", "mac"),
    "kubevirt-passt-binding": (),
    "loopback": (),
    "macvlan": ("MAC",),
    "macvtap": ("MAC",),
    "multi-nic-ipam": (),
    "nv-ipam": ("IP",),
    "ovn-k8s-cni-overlay": ("ipam-claim-reference", "ips", "mac"),
    "ovs": ("MAC",),
    "ovs-mirror-consumer": (),
    "ovs-mirror-producer": (),
    "portmap": (),
    "ptp": (),
    "rdma": (),
    "route-override": (),
    "sbr": (),
    "spiderpool": (),
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
