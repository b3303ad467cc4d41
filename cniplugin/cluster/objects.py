"""What a pod's attachments depend on, read from the cluster: the pod, its networks, labels of namespaces, access rules.

Everything is read through a `Reader`: today the API server (`kubeapi.Client`), later perhaps a broker on the node that
saves the TLS handshake. What was read is remembered for the run, so that one ADD decides on one state.
A pod that is not found is an error: Multus answers with a made-up result, and the pod runs without networks.
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
    from collections.abc import Mapping
    from typing import Any, Protocol

    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition

    class Reader(Protocol):
        """An API server, or what stands for it."""

        memo: dict[tuple[str, ...], object]

        def get(self, path: str, *, appears_within_s: float = 0.0) -> dict[str, Any]:
            """Return the object at a path of the API; raises NotFoundError or another CniError."""

    class Server(Reader, Protocol):
        """A reader with bounds of time; see `kubeapi.Client`."""

        @property
        def server(self) -> str:
            """Whose objects these are: its address."""

        def left_s(self) -> float:
            """Return how many seconds requests may take together from now on."""

        def limit(self, seconds: float) -> None:
            """Let requests take at most this long together from now on."""


CONFIG_SOURCE = "kubernetes.io/config.source"
"""Annotation of a pod: where the kubelet has it from; absent or "api" for pods of the API (kubelet/types)."""

POD_APPEARS_WITHIN_S = 5.0
"""The kubelet saw the pod, so it is there, unless it is deleted or the mirror pod of a static one is late. After
this the runtime's own retry, with code 11, serves better than a process that waits."""


POLICIES = "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicies"
CONFIG = "/apis/access.nadmit.io/v1alpha1/networkattachmentpolicyconfigs/cluster"
"""NB: the words are those of `access.rules`, which a pod without networks does not load."""

CLAIM_VERSIONS = ("v1", "v1beta1")
"""Of resource.k8s.io: v1 since Kubernetes 1.34, v1beta1 since 1.32."""

PAGE = 500
PAGES_MAX = 20
"""Objects a request, and requests a list. NB: a list that is cut off is an error, for a Deny may be in the rest."""


class Pod(Record):
    """A pod, as far as its attachments go. `uid` is that of the API object, a mirror pod's for a static pod.

    `claims`: names of the ResourceClaims that give it devices, each once.
    """

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]  # never changed
    annotations: Mapping[str, str]  # never changed
    service_account: str
    is_static: bool
    claims: tuple[str, ...] = ()


def fetch_pod(client: Reader, namespace: str, name: str, uid: str) -> Pod:
    """Return the pod that the runtime means; `uid` is what CNI_ARGS say, "" when they say nothing.

    Raises CniError 4 for names that no pod has, and 11: if it is not found (NotFoundError) or has another uid, which
    a static pod always has, because the kubelet counts its own.
    """
    for value, variable in ((namespace, "K8S_POD_NAMESPACE"), (name, "K8S_POD_NAME")):
        if not is_subdomain(value):
            raise CniError(
                INVALID_ENVIRONMENT, f"CNI_ARGS: {variable} is no name: {show(value)}; allowed: {ALLOWED_SUBDOMAIN}"
            )
    key = ("pod", namespace, name)
    pod = client.memo.get(key)
    if not isinstance(pod, Pod):
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        pod = _pod(namespace, name, client.get(path, appears_within_s=POD_APPEARS_WITHIN_S))
        client.memo[key] = pod
    if uid and pod.uid != uid and not pod.is_static:
        raise CniError(
            TRY_AGAIN_LATER,
            f"pod {namespace}/{name}: it was created anew: its uid is {pod.uid}, and the runtime asks for {uid}",
        )
    return pod


def fetch_network(client: Reader, namespace: str, name: str) -> NetworkAttachmentDefinition | None:
    """Return a network, None if there is none, also for names that no object has."""
    key = ("network", namespace, name)
    if not is_subdomain(namespace) or not is_subdomain(name):
        return None
    if key not in client.memo:
        path = (
            f"/apis/{netattachdef.GROUP}/{netattachdef.VERSION}/namespaces/{namespace}/{netattachdef.RESOURCE}/{name}"
        )
        try:
            client.memo[key] = _network(namespace, name, client.get(path))
        except NotFoundError:
            client.memo[key] = None
    found = client.memo[key]
    return found if isinstance(found, netattachdef.NetworkAttachmentDefinition) else None


def fetch_namespace_labels(client: Reader, namespace: str) -> Mapping[str, str]:
    """Return the labels of a namespace; raises NotFoundError if there is none."""
    key = ("namespace", namespace)
    if key not in client.memo:
        client.memo[key] = _texts(_object(client.get(f"/api/v1/namespaces/{namespace}"), "metadata"), "labels")
    found = client.memo[key]
    return found if isinstance(found, dict) else {}


