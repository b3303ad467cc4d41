"""Where the API server is and who we are there: a kubeconfig, or the service account of a pod, to a `ClusterConfig`.

A kubeconfig is read in the two forms that stand on nodes: the JSON that our installer writes, and the plain YAML that
Multus' installer writes. There is no YAML in the standard library, so of YAML this much is read, one line at a time:

    document = ["---"] block
    block    = mapping / list                          ; nested by spaces, not by tabs
    mapping  = 1*( key ":" [" " scalar] / key ":" block )
    list     = 1*( "- " scalar / "- " mapping )        ; also at the indent of its key
    scalar   = "double quoted" / 'single quoted' / plain / "{}" / "[]"      ; each is text, and "#" begins a comment

Deviations from client-go: a `server` needs its scheme; `exec`, `auth-provider`, `username` and `proxy-url` are refused
rather than ignored; `insecure-skip-tls-verify` is refused unless the caller allows it; a context need not be current if
it is the only one. As Multus writes and Go reads it, an IPv4 address may stand in brackets: `https://[10.96.0.1]:443`.
"""

from __future__ import annotations

import json
import os
import re

from .errors import INVALID_NETWORK_CONFIG, CniError
from .netspec.errors import show
from .netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
FILE_BYTES_MAX = 1_048_576
DEPTH_MAX = 16
SUPPORTED = "a kubeconfig is JSON, or YAML of block mappings and lists with plain or quoted text in one line"

_HOST = r"[0-9A-Za-z_-]{1,63}(?:\.[0-9A-Za-z_-]{1,63})*\.?"
_SERVER = re.compile(rf"(https?)://(\[[0-9A-Za-z.:%]+\]|{_HOST})(?::([0-9]{{1,5}}))?(/[-0-9A-Za-z._~/%:]*)?")
_ENTRY = re.compile(r"""([A-Za-z0-9_.\-/]+|"[^"\\]+"|'[^']+')\s*:(?:\s+(.*))?""")
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')\s*(?:#.*)?""")
_UNREADABLE_USER = ("exec", "auth-provider", "username", "password", "as")
_EMPTY: dict[str, Any] = {"{}": {}, "[]": [], "": ""}


class ClusterConfig(Record):
    """An API server and our credentials. `""` is none.

    `host`: without brackets. `prefix`: begins with "/" or is "", never ends with "/". `token_file` counts before
    `token`. The `*_data` fields hold PEM text, the `*_file` fields absolute paths.
    """

    server: str
    host: str
    port: int
    prefix: str = ""
    is_tls: bool = True
    is_verified: bool = True
    server_name: str = ""
    ca_file: str = ""
    ca_data: str = ""
    token: str = ""
    token_file: str = ""
    cert_file: str = ""
    cert_data: str = ""
    key_file: str = ""
    key_data: str = ""


def load_kubeconfig(path: str, *, allow_insecure: bool = False) -> ClusterConfig:
    """Return what the current context of a kubeconfig says; raises CniError 7 in one line that begins with the path."""
    text = _read(path)
    return parse_kubeconfig(text, source=path, directory=os.path.dirname(path), allow_insecure=allow_insecure)  # noqa: PTH120 - no pathlib here


