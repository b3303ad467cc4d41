"""A kubeconfig: the cluster and the user of its current context, from parsed YAML to values.

The keys are those of kubectl (client-go, tools/clientcmd/api/v1): of a cluster `server`, `certificate-authority`,
`tls-server-name`, `insecure-skip-tls-verify`, `proxy-url`; of a user `client-certificate`, `client-key`, `token`,
`tokenFile`, `exec`, `username` and `password`. A key that ends in `-data` replaces its file. Of several files the first
one that has a name, or a `current-context`, decides. Relative paths begin at the directory of their file.

Deviations: a user that is not in the list has no credentials. Of an `auth-provider`, which kubectl has given up for
`exec`, only the stored token is used, and nothing renews it. `as` (impersonation) is not read.

NB: messages quote nothing of a file but the keys that this module knows. Every value can be a credential, even in a
wrong place.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

Object = Mapping[str, Any]

PROVIDER_TOKENS = {"oidc": "id-token"}
"""The member of an `auth-provider` that has the token, by its name; `access-token` for all others."""

CLUSTER_INFO = (
    "server",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "certificate-authority-data",
    "proxy-url",
    "disable-compression",
)
"""The members of a cluster that an `exec` gets if it asks for them (client.authentication.k8s.io, Cluster)."""
EXEC_EXTENSION = "client.authentication.k8s.io/exec"


class KubeconfigError(ValueError):
    """The kubeconfig cannot be used. The text says why, in one line without any value of it."""


class Content(NamedTuple):
    """The content of `key`: `data`, or else that of a file."""

    key: str
    data: bytes | None
    path: PurePath = PurePath()


class Exec(NamedTuple):
    """A program that prints credentials. `cluster`: what it is told about the cluster; None for nothing."""

    api_version: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    directory: PurePath
    cluster: Object | None


class Cluster(NamedTuple):
    """The API server. Empty: the authorities of this machine, the name in the address, the proxy of the environment."""

    server: str
    authority: Content | None = None
    server_name: str = ""
    is_insecure: bool = False
    proxy: str = ""


class User(NamedTuple):
    """Credentials. `login`: user and password, for Basic authentication."""

    certificate: Content | None = None
    key: Content | None = None
    token: str = ""
    token_file: PurePath | None = None
    exec: Exec | None = None
    login: tuple[str, str] | None = None


class _Entry(NamedTuple):
    """A cluster, a user or a context, with the directory of its file."""

    value: Object
    directory: PurePath


def current_context(files: Sequence[tuple[PurePath, object]]) -> tuple[Cluster, User]:
    """Return the cluster and the user of the current context. `files`: paths with parsed YAML.

    Raises KubeconfigError.
    """
    documents, context = _context(files)
    cluster = _find(documents, "clusters", "cluster", _text(context.value, "cluster"))
    if cluster is None:
        raise KubeconfigError("the current context names a cluster that is not in clusters")
    user = _find(documents, "users", "user", _text(context.value, "user"))
    return _cluster(cluster), User() if user is None else _user(user, cluster.value)


def current_namespace(files: Sequence[tuple[PurePath, object]]) -> str:
    """Return the namespace of the current context, "" if it names none. Raises KubeconfigError."""
    _, context = _context(files)
    return _text(context.value, "namespace")


def _context(files: Sequence[tuple[PurePath, object]]) -> tuple[list[tuple[PurePath, Object]], _Entry]:
    documents = [(path.parent, _document(value)) for path, value in files]
    name = next((text for _, value in documents if (text := _text(value, "current-context"))), "")
    if not name:
        raise KubeconfigError('it has no "current-context"')
    context = _find(documents, "contexts", "context", name)
    if context is None:
        raise KubeconfigError("current-context gives a name that is not in contexts")
    return documents, context


def _document(value: object) -> Object:
    """NB: kubectl takes an empty file for one that sets nothing."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise KubeconfigError("it does not have the form of a kubeconfig")
    return value