def fetch_claim(client: Reader, namespace: str, name: str) -> dict[str, Any] | None:
    """Return a ResourceClaim as the API has it, in the version that is served; None if there is none."""
    for version in CLAIM_VERSIONS:
        try:
            return client.get(f"/apis/resource.k8s.io/{version}/namespaces/{namespace}/resourceclaims/{name}")
        except NotFoundError:
            continue
    return None


def fetch_policies(client: Reader) -> list[dict[str, Any]]:
    """Return all access policies as the API has them; none where their kind is not installed."""
    try:
        return fetch_list(client, POLICIES, pages_max=PAGES_MAX)
    except NotFoundError:
        return []


def fetch_config(client: Reader) -> dict[str, Any] | None:
    """Return the configuration of the access rules; None if there is none, or its kind is not installed."""
    try:
        return client.get(CONFIG)
    except NotFoundError:
        return None


def fetch_networks(client: Reader, namespace: str, *, pages_max: int) -> list[NetworkAttachmentDefinition]:
    """Return the networks of a namespace, of all namespaces for "", in no order. Raises as `fetch_list`."""
    where = f"/namespaces/{namespace}" if namespace else ""
    path = f"/apis/{netattachdef.GROUP}/{netattachdef.VERSION}{where}/{netattachdef.RESOURCE}"
    found = []
    for value in fetch_list(client, path, pages_max=pages_max):
        metadata = _object(value, "metadata")
        found.append(_network(str(metadata.get("namespace", "")), str(metadata.get("name", "")), value))
    return found


def fetch_list(client: Reader, path: str, *, pages_max: int) -> list[dict[str, Any]]:
    """Return all objects of a collection.

    Raises NotFoundError where there is no such kind, CniError 11 for all else: also for what is no list, and for more
    pages than `pages_max`. NB: a place in a list expires (410) after minutes; whoever asks has seconds.
    """
    found: list[dict[str, Any]] = []
    token = ""
    for _ in range(pages_max):
        value = client.get(f"{path}?limit={PAGE}{'&continue=' if token else ''}{_escape(token)}")
        items = value.get("items", "")
        if not isinstance(items, list | None) or not all(isinstance(item, dict) for item in items or ()):
            raise CniError(TRY_AGAIN_LATER, f"the answer to GET {path} is no list of objects")
        found += items or ()
        token = str(_object(value, "metadata").get("continue") or "")
        if not token:
            return found
    raise CniError(TRY_AGAIN_LATER, f"GET {path}: there are more than {pages_max * PAGE} objects")


def _escape(token: str) -> str:
    """Return a text as a value of a query (RFC 3986 §2.1). NB: urllib would bring `re`."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in token.encode())


def _pod(namespace: str, name: str, value: dict[str, Any]) -> Pod:
    metadata, spec = _object(value, "metadata"), _object(value, "spec")
    annotations = _texts(metadata, "annotations")
    return Pod(
        namespace=namespace,
        name=name,
        uid=str(metadata.get("uid", "")),
        labels=_texts(metadata, "labels"),
        annotations=annotations,
        service_account=str(spec.get("serviceAccountName") or "default"),
        is_static=annotations.get(CONFIG_SOURCE, "api") != "api",
        claims=_claims(spec, _object(value, "status")),
    )


def _claims(spec: dict[str, Any], status: dict[str, Any]) -> tuple[str, ...]:
    """Return the claims of a pod: those it names, those made for it from templates, that of its extended resources."""
    if "resourceClaims" not in spec and "extendedResourceClaimStatus" not in status:
        return ()
    named = [
        *(spec.get("resourceClaims") or ()),
        *(status.get("resourceClaimStatuses") or ()),
        status.get("extendedResourceClaimStatus"),
    ]
    names = (one.get("resourceClaimName") for one in named if isinstance(one, dict))
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str) and is_subdomain(name)))


def _network(namespace: str, name: str, value: dict[str, Any]) -> NetworkAttachmentDefinition:
    """NB: a CRD without schema lets `config` be anything; other JSON than text becomes a text with a problem."""
    metadata, config = _object(value, "metadata"), _object(value, "spec").get("config")
    return netattachdef.build(
        namespace=namespace,
        name=name,
        config=config if isinstance(config, str | None) else quote(quote(config)),
        labels=_texts(metadata, "labels"),
        annotations=_texts(metadata, "annotations"),
    )


def _object(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _texts(metadata: dict[str, Any], key: str) -> dict[str, str]:
    return {name: text for name, text in _object(metadata, key).items() if isinstance(text, str)}
