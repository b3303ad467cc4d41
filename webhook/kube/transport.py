"""The pool of connections to the API server: sockets, TLS and proxies, all of them urllib3's."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.util import make_headers, parse_url

from .apierrors import ClusterError
from .credentials import Access
from .execplugin import Pair

DEAD_PEER_MS = 30_000
"""How long sent bytes may stay without an acknowledgement. The keepalive probes below give up in 15 + 3 * 5 = 30 s."""

SOCKET_OPTIONS = (
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (
            ("TCP_KEEPIDLE", 15),
            ("TCP_KEEPINTVL", 5),
            ("TCP_KEEPCNT", 3),
            ("TCP_USER_TIMEOUT", DEAD_PEER_MS),
        )
        if hasattr(socket, name)  # macOS lacks some of them
    ),
)

IDLE_MAX = 32
"""Connections that are kept without a request, more than there are threads that ask: urllib3 warns if it closes one."""

PROXY_FIX = "write proxy-url as http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT"


def make_pool(access: Access, pair: Pair | None) -> urllib3.PoolManager:
    """Return the pool of an API server, which connects when it is asked to. `pair`: the client certificate.

    Raises ClusterError for certificates or a proxy that cannot be used.
    """
    options: dict[str, object] = {"socket_options": list(SOCKET_OPTIONS), "maxsize": IDLE_MAX}
    if access.server.startswith("https:"):
        options["ssl_context"] = _tls_context(access, pair)
        if access.server_name:
            options["server_hostname"] = access.server_name
    proxy = _proxy_of(access)
    if not proxy:
        return urllib3.PoolManager(**options)  # type: ignore[arg-type]  # options of its pools
    try:
        return _proxy_pool(proxy, options)
    except (urllib3.exceptions.HTTPError, ValueError, ImportError):
        raise ClusterError(f"{access.server}: the proxy cannot be used; {PROXY_FIX}") from None


# TLS


def _tls_context(access: Access, pair: Pair | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    what = "certificate-authority"
    try:
        if access.is_insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            # The kubeconfig asks for it. As kubectl, say nothing, where urllib3 warns at each request.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        elif access.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cadata=access.ca.decode("ascii", "replace").replace("\ufffd", "?"))
        if pair is not None:
            what = "client-certificate or client-key"
            with _file_of(pair.certificate) as certificate, _file_of(pair.key) as key:
                context.load_cert_chain(certificate, key, password=_refuse_password)
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        fix = "write the authority, or an unencrypted pair, as PEM"
        raise ClusterError(f"{access.server}: the {what} cannot be used; {fix}") from None
    return context


@contextmanager
def _file_of(content: bytes) -> Iterator[str]:
    """Make a path for bytes: Python's interface to OpenSSL loads from paths only. In memory, where the system can."""
    if not hasattr(os, "memfd_create"):  # macOS
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    descriptor = os.memfd_create("nadmit", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _refuse_password() -> str:
    """NB: without a callback OpenSSL asks on the terminal, which blocks for ever."""
    raise ValueError("encrypted")


# Proxies


def _proxy_of(access: Access) -> str:
    """Return the proxy of the kubeconfig, or else of the environment; "" without one, and for an exempt server."""
    of_environment = getproxies()
    scheme = urlsplit(access.server).scheme
    proxy = access.proxy or of_environment.get(scheme) or of_environment.get("all") or ""
    return "" if proxy and is_exempt(access.server, of_environment.get("no", "")) else proxy


def is_exempt(url: str, no_proxy: str) -> bool:
    """Say whether NO_PROXY names the host of a URL: `*`, a domain, `HOST:PORT`, an address or a network, by commas."""
    split = urlsplit(url)
    host = (split.hostname or "").lower()
    names = (host, split.netloc.lower())
    for entry in filter(None, (entry.strip().lower() for entry in no_proxy.split(","))):
        domain = entry.lstrip(".")
        if entry == "*" or _is_within(host, entry):
            return True
        if any(name == domain or name.endswith(f".{domain}") for name in names):
            return True
    return False


def _is_within(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:  # one of them is a name
        return False


def _proxy_pool(proxy: str, options: dict[str, object]) -> urllib3.PoolManager:
    """Return a pool that goes through a proxy. Raises urllib3's errors, ValueError, and ImportError without PySocks."""
    if proxy.partition("://")[0].lower().startswith("socks"):
        from urllib3.contrib.socks import SOCKSProxyManager  # noqa: PLC0415 - it needs PySocks

        return SOCKSProxyManager(proxy, **options)  # type: ignore[arg-type]  # options of its pools
    login = parse_url(proxy).auth
    headers = make_headers(proxy_basic_auth=login) if login else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)  # type: ignore[arg-type]  # as above
