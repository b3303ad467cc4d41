"""What a CNI error means: a table from the words of programs to causes, and the value that the words name.

The words are those of the programs' sources: containernetworking/plugins 0.8 to 1.7, whereabouts, Multus 3.2 to 4.3,
the plugins sriov, ib-sriov, ovs, bond, rdma, macvtap and host-device; of default networks flannel, Calico, Cilium,
OVN-Kubernetes, Kube-OVN, Antrea and those of AWS and Azure; and nadmit. The first row that matches counts, so special
rows come first. A group `value` is the fact that the cause names.

A row names a kind of failure, not a message. Words that programs use for several reasons have no row: the answer "not
known" is better than a wrong name.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .causes import Failure
from .cnimessages import DELEGATING

_FLAGS = re.IGNORECASE | re.DOTALL

_REQUEST = r"(?:Get|Post|Put|Patch|Delete) [\"']?https?://(?!localhost|127\.|\[::1\]|dummy)"
"""A request of client-go that failed. A daemon on the node is no API server."""

_LOCAL = r"(?:Get|Post|Put|Patch|Delete) [\"']?http://(?:localhost|127\.[\d.]+|\[::1\]|dummy)\S*"
"""A request to a daemon on the node that failed."""

_AGAIN = re.compile(r"^(?:\[[^\]]+\]: error adding container to network|CmdAdd \(shim\): )")
"""Multus in the words of a network of Multus."""


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
    _row("network-missing", r"cannot find (?:get )?a network-attachment-definition \((?P<value>[^)]+)\) in namespace"),
    _row("network-missing", r"there is no NetworkAttachmentDefinition \"(?P<value>[^\"]+)\" in namespace"),
    _row("default-network-not-ready", r"readinessindicatorfile|readiness indicator"),
    _row(
        "default-network-not-ready",
        r"GetDefaultNetworks: failed to get|failed to load flannel|/flannel/subnet\.env: no such",
    ),
    _row(
        "default-network-not-ready",
        r"/var/lib/calico/nodename: no such file|clusterinformations\S* \"default\" not found",
    ),
    _row("file-missing", r"GetCNIConfigFromFile|no CNI configuration of that name|No networks found in"),
    _row(
        "definition-unreadable", r"failed to unmarshal Spec\.Config|LoadDelegateNetConf|delegate must have the 'type'"
    ),
    _row("definition-unreadable", r"getCNIConfigFromSpec"),
    _row(
        "pod-not-found",
        r"(?:error (?:waiting for|getting) pod|failed to query the pod|get pod\b).*pods? \"[^\"]+\" not found",
    ),
    _row(
        "pod-not-found",
        r"/pods/\S+ is not found|it was created anew|pod not found during Multus GetPod|^pods \"[^\"]+\" not found",
    ),
    _row("daemon-away", r"^CmdAdd \(shim\): failed to send|dial unix \S*multus\S*: connect"),
    # The interface in the pod.
    _row("interface-taken", r"(?:interface name|ifname) (?P<value>\S+) (?:is )?already exist"),
    _row("interface-taken", r"the interface is held by .*?: \"(?P<value>[^\"]+)\""),
    _row("interface-taken", r"the interface name is used by \S+ already: \"(?P<value>[^\"]+)\""),
    _row("interface-taken", r"the pod has an interface (?P<value>\S+) already"),
    _row("interface-taken", r"container veth name(?: provided)? \((?P<value>[^)]+)\).* already exists"),
    _row("interface-taken", r"container veth name provided \(?\"?(?P<value>[\w.-]+)\"?\)? already exists"),
    _row(
        "interface-taken",
        r"failed to rename [^\n]*\bto \"(?P<value>[^\"]+)\": file exists|failed to move link:? file exists",
    ),
    _row("route-taken", r"\b(?:route|gateway)\b[^\n]*: file exists"),
    # The pod's annotation.
    _row("annotation-unreadable", r"failed to parse pod Network Attachment Selection|parsePodNetwork"),
    _row(
        "annotation-unreadable", r"^annotation (?:k8s\.v1\.cni\.cncf\.io/networks|v1\.multus-cni\.io/default-network)"
    ),
    # The kubelet's devices.
    _row(
        "device-missing",
        r"there is no device of resource \"?(?P<value>[^\s\"]+)\"? left|deviceID: the device is already",
    ),
    _row("device-missing", r"VF pci addr is required|no VF pci addr|pciBusID.*required|need exactly one of .*device"),
    _row("device-missing", r"specify either \"device\", \"hwaddr\", \"kernelpath\" or \"pciBusID\""),
    _row(
        "device-missing", r"deviceID\"? (?:network configuration attribute )?is required|failed to lookup device \"\""
    ),
    _row("device-missing", r"checkpoint that lists|kubelet_internal_checkpoint"),
    _row("pod-resources-away", r"failed to list pod resources|getKubeletClient|failed to get a ResourceClient"),
    _row("pod-resources-away", r"kubelet'?s? devices cannot be read"),
    # The API server.
    _row("namespace-ending", r"because it is being terminated"),
    _row("right-missing", r"this account may not (?P<value>[^:;]+)"),
    _row("right-missing", r"is forbidden: User \"[^\"]+\" cannot (?P<value>\w+ resource \"[^\"]+\")"),
    _row(
        "token-refused",
        r"\bUnauthorized\b|rejects our credentials \(401\)|has asked for the client to provide credentials",
    ),
    _row("token-refused", r"the token (?:of|in) .*(?:cannot be (?:read|used)|is empty)"),
    _row(
        "kubeconfig-missing", r"(?P<value>[\w./-]*kubeconfig[\w./-]*): no such file|not configured the storage engine"
    ),
    _row("kubeconfig-missing", r"failed to get context for (?:the |in-cluster )?kube ?config"),
    _row(
        "api-away",
        rf"{_REQUEST}.*(?:connection refused|connection reset|context deadline exceeded|i/o timeout|handshake timeout)",
    ),
    _row("api-away", rf"{_REQUEST}.*(?:no route to host|network is unreachable|no such host|EOF|x509|proxyconnect)"),
    _row("api-away", rf"{_REQUEST}\S*: (?:Forbidden|Service Unavailable|Bad Gateway|Gateway Time-?out)"),
    _row("api-away", r"API server \S+: (?:it cannot be reached|the time is over|its certificate cannot be trusted)"),
    _row("api-away", r"API server .*(?:no route to host|no such host|EOF|x509|TLS handshake|connection refused)"),
    # Addresses. NB: a device has a PCI address.
    _row("device-unusable", r"pci address \S+ is already allocated"),
    _row(
        "range-exhausted",
        r"no IP addresses available in range set|Could not allocate IP in range|address pool exhausted",
    ),
    _row(
        "range-exhausted",
        r"(?:no (?:free|available|more)|not enough) IPs?\b|no more free affine blocks|all IP(?:s| addresses)\b.*\bused",
    ),
    _row(
        "range-exhausted",
        r"Assigned 0 out of \d+ requested|failed to assign an IP address to container|NoAvailableAddress|range is full",
    ),
    _row(
        "pool-missing",
        r"cannot find a qualified ippool|no IPPool available|no configured Calico pools|no allocated node slice",
    ),
    _row(
        "address-taken", r"\bDAD(?:FAILED)?\b|duplicate address|tentative addresses|address collision|AddressConflict"
    ),
    _row(
        "address-taken",
        r"requested IP address (?P<value>\S+) is not available in range set|duplicate allocation is not",
    ),
    _row(
        "address-taken",
        r"(?:IP|address):? ?\S* ?(?:is|has) (?:already|been) (?:allocated|in use|used|assigned|reserved)",
    ),
    _row("address-taken", r"(?<!bind: )address already in use"),
    _row("address-outside", r"failed to allocate all requested IPs: (?P<value>[\d.:a-f,/ ]+)"),
    _row("address-outside", r"requested (?:static )?IP \S+ .*(?:not in|outside|is subnet's gateway)"),
    _row("address-unset", r"IPAM plugin returned missing IP config"),
    # Programs that are missing on the node, or that crash; and daemons that plugins ask.
    _row(
        "plugin-crashed",
        r"^[^\n]*netplugin failed(?: with no error message| but error parsing its diagnostic message|: )",
    ),
    _row("plugin-crashed", r"invalid memory address or nil pointer|^unexpected end of JSON input"),
    _row("plugin-crashed", r"(?:fork/exec|cannot start) \S+: (?:exec format error|permission denied|no such file)"),
    _row("plugin-missing", r"failed to find plugin \"(?P<value>[^\"]+)\" in path"),
    _row("dhcp-daemon-missing", r"error dialing DHCP daemon|dial unix \S*dhcp\.sock"),
    _row(
        "netns-unseen", r"failed to (?:open (?:container )?netns|Statfs) \"(?P<value>[^\"]+)|no net namespace \S+ found"
    ),
    _row("netns-unseen", r"cannot open (?P<value>/proc/\d+/ns/net): no such file"),
    _row("dhcp-silent", r"no more tries|DHCP.*(?:timed? ?out|deadline exceeded|no (?:offer|response|answer))"),
    _row(
        "version-unsupported",
        r"incompatible CNI versions?|unsupported CNI result version|does not support config version",
    ),
    _row("plugin-daemon-away", r"dial unix \S+: connect|dial tcp (?:127\.0\.0\.1|\[::1\]|localhost):\d+: connect"),
    _row(
        "plugin-daemon-away",
        r"^failed to send CNI request|all SubConns are in TransientFailure",
    ),
    _row("plugin-daemon-away", r"rpc error: code = (?:Unavailable|DeadlineExceeded) desc"),
    _row("plugin-daemon-away", r"failed to connect to ovsdb|ovs-vsctl: \S+: database connection failed"),
    _row("plugin-daemon-away", r"unable to connect to cilium (?:agent|daemon)|cilium API client timeout exceeded"),
    _row("plugin-daemon-away", r"unable to create endpoint: context deadline exceeded|network process is not \(yet"),
    _row("plugin-daemon-away", rf"{_LOCAL}: (?:EOF|context deadline exceeded|net/http: request canceled)"),
    _row("api-away", r"dial tcp [\d.\[\]:a-f]+:(?:443|6443): (?:connect|i/o timeout)"),
    _row("controller-silent", r"failed to get pod annotation|timed out waiting for (?:annotations|OVS)\b"),
    _row("controller-silent", r"no address allocated to pod|is not ready for pod|failed to find netid for namespace"),
    _row("node-without-cni", r"^cni plugin not initialized$"),
    _row("attempt-hangs", r"^context deadline exceeded$"),
    # The node's devices, interfaces and kernel.
    _row(
        "node-exhausted",
        r"(?P<value>no space left on device|too many open files|cannot allocate memory|read-only file system)",
    ),
    _row(
        "mtu-too-large", r"invalid MTU \(?\d+\)?[.,] (?:must be|the requested MTU)|MTU \d+ (?:exceeds|is larger than)"
    ),
    _row(
        "device-unusable",
        r"failed to get VF information|failed to configure VF|failed to set vf \d+|failed to find vf \d+",
    ),
    _row(
        "device-unusable", r"sriov_num\w*|error bringing interface up in container ns|lstat /sys/(?:bus/pci|class/net)"
    ),
    _row(
        "device-unusable",
        r"no net directory under pci device|runtime config DeviceID \S+ not found|not bound to vfio-pci",
    ),
    _row("device-unusable", r"failed to set up pod interface .* from the device"),
    _row(
        "device-unusable",
        r"RDMA subsystem namespace|failed to (?:get|move) RDMA|no RDMA devices found|GUID is not valid",
    ),
    _row("bridge-address", r"\"?(?P<value>[\w.-]+)\"? already has an IP address different from"),
    _row("master-busy", r"\"?(?P<value>[\w.-]+)\"? already exists but is not a bridge|device or resource busy$"),
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
    _row("master-missing", r"failed to find bridge(?: name)? (?:(?:by|for) |(?P<value>\S+))"),
    _row(
        "master-missing",
        r"^Link not found$|Link \"?(?P<value>[\w.-]+)\"? not found",
    ),
    _row("ipv6-off", r"/proc/sys/net/ipv6/\S+: no such file|failed to get IPv6 addresses for host side"),
    _row("ipv6-off", r"failed to add IP addr .*(?:Version:6|[0-9a-f]*::[0-9a-f]*).*permission denied"),
    _row("sysctl-unknown", r"/proc/sys/(?P<value>\S+?): (?:no such file|permission denied)"),
    _row(
        "packet-filter", r"running \[\S*ip6?tables\b|failed to (?:locate|open) iptables|neither iptables nor ip6tables"
    ),
    _row(
        "packet-filter",
        r"unable to (?:create chain|setup DNAT|set up nftables)|nftables rules|failed to setup spoof-check",
    ),
    _row(
        "kernel-unable",
        r"(?:operation not supported|protocol not (?:available|supported)|address family not supported by protocol)$",
    ),
    # What plugins say of the pod's request, and of their configuration.
    _row("request-refused", r"DelegateAdd: failed to parse|invalid ethernet MAC address"),
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
        r"range set \d+ overlaps|no IP ranges|empty range set|too small to allocate from|mixed address families",
    ),
    _row(
        "config-refused",
        r"json: cannot unmarshal|invalid CIDR(?! address: <nil>)|failed to load netconf|field is required",
    ),
    _row(
        "config-refused",
        r"failed to parse (?:the )?(?:netconf|config|network config|prevResult|ipam|CIDR|guid|IP\b|MAC\b)",
    ),
    _row(
        "config-refused",
        r"\b(?:master|device|mode|ipam|vlan\w*|bridge)\b[^:;]*(?:must|required|invalid|unknown|not supported)",
    ),
    _row("request-refused", r"failed to (?:create macvlan|set \S+ address to \S+): cannot assign requested address"),
    _row("request-refused", r"invalid (?:MAC|IP) address"),
)
"""The words of plugins, and of delegating plugins. Words about the API server come before those about daemons."""

RUNTIME_ROWS: tuple[Row, ...] = (
    _row("sandbox-failed", r"sandbox image"),
    _row(
        "attempt-hangs",
        r"code = DeadlineExceeded|context deadline exceeded|failed to reserve sandbox name|\bis reserved\b",
    ),
    _row("attempt-hangs", r"Kubelet may be retrying requests that are timing out"),
    _row("sandbox-failed", r"OCI runtime|cgroup|runtime handler|no runtime for|error creating pod sandbox"),
    _row("sandbox-failed", r"failed to (?:start|create|run|generate|mount)\b[^\n]*\b(?:sandbox|task|shim|container)\b"),
)
"""The words of containerd, CRI-O and Docker about a sandbox that they cannot make, before any plugin runs."""


def find(failure: Failure, ipam: str = "") -> tuple[str, str]:
    """Return the cause of a failure, and the value that its words name. `ipam`: the type of its IPAM plugin."""
    if failure.network and _AGAIN.match(failure.text):
        return "attacher-loops", ""
    for row in ROWS:
        if found := row.words.search(failure.text):
            value = found.groupdict().get("value") or ""
            if row.cause == "plugin-missing":
                return _missing(failure, value.strip(), ipam)
            return row.cause, value.strip().rstrip(",")
    return "attachment-failed", ""


def _missing(failure: Failure, value: str, ipam: str) -> tuple[str, str]:
    """A missing program may be the IPAM plugin, or the delegating plugin itself."""
    if value in DELEGATING or (failure.is_default and value == failure.plugin):
        return "attacher-missing", value
    return ("ipam-missing" if value == ipam else "plugin-missing"), value


def find_of_runtime(words: str) -> str:
    """Return the cause that a runtime's words name, "" if nobody knows them."""
    return next((row.cause for row in RUNTIME_ROWS if row.words.search(words)), "")
