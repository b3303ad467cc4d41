"""Objects of the cluster on which a pod's attachments depend: the pod, its networks, namespaces, claims, access rules.

All objects are read through a `Reader`: today the API server (`kubeapi.Client`), later perhaps a broker on the node
that saves the TLS handshake. The objects are remembered for the run, so that one ADD decides on one state. A pod that
is not found is an error; Multus then returns an invented result, and the pod runs without networks.

The functions `paths_of_*` return the paths that the functions `fetch_*` will get, without those that are remembered, so
that a caller can have a `Server` ask for many of them in one flight. They decide nothing.
"""

from __future__ import annotations

from cniplugin.cnierrors import INVALID_ENVIRONMENT, TRY_AGAIN_LATER, CniError, NotFoundError
from cniplugin.netspec import netattachdef
from cniplugin.netspec.errors import show
from cniplugin.netspec.jsontext import quote
from cniplugin.netspec.names import ALLOWED_SUBDOMAIN, is_subdomain
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Protocol

    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition

    class Reader(Protocol):
        """An API server, or a broker for it."""

        memo: dict[tuple[str, ...], object]

        def get(self, path: str, *, appears_within_s: float = 0.0) -> dict[str, Any]:
            """Return the object at a path of the API; raises NotFoundError or another CniError."""

    class Server(Reader, Protocol):
        """A reader with limits of time; see `kubeapi.Client`."""

        @property
        def server(self) -> str:
            """The address of the API server."""

        def ask(self, *paths: str) -> None:
            """Send GETs now, for later calls of `get`. Raises nothing."""

        def left_s(self) -> float:
            """Return how many seconds all requests from now on may take together."""

        def limit(self, seconds: float) -> None:
            """Give all requests from now on at most `seconds` together."""


CONFIG_SOURCE = "kubernetes.io/config.source"
"""Annotation of a pod: the source from which the kubelet read it; absent or "api" for pods of the API."""

POD_APPEARS_WITHIN_S = 5.0
"""The kubelet has seen the pod, so it exists, unless it was deleted or the mirror pod of a static pod is late. After
this time, the runtime's own retry, by code 11, is better than a process that waits."""

POLICIES = "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicies"
CONFIG = "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicyconfigs/cluster"
"""NB: these repeat words of `access.model.policyrules`, which a pod without networks does not load."""

CLAIMS_GROUP = "resource.k8s.io"
CLAIM_VERSIONS = ("v1", "v1beta2", "v1beta1")
"""Versions of resource.k8s.io: v1 since Kubernetes 1.34, v1beta2 since 1.33, v1beta1 since 1.32."""

NO_NETWORK = "NoNetworkFound"
"""Reason of the event about a definition that does not exist, as in Multus (pkg/k8sclient)."""

_NETWORKS = f"/apis/{netattachdef.GROUP}/{netattachdef.VERSION}"

PAGE = 500
PAGES_MAX = 20
"""Objects per request, and requests per list. NB: a list that is cut is an error, because the rest may have a Deny."""
SLICES_PAGE = 10
"""ResourceSlices per request: etcd limits an object to 1.5 MiB, and the client an answer to 16 MiB. A driver has one
slice for up to 128 devices of a node."""


class Pod(Record):
    """The fields of a pod that its attachments need. `uid` is that of the API object; a static pod has a mirror pod.

    `claims`: the names of its ResourceClaims, each once. `extended_claim`: the one that the scheduler made for
    resources of its containers, or ""; `extended_requests`: request in it, and resource. `requested`: the resources
    that its containers name, if it has claims. `node`: where it runs, or "".
    """

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]  # never changed
    annotations: Mapping[str, str]  # never changed
    service_account: str
    is_static: bool
    claims: tuple[str, ...] = ()
    extended_claim: str = ""
    extended_requests: tuple[tuple[str, str], ...] = ()
    requested: frozenset[str] = frozenset()
    node: str = ""


def fetch_pod(client: Reader, namespace: str, name: str, uid: str) -> Pod:
    """Return the pod of the runtime; `uid` is that of CNI_ARGS, or "".

    Raises CniError 4 if a name cannot be that of a pod, NotFoundError (11) if the pod is not found or has another uid,
    and CniError 11 or 7 if the API server cannot be asked. The uid of a static pod always differs, because the kubelet
    assigns one of its own.
    """
    for value, variable in ((namespace, "K8S_POD_NAMESPACE"), (name, "K8S_POD_NAME")):
        if not is_subdomain(value):
            text = f"CNI_ARGS: {variable} is not a name: {show(value)}; allowed: {ALLOWED_SUBDOMAIN}"
            raise CniError(INVALID_ENVIRONMENT, text)
    key = ("pod", namespace, name)
    pod = client.memo.get(key)
    if not isinstance(pod, Pod):
        path = _path_of_pod(namespace, name)
        pod = _pod(namespace, name, client.get(path, appears_within_s=POD_APPEARS_WITHIN_S))
        client.memo[key] = pod
    if uid and pod.uid != uid and not pod.is_static:
        text = f"it was created anew: its uid is {pod.uid}, and the runtime asks for {uid}"
        raise NotFoundError(TRY_AGAIN_LATER, text)
    return pod