def _find(documents: Sequence[tuple[PurePath, Object]], plural: str, singular: str, name: str) -> _Entry | None:
    """Return the entry of a name, None if no list has it."""
    for directory, document in documents:
        for entry in _entries(document, plural):
            if _text(entry, "name") == name and name:
                value = entry.get(singular)
                if not isinstance(value, Mapping):
                    raise KubeconfigError(f'an entry of {plural} has no "{singular}"')
                return _Entry(value, directory)
    return None


def _entries(document: Object, plural: str) -> Iterator[Object]:
    entries = document.get(plural) or ()
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise KubeconfigError(f"{plural} is not a list")
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise KubeconfigError(f"an entry of {plural} is not a mapping")
        yield entry


def _cluster(entry: _Entry) -> Cluster:
    value = entry.value
    server = _text(value, "server").rstrip("/")
    if not server:
        raise KubeconfigError("the cluster of the current context names no server")
    if not server.startswith(("https://", "http://")):
        raise KubeconfigError("the server is not an address; write it as https://HOST:PORT")
    return Cluster(
        server,
        _content(entry, "certificate-authority") if server.startswith("https:") else None,
        _text(value, "tls-server-name"),
        _flag(value, "insecure-skip-tls-verify"),
        _text(value, "proxy-url"),
    )


def _user(entry: _Entry, cluster: Object) -> User:
    value = entry.value
    certificate, key = _content(entry, "client-certificate"), _content(entry, "client-key")
    if (certificate is None) is not (key is None):
        raise KubeconfigError("client-certificate and client-key belong together, and one of them is missing")
    token_file = _text(value, "tokenFile")
    name, password = _text(value, "username"), _text(value, "password")
    return User(
        certificate,
        key,
        _text(value, "token") or _provider_token(value),
        entry.directory / token_file if token_file else None,
        _exec(entry, cluster) if value.get("exec") else None,
        (name, password) if name and password else None,
    )


def _provider_token(user: Object) -> str:
    if not user.get("auth-provider"):
        return ""
    provider = _mapping(user, "auth-provider")
    config = _mapping(provider, "config")
    token = _text(config, PROVIDER_TOKENS.get(_text(provider, "name"), "access-token"))
    if not token:
        raise KubeconfigError("the auth-provider of its user has no token; log in with kubectl, or use exec")
    return token


def _exec(entry: _Entry, cluster: Object) -> Exec:
    value = _mapping(entry.value, "exec")
    for key in ("command", "apiVersion"):
        if not _text(value, key):
            raise KubeconfigError(f'the exec of its user has no "{key}"')
    arguments = value.get("args") or ()
    if not isinstance(arguments, Sequence) or not all(isinstance(argument, str) for argument in arguments):
        raise KubeconfigError("the args of its user's exec are not a list of texts")
    return Exec(
        _text(value, "apiVersion"),
        (_text(value, "command"), *arguments),
        {_text(variable, "name"): _text(variable, "value") for variable in _entries(value, "env")},
        entry.directory,
        _cluster_info(cluster) if _flag(value, "provideClusterInfo") else None,
    )


def _cluster_info(cluster: Object) -> Object:
    info = {key: cluster[key] for key in CLUSTER_INFO if key in cluster}
    for extension in _entries(cluster, "extensions"):
        if extension.get("name") == EXEC_EXTENSION:
            info["config"] = extension.get("extension")
    return info


# Members


def _text(value: Object, key: str) -> str:
    """Return a text, "" without one."""
    text = value.get(key)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise KubeconfigError(f"{key} is not a text")
    return text


def _flag(value: Object, key: str) -> bool:
    flag = value.get(key)
    if not isinstance(flag, bool | None):
        raise KubeconfigError(f"{key} is neither true nor false")
    return bool(flag)


def _mapping(value: Object, key: str) -> Object:
    member = value.get(key) or {}
    if not isinstance(member, Mapping):
        raise KubeconfigError(f"{key} is not a mapping")
    return member


def _content(entry: _Entry, key: str) -> Content | None:
    data = _text(entry.value, f"{key}-data")
    if data:
        try:
            return Content(key, base64.b64decode(data, validate=False))
        except (binascii.Error, ValueError):
            raise KubeconfigError(f"{key}-data is not base64") from None
    file = _text(entry.value, key)
    return Content(key, None, entry.directory / file) if file else None
