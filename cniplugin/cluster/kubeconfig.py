"""The API server and our credentials: a kubeconfig, or the service account of a pod, to a `ClusterConfig`.

A kubeconfig has one of two forms: the JSON of our installer, or the YAML of Multus' installer and of common tools. Only
the latter imports `kubeyaml`.

Deviations from client-go: a `server` needs its scheme. `exec`, `auth-provider`, `username` and `proxy-url` are refused
instead of ignored. A single context counts as the current one. `insecure-skip-tls-verify` is a warning in the log each
time. As Multus writes it and Go reads it, an IPv4 address or a name may be in brackets: `https://[10.96.0.1]:443`.

NB: messages quote nothing of the file but keys that this module knows. Every value can be a credential, even in a wrong
place: a `server` with a password in it, a token as the name of a user.
"""

from __future__ import annotations

import os

from cniplugin.cnierrors import INVALID_NETWORK_CONFIG, CniError
from cniplugin.host.log import LOG
from cniplugin.host.regularfile import load_regular_file
from cniplugin.netspec.names import trim
from cniplugin.netspec.rawjson import loads
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
FILE_BYTES_MAX = 1_048_576

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_LABEL = frozenset(_LETTERS + "_-")
_LITERAL = frozenset(_LETTERS + ".:%")
_PATH = frozenset(_LETTERS + "-._~/%:")
_UNREADABLE_USER = ("exec", "auth-provider", "username", "password", "as")
_FLAGS = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N", ""), False),
}
"""YAML 1.1, which the YAML of Go reads for a flag."""


class ClusterConfig(Record):
    """An API server and our credentials; an absent value is "".

    `host`: without brackets. `prefix`: the path before all others, without a "/" at the end. `token_file` takes
    precedence over `token`. The `*_data` fields have PEM text, the `*_file` fields absolute paths. `is_insecure`: any
    certificate of the server will do.
    """

    server: str
    host: str
    port: int
    prefix: str = ""
    is_tls: bool = True
    is_insecure: bool = False
    server_name: str = ""
    ca_file: str = ""
    ca_data: str = ""
    token: str = ""
    token_file: str = ""
    cert_file: str = ""
    cert_data: str = ""
    key_file: str = ""
    key_data: str = ""


def load_kubeconfig(path: str) -> ClusterConfig:
    """Return the current context of a kubeconfig. Raises CniError 7 with the path in its message."""
    return parse_kubeconfig(_read(path), source=path, directory=os.path.dirname(path))  # noqa: PTH120


