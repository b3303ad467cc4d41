"""The address of the API server and the credentials for it: from a kubeconfig, or from the service account of a pod.

In this order: the kubeconfig that the user named, the service account of the pod, the user's own kubeconfig
(`$KUBECONFIG`, else `~/.kube/config`). Every file is read with a bound on its size and on the wait for it. The file of
a token is read again each minute, because the kubelet replaces it; if that fails, the last token stays.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

from webhook.files import advice, load_file, within

from .apierrors import ClusterError
from .execplugin import Credential, ExecPlugin, Pair
from .kubeconfig import Content, KubeconfigError, User, current_context, current_namespace

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SERVICE_HOST, SERVICE_PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
FILE_BYTES_MAX = 1_048_576
TOKEN_AGE_S = 60.0
"""The kubelet replaces a token when a fifth of its life is left, and a life is at least ten minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The address of the API server, and what a connection to it needs.

    `credential` may read a file or run a program, and raises ClusterError. `pair`: its client certificate at first.
    `ca`: PEM, None for the authorities of this machine. `server_name`: "" for the name in the address. `proxy`: "" for
    that of the environment.
    """

    server: str
    credential: Callable[[], Credential]
    pair: Pair | None = None
    ca: bytes | None = None
    server_name: str = ""
    is_insecure: bool = False
    proxy: str = ""


def load_access(
    kubeconfig: Path | None, *, environ: Mapping[str, str], service_account: Path = SERVICE_ACCOUNT
) -> Access:
    """Return the address of the API server and the credentials. Raises ClusterError for mistakes of the user."""
    if kubeconfig is not None:
        return _load_kubeconfig(str(kubeconfig), hint="name a file that kubectl --kubeconfig can use")
    if SERVICE_HOST in environ and _exists(service_account / "token"):
        return _load_service_account(service_account, environ)
    files = environ.get("KUBECONFIG") or "~/.kube/config"
    return _load_kubeconfig(
        files, hint="give --kubeconfig FILE, set KUBECONFIG, or run in a pod with a service account"
    )


def load_namespace(
    kubeconfig: Path | None, *, environ: Mapping[str, str], service_account: Path = SERVICE_ACCOUNT
) -> str:
    """Return the namespace of the service account or of the kubeconfig's current context, "" if it names none.

    The order is that of `load_access`. Raises ClusterError.
    """
    if kubeconfig is None and SERVICE_HOST in environ and _exists(service_account / "token"):
        file = service_account / "namespace"
        return _load(file, str(file)).decode("utf-8", "replace").strip() if _exists(file) else ""
    files = str(kubeconfig) if kubeconfig is not None else environ.get("KUBECONFIG") or "~/.kube/config"
    try:
        return current_namespace(_read_kubeconfigs(files, hint="name a file that kubectl --kubeconfig can use"))
    except KubeconfigError as error:
        raise ClusterError(f"{files}: the kubeconfig cannot be used: {error}") from None


def _load_service_account(directory: Path, environ: Mapping[str, str]) -> Access:
    host, port = environ[SERVICE_HOST], environ.get(SERVICE_PORT, "")
    where = f"{directory}: the service account cannot be used"
    if not host or not port:
        raise ClusterError(f"{where}: {SERVICE_HOST} or {SERVICE_PORT} is empty; the kubelet sets both")
    contents = []
    for file in (directory / "token", directory / "ca.crt"):
        content = _load(file, f"{file}: the service account cannot be used")
        if not content.strip():
            raise ClusterError(f"{where}: {file.name} is empty; mount its token and its ca.crt")
        contents.append(content)
    token, ca = contents
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Access(server=server, credential=TokenFile(directory / "token", token).credential, ca=ca)


class TokenFile:
    """The token in a file, read again when it is TOKEN_AGE_S old. Safe for threads: at worst two of them read."""

    def __init__(self, path: Path, token: bytes, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._token = _bearer(token)
        self._clock = clock
        self._read_at = clock()

    def credential(self) -> Credential:
        """Return the token; the last one if the file cannot be read."""
        if self._clock() - self._read_at >= TOKEN_AGE_S:
            self._read_at = self._clock()
            try:
                self._token = _bearer(load_file(self._path, bytes_max=FILE_BYTES_MAX)) or self._token
            except OSError:
                return Credential(self._token)  # if it has ended, the response 401 makes the caller load all anew
        return Credential(self._token)


def _bearer(token: bytes) -> str:
    text = token.decode("utf-8", "replace").strip()
    return f"Bearer {text}" if text else ""


# A kubeconfig


def _load_kubeconfig(files: str, *, hint: str) -> Access:
    """NB: KUBECONFIG may name several files. Those that do not exist are skipped, as in kubectl."""
    where = f"{files}: the kubeconfig cannot be used"
    try:
        cluster, user = current_context(_read_kubeconfigs(files, hint=hint))
    except KubeconfigError as error:
        raise ClusterError(f"{where}: {error}; {hint}") from None
    server = _without_user(cluster.server)
    read = partial(_load_content, where=where)
    pair = None
    if user.certificate is not None and user.key is not None and server.startswith("https:"):
        pair = Pair(read(user.certificate), read(user.key))
    return Access(
        server=server,
        credential=_credential_of(user, server, pair, read),
        pair=pair,
        ca=None if cluster.authority is None or cluster.is_insecure else read(cluster.authority),
        server_name=cluster.server_name,
        is_insecure=cluster.is_insecure,
        proxy=cluster.proxy,
    )


def _read_kubeconfigs(files: str, *, hint: str) -> list[tuple[PurePath, object]]:
    paths = [Path(file).expanduser() for file in files.split(":") if file]
    present = [path for path in paths if _exists(path)]
    if not present:
        raise ClusterError(f"{files}: no such kubeconfig; {hint}")
    parsed: list[tuple[PurePath, object]] = []
    for path in present:
        try:
            parsed.append((path, _parse(path)))
        except KubeconfigError as error:
            raise ClusterError(f"{path}: the kubeconfig cannot be used: {error}; {hint}") from None
    return parsed


def _credential_of(
    user: User, server: str, pair: Pair | None, read: Callable[[Content], bytes]
) -> Callable[[], Credential]:
    """Return the way to the credentials of a user: a token before a program, a program before a password."""
    if user.token_file is not None:
        path = Path(user.token_file)
        file = TokenFile(path, read(Content("tokenFile", None, path)))
        return lambda: Credential(file.credential().authorization, pair)
    if user.token:
        return lambda: Credential(f"Bearer {user.token}", pair)
    if user.exec is not None:
        plugin = ExecPlugin(user.exec, server)
        return lambda: _joined(plugin.credential(), pair)
    if user.login is not None:
        login = b64encode(":".join(user.login).encode()).decode()
        return lambda: Credential(f"Basic {login}", pair)
    return lambda: Credential("", pair)


def _joined(found: Credential, pair: Pair | None) -> Credential:
    return found if found.pair is not None else Credential(found.authorization, pair)


def _without_user(url: str) -> str:
    """Return a URL without `user:password@`, which urllib3 does not send and every message would show."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


