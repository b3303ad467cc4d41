"""TLS and proxies of the connection to the API server, against servers that want them."""

from __future__ import annotations

import base64
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.apiserver import ApiServer
from tests.fakes.certificates import Keys, make_keys
from tests.fakes.objects import write_kubeconfig
from tests.realapi.keys import Authority
from webhook.kube.apierrors import ClusterError
from webhook.kube.connection import Connection
from webhook.kube.resources import ObjectPath
from webhook.kube.transport import is_exempt
from webhook.snapshot.source import NAMESPACES

PATH = ObjectPath(NAMESPACES, "", "default")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def ask(directory: Path, url: str, user: dict[str, Any] | None = None, **cluster: Any) -> bytes:
    """Ask for a namespace with a kubeconfig of these members, whose names have `_` instead of `-`."""
    members = {key.replace("_", "-"): value for key, value in cluster.items()}
    connection = Connection(write_kubeconfig(directory / "kubeconfig", url, user, **members), environ={})
    try:
        return connection.get(PATH, timeout_s=10)
    finally:
        connection.close()


@pytest.fixture
def keys() -> Keys:
    return make_keys()


def serving(server: ApiServer) -> ApiServer:
    server.put("/api/v1/namespaces", {"metadata": {"name": "default"}})
    return server


def test_an_authority_in_a_file_or_in_the_kubeconfig(tmp_path: Path, keys: Keys) -> None:
    (tmp_path / "ca.pem").write_text(f"# Autorit\u00e4t\n{keys.ca}")
    with ApiServer(keys=keys) as server:
        serving(server)
        assert ask(tmp_path, server.url, certificate_authority="ca.pem")
        found = ask(tmp_path, server.url, certificate_authority_data=encoded(keys.ca))
        assert json.loads(found)["metadata"]["name"] == "default"


def test_a_server_of_another_authority_is_refused(tmp_path: Path, keys: Keys) -> None:
    other = make_keys("other.example").ca
    with ApiServer(keys=keys) as server:
        with pytest.raises(ClusterError, match=r"cannot be reached: .*certificate verify failed"):
            ask(tmp_path, server.url, certificate_authority_data=encoded(other))
        with pytest.raises(ClusterError, match=r"cannot be reached: .*certificate verify failed"):
            ask(tmp_path, server.url)
        assert not server.requests


def test_a_server_of_another_name_is_refused(tmp_path: Path) -> None:
    keys = make_keys("api.internal")
    ca = encoded(keys.ca)
    with ApiServer(keys=keys) as server:
        serving(server)
        with pytest.raises(ClusterError, match=r"cannot be reached: .*certificate verify failed"):
            ask(tmp_path, server.url, certificate_authority_data=ca)
        assert ask(tmp_path, server.url, certificate_authority_data=ca, tls_server_name="api.internal")


def test_insecure(tmp_path: Path, keys: Keys) -> None:
    with ApiServer(keys=keys) as server:
        serving(server)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # the kubeconfig asks for it, so nothing warns of it, as with kubectl
            assert ask(tmp_path, server.url, insecure_skip_tls_verify=True)


def test_a_client_certificate(tmp_path: Path, keys: Keys) -> None:
    authority = Authority()
    made = authority.sign_user("me.example")
    user = {"client-certificate-data": encoded(made.certificate), "client-key-data": encoded(made.key)}
    with ApiServer(keys=keys, client_ca=authority.ca) as server:
        serving(server)
        assert ask(tmp_path, server.url, user, certificate_authority_data=encoded(keys.ca))
        assert "me.example" in str(server.peers)


