"""Codes about a network: NAD3xx, IPAM and addresses; NAD4xx, order and capabilities; NAD5xx, surprises."""

from __future__ import annotations

from collections.abc import Mapping

from webhook.admission.plugins.code import ERROR, WARNING, Code

NETWORK_CODES: Mapping[str, Code] = {
    "NAD301": Code(
        title="a plugin needs IPAM and has none",
        severity=ERROR,
        meaning="The plugin runs an IPAM plugin in any case, and fails for want of its type.",
        example='{"type": "ptp"}',
        fix='Add "ipam" with the type of an IPAM plugin.',
    ),
    "NAD302": Code(
        title="an address or a range cannot be read",
        severity=ERROR,
        meaning="The IPAM plugin reads it when a pod starts, and fails on every node.",
        example='{"type": "macvlan", "master": "eth1", "ipam": {"type": "host-local", "subnet": "10.1.0.0"}}',
        fix="Write an address, or an address with its prefix, as the message says.",
    ),
    "NAD303": Code(
        title="a subnet has host bits set",
        severity=ERROR,
        meaning="The address before the slash is not that of the network, as in 10.1.0.1/24.",
        example='{"type": "macvlan", "master": "eth1", "ipam": {"type": "host-local", "subnet": "10.1.0.1/24"}}',
        fix="Write the network that the message names.",
    ),
    "NAD304": Code(
        title="a subnet is too small",
        severity=ERROR,
        meaning="Without the address of the network and of broadcast, no address is left to hand out.",
        example='{"type": "macvlan", "master": "eth1", "ipam": {"type": "host-local", "subnet": "10.1.0.0/31"}}',
        fix="Write a larger subnet.",
    ),
    "NAD305": Code(
        title="an address is outside its subnet",
        severity=ERROR,
        meaning="A range begins or ends at an address that its subnet does not have, or begins after its end.",
        example=(
            '{"type": "macvlan", "master": "eth1", "ipam": {"type": "host-local", "subnet": "10.1.0.0/24", '
            '"rangeEnd": "10.1.1.9"}}'
        ),
        fix="Write an address of the subnet.",
    ),
    "NAD306": Code(
        title="two ranges overlap",
        severity=ERROR,
        meaning="An address would belong to two ranges; the plugin refuses the configuration.",
        example=(
            '{"cniVersion": "1.0.0", "type": "macvlan", "master": "eth1", "ipam": {"type": "host-local", "ranges": '
            '[[{"subnet": "10.1.0.0/16"}], [{"subnet": "10.1.2.0/24"}]]}}'
        ),
        fix="Write ranges that share no address.",
    ),
    "NAD307": Code(
        title="one set of ranges has IPv4 and IPv6",
        severity=ERROR,
        meaning="A set hands out one address of all its ranges; for one address of each family, each has a set.",
        example=(
            '{"type": "macvlan", "master": "eth1", "ipam": {"type": "host-local", "ranges": [[{"subnet": '
            '"10.1.0.0/24"}, {"subnet": "fd00::/64"}]]}}'
        ),
        fix='Write two sets: "ranges": [[{...}], [{...}]].',
    ),
    "NAD308": Code(
        title="there are no addresses to hand out",
        severity=ERROR,
        meaning=(
            "Neither the configuration nor a capability gives the IPAM plugin a range, or a set of ranges is empty."
        ),
        example='{"type": "macvlan", "master": "eth1", "ipam": {"type": "host-local"}}',
        fix='Add "ranges", or "subnet".',
    ),
    "NAD309": Code(
        title="an old CNI version has no room for the addresses",
        severity=ERROR,
        meaning=(
            "Results of CNI 0.1.0 and 0.2.0 hold one IPv4 and one IPv6 address; cniVersion is 0.1.0 when it is absent."
        ),
        example=(
            '{"cniVersion": "0.2.0", "type": "macvlan", "master": "eth1", "ipam": {"type": "static", "addresses": '
            '[{"address": "10.1.0.5/24"}, {"address": "10.2.0.5/24"}]}}'
        ),
        fix='Raise "cniVersion" to 0.3.1 or later.',
    ),
    "NAD310": Code(
        title="a range ends before it begins",
        severity=WARNING,
        meaning="The plugin starts with it; there is no address in it to hand out.",
        example=(
            '{"type": "macvlan", "master": "eth1", "ipam": {"type": "host-local", "subnet": "10.1.0.0/24", '
            '"rangeStart": "10.1.0.255"}}'
        ),
        fix="Swap the two addresses.",
    ),
    "NAD311": Code(
        title="a plugin refuses this IPAM plugin",
        severity=ERROR,
        meaning="The plugin names an IPAM type that it does not work with.",
        example='{"type": "ib-sriov", "deviceID": "0000:03:02.0", "ipam": {"type": "dhcp"}}',
        fix="Take another IPAM plugin.",
    ),
    "NAD312": Code(
        title="a gateway is outside its subnet",
        severity=WARNING,
        meaning=("The plugin does not check it; a route through an address that is not on the link cannot be set."),
        example=(
            '{"type": "macvlan", "master": "eth1", "ipam": {"type": "static", "addresses": [{"address": '
            '"10.1.0.5/24", "gateway": "10.2.0.1"}]}}'
        ),
        fix="Write an address of the subnet.",
    ),
    "NAD401": Code(
        title="a chained plugin comes first",
        severity=ERROR,
        meaning=(
            "The plugin changes the interface that an earlier one made; with none before it there is nothing to change."
        ),
        example='{"type": "tuning", "mtu": 1400}',
        fix="Put it into a list of plugins, after the one that makes the interface.",
    ),
    "NAD402": Code(
        title="a plugin is missing before another one",
        severity=ERROR,
        meaning="The plugin works on interfaces of certain plugins only.",
        example=(
            '{"plugins": [{"type": "macvlan", "master": "eth1"}, {"type": "bandwidth", "ingressRate": 1000000, '
            '"ingressBurst": 1000000}]}'
        ),
        fix="Put one of the named plugins before it, or remove it.",
    ),
    "NAD403": Code(
        title="a plugin is used for what it does not do",
        severity=WARNING,
        meaning=(
            "An IPAM plugin hands out an address and makes no interface to carry it; others make interfaces and have "
            "no addresses."
        ),
        example='{"type": "static"}',
        fix='Write a plugin that makes an interface, with the IPAM plugin as its "ipam".',
    ),
    "NAD404": Code(
        title="a capability is declared that nobody reads",
        severity=WARNING,
        meaning=(
            "The runtime passes the value on, and neither the plugin nor its IPAM plugin looks at it; or no runtime "
            "knows the name, which resembles one that it does."
        ),
        example='{"type": "ipvlan", "master": "eth1", "capabilities": {"mac": true}, "ipam": {"type": "dhcp"}}',
        fix="Remove the capability, or take a plugin that reads it.",
    ),
    "NAD405": Code(
        title="a plugin does nothing without its capability",
        severity=WARNING,
        meaning=(
            "All that the plugin does comes from the pod, through a capability that the configuration does not declare."
        ),
        example='{"plugins": [{"type": "bridge"}, {"type": "portmap"}]}',
        fix="Declare the capability.",
    ),
    "NAD406": Code(
        title="a plugin gets no device",
        severity=WARNING,
        meaning=(
            "The configuration has no deviceID, and without a resource name Multus does not fill one in. It works "
            "only where the pod's annotation gives one. A network whose annotation nadmit.io/devices-from is "
            "ResourceClaim needs none: the driver of the claim gives the device."
        ),
        example='{"type": "sriov"}',
        fix=(
            "Add the annotation k8s.v1.cni.cncf.io/resourceName to the NetworkAttachmentDefinition, or "
            "nadmit.io/devices-from: ResourceClaim where a ResourceClaim gives the device."
        ),
    ),
    "NAD407": Code(
        title="the IPAM plugin cannot give a pod the address that it asks for",
        severity=ERROR,
        meaning=(
            "The network promises pods the addresses that they ask for, by the capability ips, and its IPAM plugin "
            "hands out others without a word. It would start; a pod would find out by what does not reach it."
        ),
        example='{"type": "macvlan", "master": "eth1", "capabilities": {"ips": true}, "ipam": {"type": "dhcp"}}',
        fix="Remove the capability, or take an IPAM plugin that reads it: host-local, static, whereabouts.",
    ),
    "NAD501": Code(
        title="a value silently means something else",
        severity=WARNING,
        meaning="The plugin knows one word, and takes all others for the opposite.",
        example='{"type": "sriov", "deviceID": "0000:03:02.0", "spoofchk": "true"}',
        fix="Write one of the allowed values.",
    ),
    "NAD502": Code(
        title="a key has no effect",
        severity=WARNING,
        meaning="The plugin reads the key and does nothing with it.",
        example='{"type": "sriov", "deviceID": "0000:03:02.0", "mtu": 9000}',
        fix="Remove the key.",
    ),
    "NAD503": Code(
        title="a value is none of the documented ones",
        severity=WARNING,
        meaning="The plugin does not refuse it, and takes its default.",
        example='{"plugins": [{"type": "bridge"}, {"type": "firewall", "backend": "nft"}]}',
        fix="Write one of the documented values.",
    ),
    "NAD504": Code(
        title="one setting makes another one void",
        severity=WARNING,
        meaning="Both are there, and the plugin looks at one of them only.",
        example='{"type": "ovs", "bridge": "br1", "vlan": 100, "trunk": [{"id": 200}]}',
        fix="Remove the setting that has no effect.",
    ),
    "NAD505": Code(
        title="a key is absent whose default is seldom meant",
        severity=WARNING,
        meaning="The plugin works without the key, and does what few expect.",
        example='{"type": "vlan", "master": "eth1", "ipam": {"type": "dhcp"}}',
        fix="Write the key, even if the default is meant.",
    ),
    "NAD506": Code(
        title="a value is not checked by the plugin and fails later",
        severity=WARNING,
        meaning="The plugin starts with it; what it drives, or a later step, drops or refuses it.",
        example='{"type": "ovs", "bridge": "br1", "vlan": 5000}',
        fix="Write a value of the range that the message names.",
    ),
}
