"""The address of the API server, our credentials, and the messages about a broken kubeconfig."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.clock import Clock
from tests.fakes.objects import write_kubeconfig
from webhook.kube.apierrors import ClusterError
from webhook.kube.connection import Connection
from webhook.kube.credentials import TOKEN_AGE_S, TokenFile, load_access, load_namespace
from webhook.kube.ownnamespace import own_namespace
from webhook.kube.resources import ObjectPath
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
    user = {"client-certificate": "none.pem", "client-key": "none.pem"}
    file = write_kubeconfig(tmp_path / "kubeconfig", "https://127.0.0.1:1", user)
    assert refusal(file) == (
        f"{file}: the kubeconfig cannot be used: client-certificate: no such file or directory; "
        "name a file that this user may read"
    )


def test_a_line_that_is_not_yaml(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text("users:\n- token: 'hunter2\n")
    assert refusal(file) == (
        f"{file}: the kubeconfig cannot be used: it is not YAML at line 3, column 1; "
        "name a file that kubectl --kubeconfig can use"
    )


def test_of_several_files_the_one_that_is_not_yaml_is_named(tmp_path: Path) -> None:
    good = write_kubeconfig(tmp_path / "good", "https://127.0.0.1:1")
    (tmp_path / "bad").write_text("a: [")
    with pytest.raises(ClusterError) as caught:
        load_access(None, environ={"KUBECONFIG": f"{good}:{tmp_path / 'bad'}"}, service_account=tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'bad'}: the kubeconfig cannot be used: it is not YAML at line ")


def test_a_cluster_without_a_server(tmp_path: Path) -> None:
    file = write_kubeconfig(tmp_path / "kubeconfig", "x")
    config = json.loads(file.read_text())
    config["clusters"][0]["cluster"] = {"insecure-skip-tls-verify": True}
    file.write_text(json.dumps(config))
    assert "names no server" in refusal(file)


def test_a_server_that_is_not_an_address(tmp_path: Path) -> None:
    file = write_kubeconfig(tmp_path / "kubeconfig", "10.1.2.3:6443")
    assert refusal(file) == (
        f"{file}: the kubeconfig cannot be used: the server is not an address; write it as https://HOST:PORT; "
        "name a file that kubectl --kubeconfig can use"
    )


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
        Connection(file, environ={}).stream(ObjectPath(NAMESPACES), {}, verb="list", silence_s=1)
    assert str(caught.value) == "https://10.1.2.3:6443: the token is not one line of ASCII; write it anew"


def test_the_default_kubeconfig_is_used(tmp_path: Path) -> None:
    file = write_kubeconfig(tmp_path / "kubeconfig", "https://10.1.2.3:6443")
    assert load_access(None, environ={"KUBECONFIG": f"none:{file}"}).server == "https://10.1.2.3:6443"


IN_CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def account(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("secret")
    (tmp_path / "ca.crt").write_text("certificate")
    return tmp_path


def test_the_service_account_is_used(account: Path) -> None:
    access = load_access(None, environ=IN_CLUSTER, service_account=account)
    assert access.server == "https://10.96.0.1:443"
    assert access.ca == b"certificate"
    assert access.credential().authorization == "Bearer secret"


def test_an_address_with_colons(account: Path) -> None:
    environ = IN_CLUSTER | {"KUBERNETES_SERVICE_HOST": "fd00::1"}
    assert load_access(None, environ=environ, service_account=account).server == "https://[fd00::1]:443"


def test_a_service_account_without_a_port(account: Path) -> None:
    with pytest.raises(ClusterError, match="KUBERNETES_SERVICE_PORT is empty; the kubelet sets both"):
        load_access(None, environ={"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, service_account=account)


def test_a_kubeconfig_takes_precedence_over_the_service_account(account: Path) -> None:
    file = write_kubeconfig(account / "kubeconfig", "https://10.1.2.3:6443")
    assert load_access(file, environ=IN_CLUSTER, service_account=account).server == "https://10.1.2.3:6443"


@pytest.mark.parametrize("name", ["token", "ca.crt"])
def test_a_service_account_with_an_empty_file(account: Path, name: str) -> None:
    (account / name).write_text("\n")
    with pytest.raises(ClusterError) as caught:
        load_access(None, environ=IN_CLUSTER, service_account=account)
    assert str(caught.value) == (
        f"{account}: the service account cannot be used: {name} is empty; mount its token and its ca.crt"
    )


def test_a_token_is_read_again_each_minute(tmp_path: Path) -> None:
    file, clock = tmp_path / "token", Clock()
    kept = TokenFile(file, b"first\n", clock=clock)
    file.write_text("second\n")
    clock.now += TOKEN_AGE_S - 1
    assert kept.credential().authorization == "Bearer first"
    clock.now += 1
    assert kept.credential().authorization == "Bearer second"


def test_a_token_that_cannot_be_read_again_stays(tmp_path: Path) -> None:
    file, clock = tmp_path / "token", Clock()
    kept = TokenFile(file, b"first", clock=clock)
    for content in (None, b""):
        clock.now += TOKEN_AGE_S
        if content is not None:
            file.write_bytes(content)
        assert kept.credential().authorization == "Bearer first"
    file.write_text("second")
    clock.now += TOKEN_AGE_S
    assert kept.credential().authorization == "Bearer second"


def test_the_file_of_a_token_takes_precedence(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of the file")
    user = {"token": "of the kubeconfig", "tokenFile": "token"}
    file = write_kubeconfig(tmp_path / "kubeconfig", "https://10.1.2.3:6443", user)
    assert load_access(file, environ={}).credential().authorization == "Bearer of the file"


@pytest.mark.slow
def test_nothing_else_imports_the_client() -> None:
    code = (
        "import sys; import webhook.compose, webhook.commands.check.checkcommand, webhook.trees.manifests;"
        "import webhook.kube.apierrors; assert 'urllib3' not in sys.modules"
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


# The namespace


@pytest.mark.parametrize("namespace", ["", "blue"])
def test_the_namespace_of_the_context(tmp_path: Path, namespace: str) -> None:
    file = write_kubeconfig(tmp_path / "kubeconfig", "https://10.0.0.1")
    value = json.loads(file.read_text())
    if namespace:
        value["contexts"][0]["context"]["namespace"] = namespace
    file.write_text(json.dumps(value))
    assert load_namespace(file, environ={}) == namespace
    assert load_namespace(None, environ={"KUBECONFIG": str(file)}) == namespace


@pytest.mark.parametrize("namespace", ["", "blue"])
def test_the_namespace_of_a_service_account(tmp_path: Path, namespace: str) -> None:
    (tmp_path / "token").write_text("t")
    if namespace:
        (tmp_path / "namespace").write_text(f"{namespace}\n")
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBECONFIG": "nowhere"}
    assert load_namespace(None, environ=environ, service_account=tmp_path) == namespace


@pytest.mark.parametrize("text", ["{}", "[]", '{"current-context": "x"}'])
def test_a_kubeconfig_without_a_context_has_no_namespace(tmp_path: Path, text: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    with pytest.raises(ClusterError, match="the kubeconfig cannot be used: "):
        load_namespace(file, environ={})