def load_service_account(environ: Mapping[str, str], *, directory: str = SERVICE_ACCOUNT) -> ClusterConfig | None:
    """Return the API server of a pod's environment, or None outside of a cluster."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        return None
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    config = _parse_server(server, source="KUBERNETES_SERVICE_HOST")
    return config.replace(token_file=f"{directory}/token", ca_file=f"{directory}/ca.crt")


def parse_kubeconfig(text: str, *, source: str, directory: str) -> ClusterConfig:
    """Return the current context of a kubeconfig. Relative paths start at `directory`; messages begin with `source`.

    Raises CniError 7.
    """
    value = _parse_text(text, source=source)
    context = _current_context(value, source=source)
    cluster_name, user_name = _text(context, "cluster", source), _text(context, "user", source)
    cluster = _named(value, "clusters", "cluster", cluster_name, "the current context", source=source)
    user = _named(value, "users", "user", user_name, "the current context", source=source) if user_name else {}
    for key in _UNREADABLE_USER:
        if user.get(key):
            _refuse(source, f'the user has "{key}", which is not supported; use a token or a client certificate')
    if cluster.get("proxy-url"):
        _refuse(source, 'the cluster has "proxy-url", which is not supported; the node must reach the API server')
    is_insecure = _is_insecure(cluster, source=source)
    server_name = _text(cluster, "tls-server-name", source)
    if server_name and not _is_host(server_name):
        _refuse(source, "tls-server-name: this is not the name of a host; allowed: letters, digits, '.' and '-'")
    config = _parse_server(_text(cluster, "server", source), source=source).replace(
        **_file_or_data(cluster, "certificate-authority", "ca", source=source, directory=directory),
        **_file_or_data(user, "client-certificate", "cert", source=source, directory=directory),
        **_file_or_data(user, "client-key", "key", source=source, directory=directory),
        token=_text(user, "token", source),
        token_file=_absolute(_text(user, "tokenFile", source), directory),
        server_name=server_name,
        is_insecure=is_insecure,
    )
    if bool(config.cert_file or config.cert_data) != bool(config.key_file or config.key_data):
        _refuse(source, "client-certificate and client-key belong together, and one of them is missing")
    if is_insecure and (config.ca_file or config.ca_data):
        _refuse(source, "insecure-skip-tls-verify contradicts the certificate authority; remove one of them")
    if is_insecure:
        text = "insecure-skip-tls-verify gives the token to any server in its place; set certificate-authority"
        LOG.verbose(f"warning: {source}: {text}")
    return config


def load_token(config: ClusterConfig) -> str:
    """Return the current bearer token, "" without one. Raises CniError 7 if it cannot be used."""
    token = config.token
    source = "token"
    if config.token_file:
        source = config.token_file
        token = trim(_read(source, what="token file"))  # as client-go does
        if not token:
            _refuse(source, "the token file is empty")
    # NB: a line break in a token would end the header.
    if not (token.isascii() and token.isprintable()) or " " in token:
        _refuse(source, "the token has white space or characters that no token has")
    return token


def _parse_server(server: str, *, source: str) -> ClusterConfig:
    """Read `https://HOST[:PORT][/PATH]`; an IPv6 address is in brackets, and any other host may be."""
    scheme, _, rest = server.partition("://")
    scheme = scheme.lower()
    authority, slash, path = rest.partition("/")
    host, bracket, port = authority.partition("]")
    if bracket:
        is_host = host[:1] == "[" and (_is_host(host[1:]) or (len(host) > 1 and _LITERAL.issuperset(host[1:])))
    else:
        host, colon, port = authority.partition(":")
        port = colon + port
        is_host = _is_host(host)
    if not (scheme in {"http", "https"} and is_host and _is_port(port) and _PATH.issuperset(path)):
        _refuse(source, "server: this is not the address of an API server; allowed: https://HOST[:PORT][/PATH]")
    is_tls = scheme == "https"
    return ClusterConfig(
        server=server.rstrip("/"),
        host=host.removeprefix("["),
        port=int(port[1:]) if port else (443 if is_tls else 80),
        prefix=(slash + path).rstrip("/"),
        is_tls=is_tls,
    )


def _is_host(text: str) -> bool:
    labels = text.removesuffix(".").split(".")
    return all(0 < len(label) <= 63 and _LABEL.issuperset(label) for label in labels)


def _is_port(text: str) -> bool:
    """Say whether a text is empty, or a colon and the number of a port."""
    digits = text[1:]
    return not text or (
        text[0] == ":" and digits.isascii() and digits.isdigit() and len(digits) <= 5 and 0 < int(digits) <= 65_535
    )


def _current_context(value: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    name = _text(value, "current-context", source)
    contexts = value.get("contexts") or []
    if not name and isinstance(contexts, list) and len(contexts) == 1 and isinstance(contexts[0], dict):
        name = _text(contexts[0], "name", source)
    if not name:
        _refuse(source, "current-context is not set, and there is not just one context")
    return _named(value, "contexts", "context", name, "current-context", source=source)


def _named(value: Mapping[str, Any], plural: str, key: str, name: str, referrer: str, *, source: str) -> dict[str, Any]:
    """Return the member `key` of the entry with this name; `referrer` is where the name comes from."""
    entries = value.get(plural) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        _refuse(source, f"{plural} is not a list of mappings")
    index = next((index for index, entry in enumerate(entries) if entry.get("name") == name), None)
    if index is None:
        _refuse(source, f"{plural}: none of its {len(entries)} entries has the name that {referrer} gives")
    member = entries[index].get(key) or {}
    if not isinstance(member, dict):
        _refuse(source, f"{plural}[{index}].{key}: {_type_of(member)}; allowed: a mapping")
    return member


def _text(value: Mapping[str, Any], key: str, source: str) -> str:
    member = value.get(key)
    if member is None:
        return ""
    if not isinstance(member, str):
        _refuse(source, f"{key}: {_type_of(member)}; allowed: text")
    return member


def _type_of(value: object) -> str:
    """Return the type of a JSON value in words, without the value."""
    if isinstance(value, bool):
        return "true or false"
    return {dict: "a mapping", list: "a list", str: "text", int: "a number", float: "a number"}[type(value)]


def _file_or_data(value: Mapping[str, Any], key: str, field: str, *, source: str, directory: str) -> dict[str, str]:
    """Return the `*_file` or the `*_data` field; data take precedence, as in client-go."""
    data = _text(value, f"{key}-data", source)
    if not data:
        return {f"{field}_file": _absolute(_text(value, key, source), directory)}
    from binascii import a2b_base64  # noqa: PLC0415  # only for data

    try:
        text = data.replace("\r", "").replace("\n", "")  # as Go: a block of text has line ends
        return {f"{field}_data": a2b_base64(text, strict_mode=True).decode("ascii")}
    except ValueError:  # binascii.Error and UnicodeDecodeError are ValueErrors
        _refuse(source, f"{key}-data is not PEM text in base64")


def _is_insecure(cluster: Mapping[str, Any], *, source: str) -> bool:
    value = cluster.get("insecure-skip-tls-verify") or False
    flag = value if isinstance(value, bool) else _FLAGS.get(value) if isinstance(value, str) else None
    if flag is None:
        _refuse(source, f"insecure-skip-tls-verify: {_type_of(value)}; allowed: true, false")
    return flag


def _absolute(path: str, directory: str) -> str:
    return os.path.join(directory, path) if path else ""  # noqa: PTH118


def _read(path: str, *, what: str = "kubeconfig") -> str:
    try:
        return load_regular_file(path, bytes_max=FILE_BYTES_MAX).decode()
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    except ValueError:
        reason = "its path has a zero byte"
    return _refuse(path, f"the {what} cannot be read: {reason}")  # NB: not `from error`, which has the content


def _refuse(source: str, what: str) -> NoReturn:
    raise CniError(INVALID_NETWORK_CONFIG, f"{source}: {what}")


def _parse_text(text: str, *, source: str) -> dict[str, Any]:
    """Return the mapping of a kubeconfig. NB: JSON with a mistake is read as YAML, whose errors have line numbers."""
    value: object = None
    if trim(text).startswith("{"):
        try:
            value = loads(text)
        except (ValueError, RecursionError):
            value = None
    if value is None:
        from .kubeyaml import Lines  # noqa: PLC0415  # loads `re`, 4 ms

        value = Lines(text, refuse=lambda what: _refuse(source, what)).parse()
    if not isinstance(value, dict):
        _refuse(source, "the kubeconfig is not a mapping")
    return value