def test_a_client_certificate_of_exec(tmp_path: Path, keys: Keys) -> None:
    authority = Authority()
    made = authority.sign_user("me.example")
    status = {"clientCertificateData": made.certificate, "clientKeyData": made.key}
    answer = json.dumps({"apiVersion": "v1", "kind": "ExecCredential", "status": status})
    user = {"exec": {"apiVersion": "v1", "command": sys.executable, "args": ["-c", f"print({answer!r})"]}}
    with ApiServer(keys=keys, client_ca=authority.ca) as server:
        serving(server)
        assert ask(tmp_path, server.url, user, certificate_authority_data=encoded(keys.ca))
        assert "me.example" in str(server.peers)


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({"certificate_authority_data": encoded("hunter")}, "certificate-authority"),
        ({}, "client-certificate or client-key"),
    ],
)
def test_a_text_that_is_not_pem(tmp_path: Path, members: dict[str, str], what: str) -> None:
    user = {"client-certificate-data": encoded("hunter"), "client-key-data": encoded("hunter")}
    with pytest.raises(ClusterError) as caught:
        ask(tmp_path, "https://127.0.0.1:1", user, **members)
    assert str(caught.value) == (
        f"https://127.0.0.1:1: the {what} cannot be used; write the authority, or an unencrypted pair, as PEM"
    )


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ({"token": "t"}, "Bearer t"),
        ({"username": "me", "password": "secret"}, "Basic " + encoded("me:secret")),
        ({"token": "t", "username": "me", "password": "secret"}, "Bearer t"),
        ({}, None),
    ],
)
def test_the_header(tmp_path: Path, user: dict[str, str], header: str | None) -> None:
    with ApiServer() as server:
        ask(tmp_path, serving(server).url, user)
        assert server.requests[0].headers.get("authorization") == header


def test_credentials_that_are_refused_are_made_anew(tmp_path: Path) -> None:
    code = "n = open('runs', 'a+'); n.write('x'); n.seek(0); print(ANSWER % len(n.read()))"
    answer = json.dumps({"apiVersion": "v1", "status": {"token": "%d"}})
    arguments = ["-c", code.replace("ANSWER", repr(answer))]
    user = {"exec": {"apiVersion": "v1", "command": sys.executable, "args": arguments}}
    with ApiServer() as server:
        serving(server).token = "2"
        connection = Connection(write_kubeconfig(tmp_path / "kubeconfig", server.url, user), environ={})
        with pytest.raises(ClusterError, match="the credentials are refused"):
            connection.get(PATH, timeout_s=10)
        assert connection.get(PATH, timeout_s=10)
        assert connection.get(PATH, timeout_s=10)
        assert (tmp_path / "runs").read_text() == "xx"


# Proxies


def test_a_proxy_and_its_password(tmp_path: Path) -> None:
    with ApiServer() as proxy:
        serving(proxy)
        url = proxy.url.replace("http://", "http://me:secret@")
        assert ask(tmp_path, "http://api.example", {"token": "t"}, proxy_url=url)
        (request,) = proxy.requests
    assert request.target == "http://api.example/api/v1/namespaces/default"
    assert request.headers["host"] == "api.example"
    assert request.headers["proxy-authorization"] == "Basic " + encoded("me:secret")


def test_the_proxy_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ApiServer() as proxy:
        serving(proxy)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "localhost,10.0.0.0/8")
        assert ask(tmp_path, "http://api.example")
        monkeypatch.setenv("no_proxy", "127.0.0.0/8")
        assert ask(tmp_path, proxy.url)
        assert [request.target for request in proxy.requests] == [
            "http://api.example/api/v1/namespaces/default",
            "/api/v1/namespaces/default",
        ]


@pytest.mark.parametrize(
    ("no_proxy", "is_direct"),
    [
        ("", False),
        ("*", True),
        ("example", True),
        (".example", True),
        ("api.example:6443", True),
        ("api.example:443", False),
        ("pi.example", False),
        ("10.0.0.0/8, API.example", True),
    ],
)
def test_names_in_no_proxy(no_proxy: str, *, is_direct: bool) -> None:
    assert is_exempt("https://api.example:6443", no_proxy) is is_direct


@pytest.mark.parametrize(
    ("no_proxy", "is_direct"), [("10.0.0.0/8", True), ("10.96.0.1", True), ("11.0.0.0/8", False), ("example", False)]
)
def test_networks_in_no_proxy(no_proxy: str, *, is_direct: bool) -> None:
    assert is_exempt("https://10.96.0.1:443", no_proxy) is is_direct