def load_service_account(environ: Mapping[str, str], *, directory: str = SERVICE_ACCOUNT) -> ClusterConfig | None:
    """Return the API server that the kubelet tells each pod, or None outside of a cluster."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        return None
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    made = _parse_server(server, source="KUBERNETES_SERVICE_HOST")
    return made.replace(token_file=f"{directory}/token", ca_file=f"{directory}/ca.crt")


def parse_kubeconfig(text: str, *, source: str, directory: str, allow_insecure: bool = False) -> ClusterConfig:
    """Return what the current context says. Relative files are in `directory`; `source` names the text in messages.

    Raises CniError 7.
    """
    value = _parse_text(text, source=source)
    context = _current_context(value, source=source)
    cluster = _named(value, "clusters", "cluster", _text(context, "cluster", source), source=source)
    user_name = _text(context, "user", source)
    user = _named(value, "users", "user", user_name, source=source) if user_name else {}
    for key in _UNREADABLE_USER:
        if user.get(key):
            _refuse(source, f'the user has "{key}", which is not supported; use a token or a client certificate')
    if cluster.get("proxy-url"):
        _refuse(source, 'the cluster has "proxy-url", which is not supported; the node must reach the API server')
    server_name = _text(cluster, "tls-server-name", source)
    if server_name and not re.fullmatch(_HOST, server_name):
        _refuse(source, f"tls-server-name: this is no name of a host: {show(server_name)}")
    made = _parse_server(_text(cluster, "server", source), source=source).replace(
        **_file_or_data(cluster, "certificate-authority", "ca", source=source, directory=directory),
        **_file_or_data(user, "client-certificate", "cert", source=source, directory=directory),
        **_file_or_data(user, "client-key", "key", source=source, directory=directory),
        token=_text(user, "token", source),
        token_file=_absolute(_text(user, "tokenFile", source), directory),
        server_name=server_name,
        is_verified=not _is_insecure(cluster, source=source, allow_insecure=allow_insecure),
    )
    if bool(made.cert_file or made.cert_data) != bool(made.key_file or made.key_data):
        _refuse(source, "client-certificate and client-key belong together, and one of them is missing")
    return made


def load_token(config: ClusterConfig) -> str:
    """Return the bearer token as it is now, "" without one. Raises CniError 7 if there is no usable text."""
    token = config.token
    source = "token"
    if config.token_file:
        source = config.token_file
        token = _read(source, what="token file").strip()
        if not token:
            _refuse(source, "the token file is empty")
    # NB: a line break in a token would end the header.
    if not (token.isascii() and token.isprintable()) or " " in token:
        _refuse(source, "the token has white space or characters that no token has")
    return token


def _parse_server(server: str, *, source: str) -> ClusterConfig:
    match = _SERVER.fullmatch(server)
    port = int(match[3]) if match and match[3] else 0
    if not match or port > 65_535 or (match[3] and not port):
        _refuse(
            source, f"server: this is no address of an API server: {show(server)}; allowed: https://HOST[:PORT][/PATH]"
        )
    is_tls = match[1] == "https"
    return ClusterConfig(
        server=server.rstrip("/"),
        host=match[2].strip("[]"),
        port=port or (443 if is_tls else 80),
        prefix=(match[4] or "").rstrip("/"),
        is_tls=is_tls,
    )


def _current_context(value: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    name = _text(value, "current-context", source)
    contexts = value.get("contexts") or []
    if not name and isinstance(contexts, list) and len(contexts) == 1 and isinstance(contexts[0], dict):
        name = _text(contexts[0], "name", source)
    if not name:
        _refuse(source, "current-context is not set, and there is not just one context")
    return _named(value, "contexts", "context", name, source=source)


def _named(value: Mapping[str, Any], plural: str, key: str, name: str, *, source: str) -> dict[str, Any]:
    entries = value.get(plural) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        _refuse(source, f"{plural} is not a list of mappings")
    entry = next((entry for entry in entries if entry.get("name") == name), None)
    if entry is None:
        _refuse(source, f"{plural} has no {show(name)}")
    found = entry.get(key) or {}
    if not isinstance(found, dict):
        _refuse(source, f"{plural}: {key} of {show(name)} is not a mapping")
    return found


def _text(value: Mapping[str, Any], key: str, source: str) -> str:
    found = value.get(key)
    if found is None:
        return ""
    if not isinstance(found, str):
        _refuse(source, f"{key} is not text: {show(found)}")
    return found


def _file_or_data(value: Mapping[str, Any], key: str, field: str, *, source: str, directory: str) -> dict[str, str]:
    """Return the `*_file` or the `*_data` field; data count first, as in client-go."""
    data = _text(value, f"{key}-data", source)
    if not data:
        return {f"{field}_file": _absolute(_text(value, key, source), directory)}
    from binascii import Error, a2b_base64  # noqa: PLC0415 - paid for by those who have data

    try:
        return {f"{field}_data": a2b_base64(data, strict_mode=True).decode("ascii")}
    except (Error, UnicodeDecodeError):
        _refuse(source, f"{key}-data is not PEM text in base64")


def _is_insecure(cluster: Mapping[str, Any], *, source: str, allow_insecure: bool) -> bool:
    found = cluster.get("insecure-skip-tls-verify") or False
    if not isinstance(found, bool) and found not in ("true", "false"):
        _refuse(source, f"insecure-skip-tls-verify: {show(found)}; allowed: true, false")
    is_insecure = found in (True, "true")
    if is_insecure and not allow_insecure:
        _refuse(source, "insecure-skip-tls-verify would hand the token to anybody; set certificate-authority-data")
    return is_insecure


def _absolute(path: str, directory: str) -> str:
    return os.path.join(directory, path) if path else ""  # noqa: PTH118 - no pathlib here


def _read(path: str, *, what: str = "kubeconfig") -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - no pathlib here
            text = file.read(FILE_BYTES_MAX + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise CniError(INVALID_NETWORK_CONFIG, f"{path}: the {what} cannot be read: {reason}") from error
    if len(text) > FILE_BYTES_MAX:
        _refuse(path, f"the {what} has more than {FILE_BYTES_MAX} characters")
    return text


def _refuse(source: str, what: str) -> NoReturn:
    raise CniError(INVALID_NETWORK_CONFIG, f"{source}: {what}")


def _parse_text(text: str, *, source: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            _refuse(source, f"the kubeconfig is not JSON: {error}")
    else:
        value = _Lines(text, source=source).parse()
    if not isinstance(value, dict):
        _refuse(source, "the kubeconfig is not a mapping")
    return value


class _Lines:
    """The lines of a YAML text that say something: (number, indent, text), in a list that `parse` walks through."""

    def __init__(self, text: str, *, source: str) -> None:
        self.source = source
        self.at = 0
        self.lines: list[tuple[int, int, str]] = []
        for number, line in enumerate(text.split("\n"), start=1):
            said = line.rstrip()
            stripped = said.lstrip(" ")
            if not stripped or stripped.startswith("#") or (said == "---" and not self.lines):
                continue
            self.lines.append((number, len(said) - len(stripped), stripped))

    def parse(self) -> object:
        value = self.block(self.lines[0][1], depth=0) if self.lines else {}
        if self.at < len(self.lines):
            self.refuse()
        return value

    def refuse(self, why: str = "this line cannot be read") -> NoReturn:
        number, _, text = self.lines[min(self.at, len(self.lines) - 1)]
        # NB: the line may hold a credential, so no more than its key is shown.
        _refuse(self.source, f"line {number}: {why}: {show(text.partition(':')[0][:24])}; {SUPPORTED}")

    def block(self, indent: int, *, depth: int) -> object:
        if depth > DEPTH_MAX:
            self.refuse("the nesting is too deep")
        return self.list_at(indent, depth) if self.is_item(indent) else self.mapping_at(indent, depth)

    def is_item(self, indent: int) -> bool:
        """Say whether the present line is an item of a list at this indent."""
        if self.at == len(self.lines):
            return False
        _, here, text = self.lines[self.at]
        return here == indent and (text == "-" or text.startswith("- "))

    def is_deeper(self, indent: int) -> bool:
        return self.at < len(self.lines) and self.lines[self.at][1] > indent

    def list_at(self, indent: int, depth: int) -> list[object]:
        items: list[object] = []
        while self.is_item(indent):
            number, _, text = self.lines[self.at]
            rest = text[1:].lstrip(" ")
            if rest and not _ENTRY.fullmatch(rest):
                items.append(self.scalar(rest))
                self.at += 1
                continue
            if rest:  # the item's first entry stands on the line of its dash
                self.lines[self.at] = (number, indent + len(text) - len(rest), rest)
            else:
                self.at += 1
            items.append(self.block(self.lines[self.at][1], depth=depth + 1) if self.is_deeper(indent) else "")
        return items

    def mapping_at(self, indent: int, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        while self.at < len(self.lines) and self.lines[self.at][1] == indent and not self.is_item(indent):
            match = _ENTRY.fullmatch(self.lines[self.at][2])
            if not match:
                self.refuse()
            key, rest = match[1].strip("\"'"), match[2] or ""
            if key in found:
                self.refuse("the key stands twice")
            value: object = self.scalar(rest)
            self.at += 1
            if value == "" and (not rest or rest.startswith("#")):
                if self.is_deeper(indent):
                    value = self.block(self.lines[self.at][1], depth=depth + 1)
                elif self.is_item(indent):
                    value = self.list_at(indent, depth + 1)
            found[key] = value
        return found

    def scalar(self, text: str) -> Any:
        quoted = _QUOTED.fullmatch(text)
        if quoted:
            return self.unquote(quoted[1])
        plain = "" if text.startswith("#") else re.split(r"\s#", text, maxsplit=1)[0].rstrip()
        if plain in _EMPTY:
            return _EMPTY[plain]
        if plain in {"null", "~"}:
            return None
        if plain[0] in "\"'&*!|>%@`{}[],?" or ": " in plain or plain[-1] == ":" or "\t" in plain or plain[:2] == "- ":
            self.refuse()
        return plain

    def unquote(self, text: str) -> str:
        if text[0] == "'":
            return text[1:-1].replace("''", "'")
        try:
            return str(json.loads(text))
        except ValueError:
            self.refuse("this escape is not known")
