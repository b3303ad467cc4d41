"""Words of programs from public bug reports, and from the sources of plugins, each with the cause that it must name.

`source` is a repository with the number of its issue, or a repository whose source or pages have the words. Only what a
program said of a network is here, shortened, with other names and addresses; `cases` has whole messages.
"""

from __future__ import annotations

from typing import NamedTuple

_API = "https://10.96.0.1:443"
_OBJECTS = "apis/crd.projectcalico.org/v1/clusterinformations/default"


class Reported(NamedTuple):
    """What a program said."""

    cause: str
    source: str
    words: str


REPORTED: tuple[Reported, ...] = (
    Reported("default-network-not-ready", "flannel-io/flannel#2253", "open /run/flannel/subnet.env: no such file"),
    Reported("default-network-not-ready", "flannel-io/flannel#2437", "failed to load flannel 'subnet.env' file: open"),
    Reported("default-network-not-ready", "projectcalico/calico#10146", "stat /var/lib/calico/nodename: no such file"),
    Reported(
        "default-network-not-ready",
        "projectcalico/calico#10166",
        'clusterinformations.crd.projectcalico.org "default" not found',
    ),
    Reported(
        "default-network-not-ready",
        "k8snetworkplumbingwg/multus-cni#1072",
        "GetDefaultNetworks: failed to get clusterNetwork /host/etc/cni/net.d/10-canal.conflist",
    ),
    Reported("definition-unreadable", "k8snetworkplumbingwg/multus-cni", "getCNIConfigFromSpec: failed with: x"),
    Reported("pod-not-found", "k8snetworkplumbingwg/multus-cni", "pod not found during Multus GetPod"),
    Reported("pod-not-found", "openshift/origin#17047", 'pods "web-0" not found'),
    Reported("file-missing", "k8snetworkplumbingwg/multus-cni#641", "No networks found in /etc/cni/multus/net.d"),
    # The interface in the pod.
    Reported("interface-taken", "k8snetworkplumbingwg/multus-cni#353", "ifname net1 is already exist"),
    Reported("interface-taken", "nadmit", "network shop/lan: the pod has an interface net1 already"),
    Reported(
        "interface-taken", "containernetworking/plugins", 'container veth name ("x") peer provided ("y") already exists'
    ),
    Reported("interface-taken", "containernetworking/plugins", "container veth name provided net1 already exists"),
    Reported("interface-taken", "k8snetworkplumbingwg/multus-cni#1209", "failed to move link file exists"),
    Reported(
        "route-taken", "k8snetworkplumbingwg/multus-cni#241", "failed to add IPv4 route for 0.0.0.0/0: file exists"
    ),
    Reported("route-taken", "aws/amazon-vpc-cni-k8s#596", "setupNS network: failed to add default route: file exists"),
    # The kubelet's devices.
    Reported("device-missing", "kubevirt/macvtap-cni#104", 'failed to lookup device "": Link not found'),
    Reported(
        "pod-resources-away",
        "k8snetworkplumbingwg/sriov-network-device-plugin#388",
        "getKubernetesDelegate: failed to get a ResourceClient instance: getK8sResourceClient",
    ),
    Reported("pod-resources-away", "nadmit", "/x: the kubelet's devices cannot be read: Permission denied"),
    # The API server.
    Reported("namespace-ending", "spidernet-io/spiderpool#1376", "in namespace shop because it is being terminated"),
    Reported(
        "right-missing",
        "projectcalico/calico#3776",
        'is forbidden: User "system:serviceaccount:kube-system:canal" cannot get resource "ipamconfigs" in API group',
    ),
    Reported("token-refused", "projectcalico/calico#9215", "connection is unauthorized: Unauthorized"),
    Reported("token-refused", "nadmit", "the token of the kubeconfig cannot be read: Permission denied"),
    Reported(
        "kubeconfig-missing",
        "k8snetworkplumbingwg/whereabouts#54",
        "You have not configured the storage engine (looks like you're using an invalid `kubernetes.kubeconfig`",
    ),
    Reported(
        "kubeconfig-missing",
        "k8snetworkplumbingwg/multus-cni",
        "GetK8sClient: failed to get context for the kubeconfig",
    ),
    Reported("api-away", "k8snetworkplumbingwg/multus-cni#943", f'error getting pod: Get "{_API}/x": i/o timeout'),
    Reported("api-away", "projectcalico/calico#4095", f'Get "{_API}/{_OBJECTS}": unexpected EOF'),
    Reported("api-away", "projectcalico/calico#2941", f"Get {_API}/{_OBJECTS}: Service Unavailable"),
    Reported("api-away", "projectcalico/calico#11378", f'Get "{_API}/{_OBJECTS}": Forbidden'),
    Reported("api-away", "nadmit", f"API server {_API}: no route to host"),
    Reported("api-away", "client-go", "dial tcp 10.96.0.1:443: connect: connection refused"),
    # Addresses.
    Reported(
        "range-exhausted", "spidernet-io/spiderpool#1034", "eth0 from IPPools [auto-v4]: all IP addresses used out"
    ),
    Reported("range-exhausted", "projectcalico/calico", "IPAM: no more free affine blocks"),
    Reported("range-exhausted", "aws/karpenter-provider-aws#3989", "failed to assign an IP address to container"),
    Reported("range-exhausted", "cilium/cilium", '[POST /ipam][502] postIpamFailure "range is full"'),
    Reported(
        "range-exhausted", "Azure/azure-container-networking", "AllocateIPConfig failed: not enough IPs available"
    ),
    Reported("pool-missing", "kubesphere/kubesphere#5036", "cannot find a qualified ippool"),
    Reported("address-taken", "danm-cni/danm#256", "requested IP address:2001:db8::113 is already in use"),
    Reported("address-taken", "k8snetworkplumbingwg/multus-cni#861", "address already in use"),
    Reported("address-outside", "containernetworking/plugins", "requested ip 10.9.0.1 is subnet's gateway"),
    Reported("address-unset", "k8snetworkplumbingwg/multus-cni#278", "IPAM plugin returned missing IP config"),
    # Programs and daemons.
    Reported("plugin-crashed", "cilium/cilium#30820", 'netplugin failed: "ts=1708028912, to retry"'),
    Reported("plugin-crashed", "Azure/aks-engine#2064", "unexpected end of JSON input"),
    Reported("plugin-crashed", "nadmit", "cannot start /opt/cni/bin/bridge: exec format error"),
    Reported(
        "netns-unseen", "networkop/meshnet-cni#19", 'failed to Statfs "/proc/6702/ns/net": no such file or directory'
    ),
    Reported("netns-unseen", "weaveworks/weave", "nsenter: cannot open /proc/20332/ns/net: No such file or directory"),
    Reported(
        "plugin-daemon-away",
        "Azure/AKS#4342",
        "Post 'http://localhost:10090/network/x': dial tcp 127.0.0.1:10090: connect: connection refused",
    ),
    Reported(
        "plugin-daemon-away",
        "cilium/cilium#40345",
        "dial unix /var/run/cilium/cilium.sock: connect: no such file or directory",
    ),
    Reported("plugin-daemon-away", "Azure/aks-engine#3027", "all SubConns are in TransientFailure"),
    Reported("plugin-daemon-away", "cilium/cilium", "rpc error: code = DeadlineExceeded desc = Deadline Exceeded"),
    Reported("plugin-daemon-away", "k8snetworkplumbingwg/ovs-cni#119", "failed to connect to ovsdb error: Invalid"),
    Reported(
        "plugin-daemon-away",
        "smart-edge-open/converged-edge-experience-kits#95",
        "ovs-vsctl: unix:/var/run/openvswitch/db.sock: database connection failed",
    ),
    Reported("plugin-daemon-away", "cilium/cilium#6801", "unable to connect to Cilium daemon: Failed to create cilium"),
    Reported("plugin-daemon-away", "cilium/cilium#5305", "Unable to create endpoint: context deadline exceeded"),
    Reported("plugin-daemon-away", "cilium/cilium", 'unable to create endpoint: Put "http://localhost/v1/x": EOF'),
    Reported(
        "plugin-daemon-away", "k8snetworkplumbingwg/multus-cni#149", "SDN network process is not (yet?) available"
    ),
    Reported(
        "controller-silent", "ovn-kubernetes/ovn-kubernetes#1523", "failed to get pod annotation: timed out waiting for"
    ),
    Reported("controller-silent", "ovn-kubernetes/ovn-kubernetes#3115", "timed out waiting for OVS port binding"),
    Reported("controller-silent", "openshift/ovn-kubernetes#474", "waiting on flows: timed out waiting for OVS flows"),
    Reported("controller-silent", "kubeovn/kube-ovn#2186", "return 500 no address allocated to pod shop/web-0"),
    Reported("controller-silent", "crc-org/crc#1462", "failed to find netid for namespace: shop"),
    Reported("node-without-cni", "containerd/containerd", "cni plugin not initialized"),
    Reported("attempt-hangs", "cri-o/cri-o", "context deadline exceeded"),
    # The node's devices, interfaces and kernel.
    Reported("node-exhausted", "containernetworking/plugins", "write /var/lib/cni/x: no space left on device"),
    Reported("mtu-too-large", "k8snetworkplumbingwg/bond-cni#40", "Invalid MTU (1500). The requested MTU for bond is"),
    Reported("device-unusable", "k8snetworkplumbingwg/sriov-cni", "pci address 0000:01:00.1 is already allocated"),
    Reported("device-unusable", "k8snetworkplumbingwg/sriov-cni#303", "SRIOV-CNI failed to configure VF"),
    Reported("device-unusable", "k8snetworkplumbingwg/sriov-network-device-plugin#503", "failed to find vf 2"),
    Reported("device-unusable", "k8snetworkplumbingwg/sriov-cni", '"lstat /sys/class/net/ens1f0: no such file"'),
    Reported("device-unusable", "containernetworking/plugins#320", "no net directory under pci device 0000:00:14.0"),
    Reported("device-unusable", "k8snetworkplumbingwg/ib-sriov-cni#66", "VF ib4 GUID is not valid"),
    Reported(
        "device-unusable", "k8snetworkplumbingwg/sriov-cni#56", 'failed to set up pod interface "net1" from the device'
    ),
    Reported(
        "bridge-address", "kubernetes/kubernetes#76070", '"cni0" already has an IP address different from 10.244.1.1/24'
    ),
    Reported("master-busy", "k8snetworkplumbingwg/multus-cni#715", "device or resource busy"),
    Reported("master-busy", "containernetworking/plugins", '"br0" already exists but is not a bridge'),
    Reported("master-missing", "k8snetworkplumbingwg/multus-cni#424", 'failed to lookup master "": Link not found'),
    Reported("master-missing", "k8snetworkplumbingwg/ovs-cni#223", "failed to find bridge ovs-br1"),
    Reported("packet-filter", "kubernetes-sigs/kind#550", "unable to setup DNAT: running [/sbin/iptables -t nat -A x]"),
    Reported("packet-filter", "containernetworking/plugins", "unable to setup DNAT: x"),
    Reported("kernel-unable", "k8snetworkplumbingwg/multus-cni#884", 'could not add "cni0": protocol not available'),
    Reported("kernel-unable", "weaveworks/weave", "unable to set hairpin mode to true: operation not supported"),
    Reported("master-missing", "kubernetes-sigs/kubespray#8971", "Link not found"),
    # The pod's request, and the configuration.
    Reported("request-refused", "k8snetworkplumbingwg/sriov-cni", 'invalid Ethernet MAC address: "x"'),
    Reported(
        "request-refused",
        "k8snetworkplumbingwg/multus-cni#285",
        'failed to set "net1" address to "e7:d1:44:8d:65:b0": cannot assign requested address',
    ),
    Reported("request-refused", "containernetworking/plugins", "invalid IP address x"),
    Reported("config-refused", "k8snetworkplumbingwg/multus-cni#419", "no plugin name provided"),
    Reported("config-refused", "containerd/containerd#2804", "range set 0 overlaps with 1"),
    Reported("config-refused", "k0sproject/k0sctl#158", "no IP ranges specified"),
    Reported("config-refused", "containernetworking/plugins#281", "invalid CIDR : invalid CIDR address: "),
    Reported("config-refused", "containernetworking/plugins", "failed to parse prevResult: x"),
    Reported("config-refused", "k8snetworkplumbingwg/ib-sriov-cni", "ipam type dhcp is not supported"),
    # Words that have several reasons, or no reason that a reader can act on.
    Reported("attachment-failed", "containerd/cri#1024", 'could not add IP address to "cni0": file exists'),
    Reported("attachment-failed", "Mellanox/network-operator#1017", "failed to create macvlan: invalid argument"),
    Reported("attachment-failed", "kubernetes/minikube#8445", 'could not add IP address to "cni0": permission denied'),
    Reported("attachment-failed", "weaveworks/weave#3787", "no interfaces provided"),
    Reported(
        "attachment-failed", "spidernet-io/spiderpool#3877", "failed to RouteAdd x to new table: invalid argument"
    ),
    Reported("attachment-failed", "kubernetes/dns#246", "cannot convert: no valid IP addresses"),
    Reported("attachment-failed", "Azure/azure-container-networking#264", "Failed to create network: exit status 255"),
    Reported(
        "attachment-failed",
        "aws/amazon-vpc-cni-plugins",
        "failed to parse Kubernetes args: pod does not have label vpc.amazonaws.com/PrivateIPv4Address",
    ),
    Reported("attachment-failed", "a plugin that reads an empty answer", "invalid CIDR address: <nil>"),
    Reported("attachment-failed", "spidernet-io/spiderpool", "listen packet 0a:d7:2d:a6:81:62: bind: no such device"),
    Reported(
        "attachment-failed",
        "cilium/cilium#5028",
        "[PUT /endpoint/{id}][500] putEndpointIdFailed endpoint 21062 did not synchronously regenerate after timeout",
    ),
)

