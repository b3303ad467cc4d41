"""What a CNI error means: a table from the words of programs to causes, and the value that the words name.

The words are those of the programs' sources: containernetworking/plugins 1.1 to 1.7, whereabouts, Multus 3.9 to 4.3,
the SR-IOV and OVS plugins, and nadmit. The first row that matches counts, so special rows come first. A group `value`
is the fact that the cause names.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .causes import Failure

_FLAGS = re.IGNORECASE | re.DOTALL


class Row(NamedTuple):
    """One form of words, and its cause."""

    cause: str
    words: re.Pattern[str]


def _row(cause: str, words: str) -> Row:
    return Row(cause, re.compile(words, _FLAGS))


ROWS: tuple[Row, ...] = (
    # The delegating plugin itself.
    _row("definition-unreadable", r"network access denied.*the configuration of the network is unreadable or unsafe"),
    _row("rules-on-node", r"network access denied"),
    _row("namespace-isolation", r"namespace isolation enabled.*refers to target namespace (?P<value>\S+)"),
    _row("network-missing", r"cannot find a network-attachment-definition \((?P<value>[^)]+)\) in namespace"),
    _row("network-missing", r"there is no NetworkAttachmentDefinition \"(?P<value>[^\"]+)\" in namespace"),
    _row("file-missing", r"GetCNIConfigFromFile|no CNI configuration of that name|No networks found in"),
    _row(
        "definition-unreadable", r"failed to unmarshal Spec\.Config|LoadDelegateNetConf|delegate must have the 'type'"
    ),
    _row("definition-unreadable", r"getCNIConfigFromSpec"),
    _row(
        "pod-not-found", r"error waiting for pod: pods? \"[^\"]+\" not found|/pods/\S+ is not found|it was created anew"
    ),
    _row("interface-taken", r"interface name (?P<value>\S+) already exists"),
    _row("interface-taken", r"the interface is held by .*?: \"(?P<value>[^\"]+)\""),
    _row("interface-taken", r"the interface name is used by \S+ already: \"(?P<value>[^\"]+)\""),
    _row("interface-taken", r"the pod has an interface (?P<value>\S+) already"),
    _row("interface-taken", r"container veth name(?: provided)? \((?P<value>[^)]+)\).* already exists"),
    _row("interface-taken", r"container veth name provided \(?\"?(?P<value>[\w.-]+)\"?\)? already exists"),
    _row("default-network-not-ready", r"readinessindicatorfile|readiness indicator"),
    _row("daemon-away", r"failed to send CNI request|dial unix \S*multus\S*: connect"),
    _row("token-refused", r"\bUnauthorized\b|rejects our credentials \(401\)"),
    _row("token-refused", r"the token (?:of|in) .*(?:cannot be (?:read|used)|is empty)"),
    _row("right-missing", r"this account may not (?P<value>[^:;]+)"),
    _row("right-missing", r"is forbidden: User \"[^\"]+\" cannot (?P<value>\w+ resource \"[^\"]+\")"),
    _row(
        "device-missing",
        r"there is no device of resource \"?(?P<value>[^\s\"]+)\"? left|deviceID: the device is already",
    ),
    _row("device-missing", r"VF pci addr is required|no VF pci addr|pciBusID.*required|need exactly one of .*device"),
    _row("device-missing", r"specify either \"device\", \"hwaddr\", \"kernelpath\" or \"pciBusID\""),
    _row("device-missing", r"checkpoint that lists|kubelet_internal_checkpoint|failed to get a ResourceClient"),
    _row("device-missing", r"kubelet'?s? devices cannot be read"),
    _row("api-away", r"(?:Get \"https?://|API server ).*(?:connection refused|context deadline exceeded|i/o timeout)"),
    _row("api-away", r"(?:Get \"https?://|API server ).*(?:no route to host|no such host|EOF|x509|TLS handshake)"),
    _row("api-away", r"API server \S+: (?:it cannot be reached|the time is over|its certificate cannot be trusted)"),
    _row("annotation-unreadable", r"failed to parse pod Network Attachment Selection|parsePodNetwork"),
    _row(
        "annotation-unreadable", r"^annotation (?:k8s\.v1\.cni\.cncf\.io/networks|v1\.multus-cni\.io/default-network)"
    ),
    # Programs that are missing on the node, or that crash.
    _row("plugin-crashed", r"netplugin failed (?:with no error message|but error parsing its diagnostic message)"),
    _row("plugin-crashed", r"netplugin failed: .*(?:exit status|signal:)|invalid memory address or nil pointer"),
    _row("plugin-crashed", r"(?:fork/exec|cannot start) \S+: (?:exec format error|permission denied|no such file)"),
    _row("plugin-missing", r"failed to find plugin \"(?P<value>[^\"]+)\" in path"),
    _row("dhcp-daemon-missing", r"error dialing DHCP daemon|dial unix \S*dhcp\.sock"),
    _row(
        "dhcp-silent", r"no more tries|DHCP.*(?:timed? ?out|no (?:offer|response|answer))|error calling DHCP\.Allocate"
    ),
    _row("version-unsupported", r"incompatible CNI versions?|unsupported CNI result version"),
    # Addresses.
    _row("range-exhausted", r"no IP addresses available in range set"),
    _row(
        "range-exhausted",
        r"Could not allocate IP in range|no free IP|no available IP|address pool exhausted|all IPs.*used",
    ),
    _row("address-taken", r"\bDAD\b|duplicate address|tentative addresses|address collision"),
    _row("address-taken", r"requested IP address (?P<value>\S+) is not available in range set"),
    _row(
        "address-taken", r"(?:IP|address) \S* ?(?:is|has) (?:already|been) (?:allocated|in use|used|assigned|reserved)"
    ),
    _row("address-outside", r"failed to allocate all requested IPs: (?P<value>[\d.:a-f,/ ]+)"),
    _row("address-outside", r"requested (?:static )?IP \S+ .*(?:not in|outside)"),
    # The node's interfaces.
    _row("mtu-too-large", r"invalid MTU \d+, must be|MTU \d+ (?:exceeds|is larger than)"),
    _row(
        "master-missing",
        r"failed to lookup (?:master|parent|bridge|link|device)? ?\"?(?P<value>[\w.@-]+)\"?: Link not found",
    ),
    _row(
        "master-missing",
        r"failed to find (?:host )?device:? ?(?P<value>[\w.:-]*): ?Link not found|failed to find host device",
    ),
    _row(
        "master-missing",
        r"failed to (?:find|lookup|get) (?:master|parent|bridge|uplink)\b.*?\"?(?P<value>[\w.-]+)\"?.*not found",
    ),
    _row("master-missing", r"failed to find bridge (?P<value>\S+)"),
    _row(
        "master-missing",
        r"^Link not found$|Link \"?(?P<value>[\w.-]+)\"? not found",
    ),
    _row("ipv6-off", r"/proc/sys/net/ipv6/\S+: no such file|failed to get IPv6 addresses for host side"),
    _row("ipv6-off", r"failed to add IP addr .*(?:Version:6|[0-9a-f]*::[0-9a-f]*).*permission denied"),
    _row("device-unusable", r"failed to get VF information|failed to configure VF|failed to set vf \d+"),
    _row(
        "device-unusable", r"sriov_num\w*|error bringing interface up in container ns|lstat /sys/(?:bus/pci|class/net)"
    ),
    _row("sysctl-unknown", r"/proc/sys/(?P<value>\S+?): (?:no such file|permission denied)"),
    # What plugins say of their configuration.
    _row(
        "config-refused",
        r"no plugin name provided|must be called as (?:a )?chained plugin|missing prevResult|prevResult missing",
    ),
    _row(
        "config-refused",
        r"invalid range set|Network has host bits set|invalid (?:VLAN|vlan)|missing .* in (?:the )?config",
    ),
    _row(
        "config-refused",
        r"json: cannot unmarshal|invalid CIDR|failed to load netconf|failed to parse|field is required",
    ),
    _row(
        "config-refused",
        r"(?:master|device|mode|ipam|vlan\w*|bridge)\b.*(?:must|required|invalid|unknown|not supported)",
    ),
    _row("request-refused", r"failed to create macvlan: cannot assign requested address"),
    _row("request-refused", r"invalid (?:MAC|IP) address|failed to parse (?:mac|IP) address"),
)


def find(failure: Failure, ipam: str = "") -> tuple[str, str]:
    """Return the cause of a failure, and the value that its words name. `ipam`: the type of its IPAM plugin."""
    for row in ROWS:
        if found := row.words.search(failure.text):
            value = found.groupdict().get("value") or ""
            if row.cause == "plugin-missing":
                return _missing(failure, value.strip(), ipam)
            return row.cause, value.strip().rstrip(",")
    return "attachment-failed", ""


def _missing(failure: Failure, value: str, ipam: str) -> tuple[str, str]:
    """A missing program may be the IPAM plugin, or the delegating plugin itself."""
    if value in {"multus", "multus-shim", "nadmit"} or (failure.is_default and not failure.attacher and not ipam):
        return "attacher-missing", value
    return ("ipam-missing" if value == ipam else "plugin-missing"), value
