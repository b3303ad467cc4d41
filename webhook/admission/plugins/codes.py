"""Every code that a finding about a plugin can have: stable, explained, with an example that has exactly this one.

NAD1xx: keys and types. NAD2xx: values and limits. NAD3xx: IPAM and addresses. NAD4xx: order, chaining, capabilities.
NAD5xx: surprises. NAD6xx: pods against networks. A code is one severity for ever; what it means never changes, and a
code that is given up is not used again.
"""

from __future__ import annotations

from collections.abc import Mapping

from webhook.admission.plugins.code import ERROR, WARNING, Code
from webhook.admission.plugins.podcodes import POD_CODES

__all__ = ["CODES", "ERROR", "WARNING", "Code"]

CODES: Mapping[str, Code] = {
    "NAD101": Code(
        title="a key has the wrong JSON type",
        severity=ERROR,
        meaning=(
            "The plugin is a Go program, which stops when a key does not have the type of its struct: a number in "
            "quotes, a list where an object is wanted."
        ),
        example='{"type": "vlan", "master": "eth1", "vlanId": "100", "ipam": {"type": "dhcp"}}',
        fix="Write the value as the message says; numbers and true or false go without quotes.",
    ),
    "NAD102": Code(
        title="a number does not fit its Go type",
        severity=ERROR,
        meaning=(
            "The number is an integer, and the plugin's type has no room for it: too large, or negative where none "
            "may be."
        ),
        example='{"type": "tap", "owner": -1}',
        fix="Write a number of the range that the message names.",
    ),
    "NAD103": Code(
        title="a key is missing",
        severity=ERROR,
        meaning="The plugin does not start without this key; an empty text counts as absent.",
        example='{"type": "vlan", "vlanId": 100, "ipam": {"type": "dhcp"}}',
        fix="Add the key.",
    ),
    "NAD104": Code(
        title="a key that nobody reads resembles one that is read",
        severity=WARNING,
        meaning=("Plugins ignore keys that they do not know, so a slip of the pen changes nothing and says nothing."),
        example='{"type": "bridge", "isGatway": true}',
        fix="Write the key that was meant, or remove it.",
    ),
    "NAD105": Code(
        title="a key is in another letter case",
        severity=WARNING,
        meaning=("Go reads keys in any letter case, so it works; other readers, such as access rules, do not find it."),
        example='{"type": "bridge", "IPMasq": true}',
        fix="Write the key as the plugin's documentation does.",
    ),
    "NAD106": Code(
        title="a list holds null where the plugin crashes on it",
        severity=ERROR,
        meaning="The plugin follows a pointer that is nil, and ends with a stack trace instead of an error.",
        example='{"type": "bridge", "vlanTrunk": [null]}',
        fix="Remove the item.",
    ),
    "NAD107": Code(
        title="nothing is known about a plugin type",
        severity=WARNING,
        meaning=(
            "Only what all plugins share was checked: the envelope. A slip in the plugin's own keys shows when a pod "
            "starts."
        ),
        example='{"type": "my-plugin"}',
        fix="Check the spelling of the type; give nadmit a schema of your own plugin, or exempt the type.",
    ),
    "NAD108": Code(
        title="a plugin type that nothing is known about is refused",
        severity=ERROR,
        meaning="The setting unknownTypes is Refuse: only plugins that have a schema may be used.",
        example='{"type": "my-plugin"}',
        fix="Check the spelling of the type; ask an admin for a schema of it, or to exempt it.",
    ),
    "NAD109": Code(
        title="a key of the IPAM plugin is outside ipam",
        severity=WARNING,
        meaning="IPAM plugins read the object ipam and nothing else, so the key has no effect where it is.",
        example='{"type": "macvlan", "master": "eth1", "subnet": "10.1.0.0/24"}',
        fix='Move the key into "ipam".',
    ),
    "NAD110": Code(
        title="a configuration is too large to be checked to its end",
        severity=WARNING,
        meaning=(
            "Only so many values of a configuration are looked at, as reviews wait for each other; people write some "
            "hundreds, and 20,000 are looked at. The example has it with a limit of two values."
        ),
        example='{"type": "bridge", "vlan": 1, "mtu": 1500, "isGateway": true}',
        fix="Write a smaller configuration.",
    ),
    "NAD201": Code(
        title="a number is outside its limits",
        severity=ERROR,
        meaning="The plugin checks the number when it starts, and refuses it on every node.",
        example='{"type": "bridge", "vlan": 4095}',
        fix="Write a number that the plugin takes.",
    ),
    "NAD202": Code(
        title="a value is none of those that the plugin knows",
        severity=ERROR,
        meaning=(
            "The plugin compares the text with a closed list, nearly always with letter case, and refuses all others."
        ),
        example='{"type": "macvlan", "master": "eth1", "mode": "Bridge"}',
        fix="Write one of the allowed values.",
    ),
    "NAD203": Code(
        title="a text does not have the form that the plugin reads",
        severity=ERROR,
        meaning=("An address, a MAC address, an interface name or a number in quotes, which the plugin cannot read."),
        example='{"type": "tap", "mac": "02:00:00"}',
        fix="Write the text in the form that the message names.",
    ),
    "NAD204": Code(
        title="two settings exclude each other",
        severity=ERROR,
        meaning="The plugin refuses to start with both.",
        example='{"type": "bridge", "hairpinMode": true, "promiscMode": true}',
        fix="Keep one of them.",
    ),
    "NAD205": Code(
        title="a setting needs another one",
        severity=ERROR,
        meaning="The plugin refuses the one without the other.",
        example='{"type": "sriov", "deviceID": "0000:03:02.0", "vlanQoS": 3}',
        fix="Add the other one, or remove this one.",
    ),
    "NAD206": Code(
        title="a list of VLANs cannot be read",
        severity=ERROR,
        meaning="An item of the trunk is upside down, half a range, or names no VLAN.",
        example='{"type": "bridge", "vlanTrunk": [{"minID": 200, "maxID": 100}]}',
        fix='Write {"minID": 100, "maxID": 200} or {"id": 100}.',
    ),
    "NAD207": Code(
        title="a sysctl is refused",
        severity=ERROR,
        meaning="Plugin tuning sets sysctls below net only, each of them once.",
        example='{"plugins": [{"type": "bridge"}, {"type": "tuning", "sysctl": {"kernel.shmmax": "1"}}]}',
        fix="Write a key that begins with net., once.",
    ),
    "NAD208": Code(
        title="two gateways of one address family",
        severity=ERROR,
        meaning="Source based routing has one default route for each family.",
        example='{"plugins": [{"type": "bridge"}, {"type": "sbr", "gateways": ["10.1.0.1", "10.1.0.2"]}]}',
        fix="Keep one gateway of each family.",
    ),
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
        meaning="A range begins or ends at an address that its subnet does not have.",
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
        meaning="The plugin does not check it; there is no address in it to hand out.",
        example=(
            '{"type": "macvlan", "master": "eth1", "ipam": {"type": "host-local", "subnet": "10.1.0.0/24", '
            '"rangeStart": "10.1.0.20", "rangeEnd": "10.1.0.10"}}'
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
        title="an IPAM plugin is used as a main plugin",
        severity=WARNING,
        meaning="It hands out an address and makes no interface to carry it.",
        example='{"type": "static"}',
        fix='Write it as the "ipam" of a plugin that makes an interface.',
    ),
    "NAD404": Code(
        title="a capability is declared that nobody reads",
        severity=WARNING,
        meaning="The runtime passes the value on, and neither the plugin nor its IPAM plugin looks at it.",
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
            "only where the pod's annotation gives one."
        ),
        example='{"type": "sriov"}',
        fix="Add the annotation k8s.v1.cni.cncf.io/resourceName to the NetworkAttachmentDefinition.",
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
        example='{"type": "sriov", "deviceID": "0000:03:02.0", "MTU": 9000}',
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
    **POD_CODES,
}
