"""Codes about the keys of one plugin: NAD1xx, keys and types; NAD2xx, values and limits."""

from __future__ import annotations

from collections.abc import Mapping

from webhook.admission.plugins.code import ERROR, WARNING, Code

KEY_CODES: Mapping[str, Code] = {
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
            "hundreds, and 1,500 are looked at. The example has it with a limit of two values."
        ),
        example='{"type": "bridge", "vlan": 1, "mtu": 1500, "isGateway": true}',
        fix="Nothing is known to be wrong. Check the rest of the configuration yourself: the limit is fixed.",
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
        example='{"type": "macvlan", "master": "eth1", "mac": "02:00:00"}',
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
        meaning="Plugin tuning sets sysctls below net only.",
        example='{"plugins": [{"type": "bridge"}, {"type": "tuning", "sysctl": {"kernel.shmmax": "1"}}]}',
        fix="Write a key that begins with net.",
    ),
    "NAD208": Code(
        title="two gateways of one address family",
        severity=ERROR,
        meaning="Source based routing has one default route for each family.",
        example='{"plugins": [{"type": "bridge"}, {"type": "sbr", "gateways": ["10.1.0.1", "10.1.0.2"]}]}',
        fix="Keep one gateway of each family.",
    ),
}