OF_RUNTIMES: tuple[Reported, ...] = (
    Reported("sandbox-failed", "containerd/cri#239", 'failed to get sandbox image "pause:3.0": failed to pull image'),
    Reported("sandbox-failed", "Mirantis/k8s-netchecker-agent#34", "OCI runtime create failed: container_linux.go:345"),
    Reported("sandbox-failed", "containerd/cri#338", 'failed to create task for sandbox "95": failed to load cgroup'),
    Reported("attempt-hangs", "k8snetworkplumbingwg/whereabouts#19", "code = DeadlineExceeded desc = context deadline"),
    Reported("attempt-hangs", "kubernetes/kubernetes#107561", 'failed to reserve sandbox name "web-0_shop_5d4c_0"'),
    Reported("attempt-hangs", "okd-project/okd#271", "error reserving pod name x for id 7a: name is reserved"),
    Reported("sandbox-failed", "okd-project/okd#271", 'error creating pod sandbox with name "x": layer not known'),
    Reported("attempt-hangs", "cri-o/cri-o", "Kubelet may be retrying requests that are timing out"),
    Reported("sandbox-failed", "containerd/containerd", 'failed to start sandbox "7a": x'),
    Reported("", "the moon", "frobnication error 0x17"),
)
"""What runtimes say of a sandbox before a plugin runs; no cause where nobody knows the words."""
