"""Kubeconfigs: which cluster, which user, which of several files; and one line for each mistake."""

from __future__ import annotations

import base64
from pathlib import PurePath
from typing import Any

import pytest

from webhook.kube.kubeconfig import Content, KubeconfigError, User, current_context

HOME = PurePath("/home/me/.kube/config")


def document(cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, name: str = "x") -> Any:
    return {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.example:6443", **(cluster or {})}}],
        "users": [{"name": name, "user": user or {}}],
    }


def user_of(user: dict[str, Any], cluster: dict[str, Any] | None = None) -> User:
    return current_context([(HOME, document(cluster, user))])[1]


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_cluster() -> None:
    members = {
        "server": "https://host.example/k8s/",
        "certificate-authority": "ca.pem",
        "tls-server-name": "api.internal",
        "insecure-skip-tls-verify": True,
        "proxy-url": "http://proxy.example:3128",
    }
    cluster, _ = current_context([(HOME, document(members))])
    assert cluster.server == "https://host.example/k8s"
    assert cluster.authority == Content("certificate-authority", None, PurePath("/home/me/.kube/ca.pem"))
    assert cluster.server_name == "api.internal"
    assert cluster.is_insecure
    assert cluster.proxy == "http://proxy.example:3128"


def test_data_replaces_a_file() -> None:
    members = {"client-certificate": "a.pem", "client-certificate-data": base64_of("A"), "client-key": "/k.pem"}
    user = user_of(members)
    assert user.certificate == Content("client-certificate", b"A")
    assert user.key == Content("client-key", None, PurePath("/k.pem"))


def test_the_first_file_decides() -> None:
    first = {"contexts": document(name="one")["contexts"], "users": [{"name": "one", "user": {"token": "first"}}]}
    second = document(name="one", user={"token": "second"})
    third = document(name="other")
    files = [
        (PurePath("/a/config"), first), (PurePath("/b/config"), second), (PurePath("/c/config"), third)
    ]  # fmt: skip
    cluster, user = current_context(files)
    assert cluster.server == "https://one.example:6443"
    assert user.token == "first"


def test_paths_begin_at_their_own_file() -> None:
    users = {"users": [{"name": "x", "user": {"tokenFile": "token"}}]}
    clusters = document({"certificate-authority": "ca.pem"}) | {"users": []}
    cluster, user = current_context([(PurePath("/a/config"), users), (PurePath("/b/config"), clusters)])
    assert cluster.authority is not None
    assert cluster.authority.path == PurePath("/b/ca.pem")
    assert user.token_file == PurePath("/a/token")


def test_an_empty_file_sets_nothing() -> None:
    assert current_context([(HOME, None), (HOME, document(user={"token": "t"}))])[1].token == "t"


def test_a_user_that_is_not_in_the_list_has_no_credentials() -> None:
    assert current_context([(HOME, document() | {"users": None})])[1] == User()


def test_a_plain_server_needs_no_authority() -> None:
    cluster, _ = current_context([(HOME, document({"server": "http://127.0.0.1:1", "certificate-authority": "x"}))])
    assert cluster.authority is None


@pytest.mark.parametrize(
    ("provider", "token"),
    [
        ({"name": "oidc", "config": {"id-token": "a.b.c", "access-token": "other"}}, "a.b.c"),
        ({"name": "gcp", "config": {"access-token": "ya29"}}, "ya29"),
    ],
)
def test_the_stored_token_of_an_auth_provider(provider: dict[str, Any], token: str) -> None:
    assert user_of({"auth-provider": provider}).token == token


def test_exec() -> None:
    members = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "./login",
        "args": ["--cluster", "x"],
        "env": [{"name": "A", "value": "1"}],
        "provideClusterInfo": True,
    }
    cluster = {
        "certificate-authority-data": base64_of("ca"),
        "certificate-authority": "not told",
        "extensions": [
            {"name": "other", "extension": 1},
            {"name": "client.authentication.k8s.io/exec", "extension": 2},
        ],
    }
    found = user_of({"exec": members}, cluster).exec
    assert found is not None
    assert found.command == ("./login", "--cluster", "x")
    assert found.environ == {"A": "1"}
    assert found.directory == HOME.parent
    assert found.cluster == {
        "server": "https://x.example:6443", "certificate-authority-data": base64_of("ca"), "config": 2
    }  # fmt: skip


def test_exec_is_told_nothing_by_default() -> None:
    found = user_of({"exec": {"apiVersion": "v1", "command": "login", "args": None, "env": None}}).exec
    assert found is not None
    assert found.cluster is None


def broken(**members: Any) -> Any:
    return {**document(), **members}


PROBLEMS = {
    "it does not have the form of a kubeconfig": ["a", "list"],
    'it has no "current-context"': {},
    "current-context is not a text": broken(**{"current-context": 1}),
    "current-context gives a name that is not in contexts": broken(contexts=[]),
    "the current context names a cluster that is not in clusters": broken(clusters=None),
    "contexts is not a list": broken(contexts="y"),
    "an entry of contexts is not a mapping": broken(contexts=[1]),
    'an entry of clusters has no "cluster"': broken(clusters=[{"name": "x", "server": "hunter"}]),
    "name is not a text": broken(users=[{"name": ["hunter"]}]),
    "the cluster of the current context names no server": document({"server": None}),
    "the server is not an address; write it as https://HOST:PORT": document({"server": "hunter:6443"}),
    "insecure-skip-tls-verify is neither true nor false": document({"insecure-skip-tls-verify": "false"}),
    "certificate-authority-data is not base64": document({"certificate-authority-data": "hunter"}),
    "client-certificate and client-key belong together, and one of them is missing": document(
        user={"client-certificate": "hunter"}
    ),
    'the exec of its user has no "command"': document(user={"exec": {"apiVersion": "v1"}}),
    'the exec of its user has no "apiVersion"': document(user={"exec": {"command": "hunter"}}),
    "the args of its user's exec are not a list of texts": document(
        user={"exec": {"apiVersion": "v1", "command": "x", "args": [1]}}
    ),
    "exec is not a mapping": document(user={"exec": "hunter"}),
    "the auth-provider of its user has no token; log in with kubectl, or use exec": document(
        user={"auth-provider": {"name": "oidc", "config": {"refresh-token": "hunter"}}}
    ),
}


@pytest.mark.parametrize(("problem", "value"), PROBLEMS.items(), ids=PROBLEMS.keys())
def test_a_mistake_is_one_line_without_a_value(problem: str, value: object) -> None:
    with pytest.raises(KubeconfigError) as caught:
        current_context([(HOME, value)])
    assert str(caught.value) == problem
