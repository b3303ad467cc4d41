"""The codes of findings about pods and their networks, NAD6xx; see `codes`."""

from __future__ import annotations

from collections.abc import Mapping

from webhook.admission.plugins.code import ERROR, WARNING, Code

POD_CODES: Mapping[str, Code] = {
    "NAD601": Code(
        title="an address is not one that the network hands out",
        severity=ERROR,
        meaning=(
            "IPAM host-local gives a pod the addresses of its ranges and no others: not those of "
            "other subnets, nor the addresses of the subnet itself and of broadcast."
        ),
        example=(
            '{"type": "bridge", "capabilities": {"ips": true}, "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}}'
        ),
        fix="Ask for an address of the ranges that the message names.",
        pod='[{"name": "net", "ips": ["10.2.0.5"]}]',
    ),
    "NAD602": Code(
        title="an address is the gateway's",
        severity=ERROR,
        meaning=(
            "IPAM host-local keeps the gateway of each range for itself: the one that is configured, "
            "or the first address."
        ),
        example=(
            '{"type": "bridge", "capabilities": {"ips": true}, "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}}'
        ),
        fix="Ask for another address.",
        pod='[{"name": "net", "ips": ["10.1.0.1"]}]',
    ),
    "NAD603": Code(
        title="two addresses are of one set of ranges",
        severity=ERROR,
        meaning=(
            "IPAM host-local gives one address of each set of ranges; for two, such as one of each "
            "family, it needs two sets."
        ),
        example=(
            '{"type": "bridge", "capabilities": {"ips": true}, "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}}'
        ),
        fix="Keep one of them, or select the network twice.",
        pod='[{"name": "net", "ips": ["10.1.0.5", "10.1.0.6"]}]',
    ),
    "NAD604": Code(
        title="an address needs its prefix",
        severity=ERROR,
        meaning=(
            "IPAM static and whereabouts put the address on the interface as it is written, and read "
            "it with its prefix only."
        ),
        example='{"type": "macvlan", "master": "eth1", "capabilities": {"ips": true}, "ipam": {"type": "static"}}',
        fix="Write the address with the prefix of its subnet.",
        pod='[{"name": "net", "ips": ["10.1.0.5"]}]',
    ),
    "NAD605": Code(
        title="the network's CNI version has no room for the addresses",
        severity=ERROR,
        meaning=(
            "Results of CNI 0.1.0 and 0.2.0 hold one IPv4 and one IPv6 address; cniVersion is 0.1.0 when it is absent."
        ),
        example='{"type": "macvlan", "master": "eth1", "capabilities": {"ips": true}, "ipam": {"type": "static"}}',
        fix='Ask for one address of each family, or raise "cniVersion" of the network to 0.3.1 or later.',
        pod='[{"name": "net", "ips": ["10.1.0.5/24", "10.1.0.6/24"]}]',
    ),
    "NAD606": Code(
        title="a default route goes through a gateway that cannot be reached",
        severity=ERROR,
        meaning=(
            "The kernel sets a route through a gateway only if an address or a route of the interface reaches it."
        ),
        example=(
            '{"type": "bridge", "capabilities": {"ips": true}, "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}}'
        ),
        fix="Name a gateway of a subnet of this network.",
        pod='[{"name": "net", "default-route": ["10.2.0.1"]}]',
    ),
    "NAD607": Code(
        title="a default route goes through a gateway of no known subnet",
        severity=WARNING,
        meaning=(
            "The kernel refuses such a route, unless something else, such as a router's "
            "advertisement, makes the gateway reachable first."
        ),
        example=(
            '{"type": "macvlan", "master": "eth1", "capabilities": {"ips": true}, "ipam": {"type": '
            '"whereabouts", "range": "10.1.0.0/24"}}'
        ),
        fix="Name a gateway of a subnet of this network.",
        pod='[{"name": "net", "default-route": ["10.2.0.1"]}]',
    ),
    "NAD608": Code(
        title="a request has no effect",
        severity=WARNING,
        meaning=(
            "The network declares the capability, so the runtime passes the request on, and none of "
            "its plugins looks at it."
        ),
        example='{"type": "ipvlan", "master": "eth1", "capabilities": {"mac": true}, "ipam": {"type": "dhcp"}}',
        fix="Remove the request, or select a network whose plugins read it.",
        pod='[{"name": "net", "mac": "02:00:00:00:00:01"}]',
    ),
    "NAD609": Code(
        title="an address may be given to another pod, too",
        severity=WARNING,
        meaning=(
            "IPAM whereabouts adds the addresses that a pod asks for to the one that it allocates, "
            "and keeps no record of them."
        ),
        example=(
            '{"type": "macvlan", "master": "eth1", "capabilities": {"ips": true}, "ipam": {"type": '
            '"whereabouts", "range": "10.1.0.0/24"}}'
        ),
        fix="Ask for an address outside the range, or have it excluded from the range.",
        pod='[{"name": "net", "ips": ["10.1.0.5/24"]}]',
    ),
    "NAD610": Code(
        title="an address is outside the network's subnets",
        severity=WARNING,
        meaning="IPAM whereabouts adds the address all the same; nobody on the link may answer it.",
        example=(
            '{"type": "macvlan", "master": "eth1", "capabilities": {"ips": true}, "ipam": {"type": '
            '"whereabouts", "range": "10.1.0.0/24"}}'
        ),
        fix="Ask for an address of the subnets that the message names.",
        pod='[{"name": "net", "ips": ["10.2.0.5/24"]}]',
    ),
    "NAD611": Code(
        title="an address is asked for twice",
        severity=WARNING,
        meaning=(
            "Two attachments to one network ask for one address, of two pods or of one. IPAM "
            "host-local knows those of its own node only, and static knows none, so both may get it; "
            "then connections break now and then."
        ),
        example='{"type": "macvlan", "master": "eth1", "capabilities": {"ips": true}, "ipam": {"type": "static"}}',
        fix="Ask for another address, or wait until the other pod is gone.",
        pod='[{"name": "net", "ips": ["10.1.0.5/24"]}]',
        other_pod='[{"name": "net", "ips": ["10.1.0.5/16"]}]',
    ),
    "NAD612": Code(
        title="a MAC address is asked for twice",
        severity=WARNING,
        meaning=(
            "Two attachments to one network ask for one MAC address, of two pods or of one. On one "
            "link, switches send the frames of both to whoever spoke last."
        ),
        example='{"type": "bridge", "capabilities": {"mac": true}}',
        fix="Ask for another MAC address, or for none.",
        pod='[{"name": "net", "mac": "02:00:00:00:00:01"}]',
        other_pod='[{"name": "net", "mac": "02-00-00-00-00-01"}]',
    ),
    "NAD613": Code(
        title="one pod asks IPAM host-local for an address twice",
        severity=ERROR,
        meaning="IPAM host-local reserves the address for the first attachment, and refuses it to the second one.",
        example=(
            '{"type": "bridge", "capabilities": {"ips": true}, "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}}'
        ),
        fix="Ask for another address.",
        pod='[{"name": "net", "ips": ["10.1.0.5"]}, {"name": "net", "ips": ["10.1.0.5/24"]}]',
    ),
    "NAD614": Code(
        title="a MAC address is none that an interface can have",
        severity=ERROR,
        meaning="The kernel refuses addresses of groups, whose first byte is odd, and the one of zeros.",
        example='{"type": "bridge", "capabilities": {"mac": true}}',
        fix="Ask for an address whose first byte is even, such as 02:00:00:00:00:01.",
        pod='[{"name": "net", "mac": "01:00:00:00:00:01"}]',
    ),
    "NAD615": Code(
        title="a burst is too large",
        severity=ERROR,
        meaning="The plugin bandwidth takes bursts below 4 GiB, and the annotation counts in bits.",
        example='{"plugins": [{"type": "bridge"}, {"type": "bandwidth", "capabilities": {"bandwidth": true}}]}',
        fix="Ask for a smaller burst, or for none, which is 2147483647 bits.",
        pod='[{"name": "net", "bandwidth": {"ingressRate": 1000000, "ingressBurst": 34359738360}}]',
    ),
}