def _parse(path: Path) -> object:
    """Return a parsed file. NB: PyYAML's own errors quote the file."""
    import yaml  # noqa: PLC0415 - a service account needs none

    text = _load(path, f"{path}: the kubeconfig cannot be used")
    try:
        return yaml.safe_load(text)  # the C loader has no limit of its stack
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        raise KubeconfigError(f"it is not YAML{at}") from None
    except UnicodeDecodeError:
        raise KubeconfigError("it is not UTF-8") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        raise KubeconfigError("it is not YAML") from None


# Files


def _load_content(content: Content, *, where: str) -> bytes:
    return _load(content.path, f"{where}: {content.key}") if content.data is None else content.data


def _exists(path: Path) -> bool:
    """Raises ClusterError if the file system does not answer."""
    try:
        return within(path, path.exists)
    except OSError as error:
        raise ClusterError(f"{path}: cannot be read: {error.strerror}; {advice(error, 'name another file')}") from error


def _load(file: PurePath, where: str) -> bytes:
    """Return the content of a file. Raises ClusterError, which begins with `where`."""
    try:
        return load_file(Path(file), bytes_max=FILE_BYTES_MAX)
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        fix = advice(error, "name a file that this user may read")
        raise ClusterError(f"{where}: {reason}; {fix}") from None
