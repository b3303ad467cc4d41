"""The address of the API server, our credentials, and the messages about a broken kubeconfig."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from kubernetes.config import ConfigException

from tests.fakes.objects import write_kubeconfig
from webhook.kube.apierrors import ClusterError
from webhook.kube.connection import Connection
from webhook.kube.credentials import load_configuration
from webhook.kube.ownnamespace import own_namespace
from webhook.snapshot.source import NAMESPACES, ClusterSource


def refusal(path: Path | None, **environ: str) -> str:
    with pytest.raises(ClusterError) as caught:
        ClusterSource(path, environ=environ).start()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_such_kubeconfig(tmp_path: Path) -> None:
    file = tmp_path / "none"
    assert refusal(file) == f"{file}: no such kubeconfig; name a file that kubectl --kubeconfig can use"


def test_no_default_kubeconfig(tmp_path: Path) -> None:
    file = tmp_path / "none"
    assert refusal(None, KUBECONFIG=str(file)) == (
        f"{file}: no such kubeconfig; give --kubeconfig FILE, set KUBECONFIG, or run in a pod with a service account"
    )


def test_a_directory(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith(f"{tmp_path}: the kubeconfig cannot be used: is a directory; ")


BAD = {
    "empty": "",
    "no-yaml": "a: [",
    "text": "hello",
    "a-list": "[]",
    "nothing": "{}",
    "no-context": '{"current-context": "x", "contexts": [], "clusters": [], "users": []}',
    "contexts-of-text": '{"current-context": "x", "contexts": "y"}',
    "contexts-of-numbers": '{"current-context": "x", "contexts": [1]}',
    "no-cluster": '{"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "y"}}]}',
    "not-utf-8": "\udcff",
    "deep": "[" * 5_000,
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_broken_kubeconfig(tmp_path: Path, text: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert refusal(file).startswith(f"{file}: the kubeconfig cannot be used: ")


def test_a_certificate_that_is_missing(tmp_path: Path) -> None:
    file = write_kubeconfig(tmp_path / "kubeconfig", "https://127.0.0.1:1", {"client-certificate": "none.pem"})
    assert "a file that it names does not exist" in refusal(file)


def test_a_cluster_without_a_server(tmp_path: Path) -> None:
    file = write_kubeconfig(tmp_path / "kubeconfig", "x")
    config = json.loads(file.read_text())
    config["clusters"][0]["cluster"] = {"insecure-skip-tls-verify": True}
    file.write_text(json.dumps(config))
    assert "names no server" in refusal(file)


def test_a_server_that_is_not_an_address(tmp_path: Path) -> None:
    file = write_kubeconfig(tmp_path / "kubeconfig", "10.1.2.3:6443")
    assert refusal(file) == f"{file}: the server is not an address; write it as https://HOST:PORT"


def test_a_proxy_that_is_not_an_address(tmp_path: Path) -> None:
    file = write_kubeconfig(tmp_path / "kubeconfig", "https://10.1.2.3:6443")
    config = json.loads(file.read_text())
    config["clusters"][0]["cluster"]["proxy-url"] = "gopher://proxy"
    file.write_text(json.dumps(config))
    assert refusal(file).startswith("https://10.1.2.3:6443: the proxy cannot be used; write proxy-url as ")


def test_no_secret_is_shown(tmp_path: Path) -> None:
    file = write_kubeconfig(tmp_path / "kubeconfig", "https://10.1.2.3:6443")
    config = json.loads(file.read_text())
    config["users"] = [{"name": "test", "token": "hunter2"}]
    file.write_text(json.dumps(config))
    assert "hunter2" not in refusal(file)


@pytest.mark.parametrize("token", ["secret\nsecond", "secr\u00e9t"])
def test_a_token_that_is_not_a_header(tmp_path: Path, token: str) -> None:
    file = write_kubeconfig(tmp_path / "kubeconfig", "https://10.1.2.3:6443", {"token": token})
    with pytest.raises(ClusterError) as caught:
        Connection(file, environ={}).stream(NAMESPACES, {}, verb="list", silence_s=1)
    assert str(caught.value) == "https://10.1.2.3:6443: the token is not one line of ASCII; write it anew"


def test_the_default_kubeconfig_is_used(tmp_path: Path) -> None:
    file = write_kubeconfig(tmp_path / "kubeconfig", "https://10.1.2.3:6443")
    assert load_configuration(None, environ={"KUBECONFIG": f"none:{file}"}).host == "https://10.1.2.3:6443"


IN_CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def account(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("secret")
    (tmp_path / "ca.crt").write_text("certificate")
    return tmp_path


def test_the_service_account_is_used(account: Path) -> None:
    configuration = load_configuration(None, environ=IN_CLUSTER, service_account=account)
    assert configuration.host == "https://10.96.0.1:443"
    assert configuration.auth_settings()["BearerToken"]["value"] == "bearer secret"


def test_a_kubeconfig_takes_precedence_over_the_service_account(account: Path) -> None:
    file = write_kubeconfig(account / "kubeconfig", "https://10.1.2.3:6443")
    assert load_configuration(file, environ=IN_CLUSTER, service_account=account).host == "https://10.1.2.3:6443"


def test_a_service_account_without_a_ca(account: Path) -> None:
    (account / "ca.crt").write_text("")
    with pytest.raises(ClusterError, match="the service account cannot be used: Cert file exists but empty"):
        load_configuration(None, environ=IN_CLUSTER, service_account=account)


def test_a_token_that_cannot_be_read_again(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(None, environ=IN_CLUSTER, service_account=account)
    monkeypatch.setattr(connection.open().configuration, "refresh_api_key_hook", fail)
    with pytest.raises(
        ClusterError, match="the credentials cannot be read again: the token file of the service account does not exist"
    ):
        connection.stream(NAMESPACES, {}, verb="list", silence_s=1)


def fail(_: object) -> None:
    raise ConfigException("Service token file does not exist.")


@pytest.mark.slow
def test_nothing_else_imports_the_client() -> None:
    code = (
        "import sys; import webhook.compose, webhook.commands.check.checkcommand, webhook.trees.manifests, webhook.kube.apierrors;"
        "assert not {'kubernetes', 'urllib3'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# The namespace of nadmit's own objects


def test_the_given_namespace_takes_precedence(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("mounted")
    assert own_namespace("given", mounted=tmp_path / "namespace") == "given"


@pytest.mark.parametrize(
    ("content", "expected"), [(b"mounted\n", "mounted"), (b"", "nadmit-system"), (b"\xff", "nadmit-system")]
)
def test_the_file_of_the_service_account(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "namespace").write_bytes(content)
    assert own_namespace(None, mounted=tmp_path / "namespace") == expected


def test_outside_of_a_pod(tmp_path: Path) -> None:
    assert own_namespace(None, mounted=tmp_path / "namespace") == "nadmit-system"