def fetch_network(client: Reader, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
    """Return a network, None without one, also for names that an object cannot have."""
    key = ("network", namespace, name)
    if not is_subdomain(namespace) or not is_subdomain(name):
        return None
    if key not in client.memo:
        try:
            client.memo[key] = _network(namespace, name, client.get(_path_of_network(namespace, name)))
        except NotFoundError:
            client.memo[key] = None
    network = client.memo[key]
    return network if isinstance(network, netattachdef.NetworkAttachmentDefinition) else None


def fetch_namespace_labels(client: Reader, namespace: str) -> Mapping[str, str]:
    """Return the labels of a namespace. Raises NotFoundError if it does not exist."""
    key = ("namespace", namespace)
    if key not in client.memo:
        client.memo[key] = _texts(_object(client.get(_path_of_namespace(namespace)), "metadata"), "labels")
    labels = client.memo[key]
    return labels if isinstance(labels, dict) else {}


def fetch_claim(client: Reader, namespace: str, name: str) -> dict[str, Any] | None:
    """Return a ResourceClaim of the API, in the version that is served; None without one."""
    key = ("claim", namespace, name)
    if key not in client.memo:
        client.memo[key] = _get_claim(client, namespace, name)
    claim = client.memo[key]
    return claim if isinstance(claim, dict) else None


def _get_claim(client: Reader, namespace: str, name: str) -> dict[str, Any] | None:
    for version in CLAIM_VERSIONS:
        try:
            return client.get(_path_of_claim(version, namespace, name))
        except NotFoundError:
            continue
    return None


def fetch_slices(client: Reader, driver: str, node: str) -> list[dict[str, Any]] | None:
    """Return the ResourceSlices of a DRA driver on a node; None if no version that we know is served.

    Raises as `fetch_list`.
    """
    selector = _escape(f"spec.driver={driver},spec.nodeName={node}")
    for version in CLAIM_VERSIONS:
        path = f"/apis/{CLAIMS_GROUP}/{version}/resourceslices"
        try:
            query = f"&fieldSelector={selector}"
            return fetch_list(client, path, pages_max=PAGES_MAX, page=SLICES_PAGE, query=query)
        except NotFoundError:
            continue
    return None


def fetch_policies(client: Reader) -> list[dict[str, Any]]:
    """Return all access policies of the API; none if their kind is not installed."""
    try:
        return fetch_list(client, POLICIES, pages_max=PAGES_MAX)
    except NotFoundError:
        return []


def fetch_config(client: Reader) -> dict[str, Any] | None:
    """Return the configuration of the access rules; None without one, or if its kind is not installed."""
    try:
        return client.get(CONFIG)
    except NotFoundError:
        return None


def fetch_networks(client: Reader, namespace: str, *, pages_max: int) -> list[NetworkAttachmentDefinition]:
    """Return the networks of a namespace, or of all namespaces for "", unordered. Raises as `fetch_list`."""
    where = f"/namespaces/{namespace}" if namespace else ""
    networks = []
    for value in fetch_list(client, f"{_NETWORKS}{where}/{netattachdef.RESOURCE}", pages_max=pages_max):
        metadata = _object(value, "metadata")
        networks.append(_network(str(metadata.get("namespace", "")), str(metadata.get("name", "")), value))
    return networks


def fetch_list(client: Reader, path: str, *, pages_max: int, page: int = PAGE, query: str = "") -> list[dict[str, Any]]:
    """Return all objects of a collection, `page` at a time. `query` is escaped and follows the limit, as `&key=value`.

    Raises NotFoundError if the kind does not exist, CniError 11 for all other failures, such as an answer that is not a
    list, or more than `pages_max` pages. NB: a continue token expires (410) after minutes; callers have seconds.
    """
    objects: list[dict[str, Any]] = []
    token = ""
    for _ in range(pages_max):
        value = client.get(f"{_first_page(path, page)}{query}{'&continue=' if token else ''}{_escape(token)}")
        items = value.get("items", "")
        if not isinstance(items, list | None) or not all(isinstance(item, dict) for item in items or ()):
            raise CniError(TRY_AGAIN_LATER, f"the answer to GET {path} is not a list of objects")
        objects += items or ()
        token = str(_object(value, "metadata").get("continue") or "")
        if not token:
            return objects
    raise CniError(TRY_AGAIN_LATER, f"GET {path}: there are more than {pages_max * page} objects")


def paths_of_pod(namespace: str, name: str) -> list[str]:
    """Return the path of a pod; none if a name cannot be that of a pod."""
    return [_path_of_pod(namespace, name)] if is_subdomain(namespace) and is_subdomain(name) else []


def paths_of_networks(client: Reader, networks: Iterable[tuple[str, str]]) -> list[str]:
    """Return the paths of networks, given as pairs of namespace and name, without names that an object cannot have."""
    return [
        _path_of_network(namespace, name)
        for namespace, name in dict.fromkeys(networks)
        if ("network", namespace, name) not in client.memo and is_subdomain(namespace) and is_subdomain(name)
    ]


def paths_of_namespaces(client: Reader, namespaces: Iterable[str]) -> list[str]:
    """Return the paths of namespaces."""
    return [
        _path_of_namespace(namespace)
        for namespace in dict.fromkeys(namespaces)
        if ("namespace", namespace) not in client.memo and is_subdomain(namespace)
    ]


def paths_of_claims(namespace: str, names: Iterable[str]) -> list[str]:
    """Return the paths of ResourceClaims in the version that current clusters serve."""
    return [_path_of_claim(CLAIM_VERSIONS[0], namespace, name) for name in names]


def paths_of_rules() -> list[str]:
    """Return the paths of the configuration of the access rules, and of the first policies."""
    return [CONFIG, _first_page(POLICIES)]


def _path_of_pod(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


def _path_of_network(namespace: str, name: str) -> str:
    return f"{_NETWORKS}/namespaces/{namespace}/{netattachdef.RESOURCE}/{name}"


def _path_of_namespace(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}"


def _path_of_claim(version: str, namespace: str, name: str) -> str:
    return f"/apis/{CLAIMS_GROUP}/{version}/namespaces/{namespace}/resourceclaims/{name}"


def _first_page(path: str, page: int = PAGE) -> str:
    return f"{path}?limit={page}"


def _escape(token: str) -> str:
    """Return a text as a value of a query (RFC 3986 §2.1). NB: urllib would load `re`."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in token.encode())


def _pod(namespace: str, name: str, value: dict[str, Any]) -> Pod:
    metadata, spec = _object(value, "metadata"), _object(value, "spec")
    annotations = _texts(metadata, "annotations")
    status = _object(value, "status")
    claims = _claims(spec, status)
    extended = _object(status, "extendedResourceClaimStatus")
    return Pod(
        namespace=namespace,
        name=name,
        uid=str(metadata.get("uid", "")),
        labels=_texts(metadata, "labels"),
        annotations=annotations,
        service_account=str(spec.get("serviceAccountName") or "default"),
        is_static=annotations.get(CONFIG_SOURCE, "api") != "api",
        claims=claims,
        extended_claim=str(extended.get("resourceClaimName") or ""),
        extended_requests=_extended_requests(extended),
        requested=_requested(spec) if claims else frozenset(),
        node=str(spec.get("nodeName") or ""),
    )


def _claims(spec: dict[str, Any], status: dict[str, Any]) -> tuple[str, ...]:
    """Return the claims of a pod: those it names, those made from templates, and that of its extended resources."""
    if "resourceClaims" not in spec and "extendedResourceClaimStatus" not in status:
        return ()
    named = [
        *(spec.get("resourceClaims") or ()),
        *(status.get("resourceClaimStatuses") or ()),
        status.get("extendedResourceClaimStatus"),
    ]
    names = (one.get("resourceClaimName") for one in named if isinstance(one, dict))
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str) and is_subdomain(name)))


def _extended_requests(extended: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return request and resource of each mapping of an extendedResourceClaimStatus."""
    mappings = (one for one in extended.get("requestMappings") or () if isinstance(one, dict))
    return tuple((str(one.get("requestName")), str(one.get("resourceName"))) for one in mappings)


def _requested(spec: dict[str, Any]) -> frozenset[str]:
    """Return the resources that containers name. NB: a limit without a request is a request, too."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    resources = [_object(one, "resources") for one in containers if isinstance(one, dict)]
    return frozenset(name for one in resources for key in ("limits", "requests") for name in _object(one, key))


def _network(namespace: str, name: str, value: dict[str, Any]) -> NetworkAttachmentDefinition:
    """NB: a CRD without schema allows any JSON as `config`. If it is not a string, it becomes one with a problem."""
    metadata, config = _object(value, "metadata"), _object(value, "spec").get("config")
    return netattachdef.build(
        namespace=namespace,
        name=name,
        config=config if isinstance(config, str | None) else quote(quote(config)),
        labels=_texts(metadata, "labels"),
        annotations=_texts(metadata, "annotations"),
    )


def _object(value: dict[str, Any], key: str) -> dict[str, Any]:
    member = value.get(key)
    return member if isinstance(member, dict) else {}


def _texts(metadata: dict[str, Any], key: str) -> dict[str, str]:
    return {name: text for name, text in _object(metadata, key).items() if isinstance(text, str)}
