"""May a pod start though the API server cannot be asked: it is away, or it does not accept our token.

| annotations of the pod | onApiUnavailable | the pod |
| --- | --- | --- |
| passed by the runtime, without networks | any | starts, if it has no ResourceClaims |
| passed by the runtime, with networks | any | fails; it must not run without them |
| unknown | Fail | fails |
| | DefaultNetwork | starts, if it has no ResourceClaims |

It starts with the node's own networks. If one of these is a definition, it fails all the same. Nothing writes its
network-status. The runtime passes the annotations if the configuration declares the capability POD_ANNOTATIONS.

The node judges the networks of claims, and reads the claims from the API server. So a pod with claims fails. The
kubelet has prepared them before it asks for the sandbox, and has written the UIDs of their pods to its state file
(Kubernetes pkg/kubelet/cm/dra, `dra_manager_state`).
"""

from __future__ import annotations

import os

from cniplugin.cluster.kubeapi import RefusedError
from cniplugin.cnierrors import (
    INVALID_NETWORK_CONFIG,
    PLUGIN_NOT_AVAILABLE,
    TRY_AGAIN_LATER,
    CniError,
    NotFoundError,
)
from cniplugin.host.log import LOG
from cniplugin.host.regularfile import load_regular_file
from cniplugin.protocol.netconf import DEFAULT_NETWORK, POD_ANNOTATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, Protocol

    from cniplugin.protocol.netconf import NetConf
    from cniplugin.protocol.skel import Invocation

    class Limited(Protocol):
        """A client of the API server whose requests can be limited."""

        def get(self, path: str, *, appears_within_s: float = 0.0) -> dict[str, Any]:
            """Return an object; raises CniError."""

        def limit(self, seconds: float) -> None:
            """Give all requests from now on at most `seconds` together."""


STATUS_S = 2.0
VERSION_PATH = "/version"
"""Costs an API server least. Every account may read it, and a token that has ended is refused (401) at any path."""

UNAUTHORIZED = 401
CLAIMS_FILE = "dra_manager_state"
FILE_BYTES_MAX = 64 * 1024 * 1024
WHOLE = float("inf")


class Away:
    """In the place of a client: every request raises the error for which there is none."""

    server = ""

    def __init__(self, failure: CniError) -> None:
        self.memo: dict[tuple[str, ...], object] = {}
        self._failure = failure

    def get(self, path: str, *, appears_within_s: float = 0.0) -> NoReturn:  # noqa: ARG002  # as a client
        """Raise the error."""
        raise self._failure

    def open(self) -> None:
        """Connect to nothing."""

    def ask(self, *paths: str) -> None:
        """Send nothing."""

    def left_s(self) -> float:
        """Return 0: no request takes time."""
        return 0.0

    def limit(self, seconds: float) -> None:
        """Change nothing, as nothing takes time."""

    def close(self) -> None:
        """Change nothing, as there is no connection."""


def check_pod(invocation: Invocation, failure: CniError) -> None:
    """Raise the failure to read the pod, unless the pod may start with the node's own networks.

    NB: an API server that does not know the pod (NotFoundError) is not away.
    """
    conf = invocation.conf
    is_away = failure.code in {TRY_AGAIN_LATER, INVALID_NETWORK_CONFIG} and not isinstance(failure, NotFoundError)
    if not is_away or not conf.may_start_without_api:
        raise failure
    _check_claims(conf, invocation.pod_uid, failure)
    text = "the API server cannot be asked; the pod starts with the networks of the node, and without network-status"
    LOG.error(f"{text}: {failure.msg}")


def _check_claims(conf: NetConf, uid: str, failure: CniError) -> None:
    """Raise the failure for a pod with ResourceClaims. A node where that cannot be seen is a log line."""
    path = f"{conf.kubelet_dir}/{CLAIMS_FILE}"
    try:
        state = load_regular_file(path, bytes_max=FILE_BYTES_MAX)
    except FileNotFoundError:  # the kubelet writes it only if it knows claims
        state = b""
    except OSError as error:
        what = f"whether the pod has ResourceClaims is unknown: {path} cannot be read: {error.strerror}"
        raise failure.with_details(what) from error
    if uid and uid.encode() in state:
        raise failure.with_details("the pod has ResourceClaims, whose networks the node must judge")
    if not uid or not os.path.isdir(conf.kubelet_dir):  # noqa: PTH112  # pathlib costs 5 ms
        missing = f"kubeletDir {conf.kubelet_dir} does not exist" if uid else "CNI_ARGS have no K8S_POD_UID"
        LOG.error(f"{missing}; networks of ResourceClaims of the pod, if it has any, are not judged")


def check_credentials(conf: NetConf, client: Limited) -> None:
    """Raise CniError 50 if the API server refuses our token, or the error of a kubeconfig that cannot be read.

    Until somebody renews it, no pod can start, unless `check_pod` lets pods start. An API server that is away is only a
    log line: an error would make the kubelet report the node as not ready, and so would each node of the cluster.
    """
    client.limit(STATUS_S)
    try:
        client.get(VERSION_PATH)
    except CniError as error:
        is_refused = isinstance(error, RefusedError) and error.status == UNAUTHORIZED
        if isinstance(error, NotFoundError | RefusedError) and not is_refused:
            return  # it knows our account
        is_lasting = is_refused or error.code != TRY_AGAIN_LATER
        some_start = conf.on_api_unavailable == DEFAULT_NETWORK or POD_ANNOTATIONS in conf.capabilities
        if is_lasting and not some_start:
            code = PLUGIN_NOT_AVAILABLE if is_refused else error.code
            raise CniError(code, f"no pod can start: {error.msg}", error.details) from error
        LOG.error(f"pods that ask for networks cannot start: {error.msg}")
    finally:
        client.limit(WHOLE)
