"""The address of the API server and the credentials for it: from a kubeconfig, or from the service account of a pod.

In this order: the kubeconfig that the user named, the service account of the pod, the user's own kubeconfig
(`$KUBECONFIG`, else `~/.kube/config`). The official client reads them. Two things are ours:

- Every file is read once before the client reads it. The client would wait forever for the writer of a named pipe, or
  for a file system whose server is gone.
- No message contains a value of a kubeconfig. The client's errors name an entry by its whole content (`Expected key
  command in f/{'name': 'u', 'user': {'token': ...`), so their text is never shown; the beginning of the sentence, which
  is the client's own, says what is wrong. Files that a kubeconfig names appear by their keys.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml
from kubernetes.client import Configuration
from kubernetes.config import ConfigException, load_kube_config
from kubernetes.config.incluster_config import SERVICE_HOST_ENV_NAME, SERVICE_TOKEN_FILENAME, InClusterConfigLoader

from webhook.files import advice, load_file, within

from .apierrors import ClusterError

SERVICE_ACCOUNT = Path(SERVICE_TOKEN_FILENAME).parent
FILE_BYTES_MAX = 1_048_576
FILE_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""The keys in `clusters[].cluster` and `users[].user` whose values are paths."""

BROKEN_KUBECONFIG = (
    ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError, LookupError, RecursionError
)  # fmt: skip
"""The errors of the client for a broken kubeconfig: its own error for a few mistakes, and Python's for all others."""


def load_configuration(
    kubeconfig: Path | None, *, environ: Mapping[str, str], service_account: Path = SERVICE_ACCOUNT
) -> Configuration:
    """Return the address of the API server and the credentials. Raises ClusterError for mistakes of the user."""
    if kubeconfig is not None:
        return _load_kubeconfig(str(kubeconfig), hint="name a file that kubectl --kubeconfig can use")
    if SERVICE_HOST_ENV_NAME in environ and _exists(service_account / "token"):
        return _load_service_account(service_account, environ)
    files = environ.get("KUBECONFIG") or "~/.kube/config"
    return _load_kubeconfig(
        files, hint="give --kubeconfig FILE, set KUBECONFIG, or run in a pod with a service account"
    )


def _load_service_account(directory: Path, environ: Mapping[str, str]) -> Configuration:
    token, ca = directory / "token", directory / "ca.crt"
    for file in (token, ca):
        _load(file, f"{file}: the service account cannot be used")
    configuration = Configuration()
    loader = InClusterConfigLoader(str(token), str(ca), environ=environ)  # type: ignore[no-untyped-call]  # the client's
    try:
        loader.load_and_set(configuration)  # type: ignore[no-untyped-call]  # as above
    except (ConfigException, OSError) as error:
        text = f"{directory}: the service account cannot be used: {error}; mount its token and its ca.crt"
        raise ClusterError(text) from error
    return configuration


def _load_kubeconfig(files: str, *, hint: str) -> Configuration:
    """NB: KUBECONFIG may name several files. Those that do not exist are skipped, as in kubectl."""
    paths = [Path(file).expanduser() for file in files.split(":") if file]
    if not any(_exists(path) for path in paths):
        raise ClusterError(f"{files}: no such kubeconfig; {hint}")
    _check_kubeconfigs(paths)
    logging.getLogger().addFilter(_FILTER)  # the logger that the client uses; a second time changes nothing
    configuration = Configuration()
    unset = configuration.host
    try:
        load_kube_config(  # type: ignore[no-untyped-call]  # the client's
            config_file=files, client_configuration=configuration, persist_config=False
        )
    except BROKEN_KUBECONFIG as error:
        raise ClusterError(f"{files}: the kubeconfig cannot be used: {explain_kubeconfig(error)}; {hint}") from None
    if configuration.host == unset:
        raise ClusterError(f"{files}: the cluster of the current context names no server; {hint}")
    if not configuration.host.startswith(("https://", "http://")):
        raise ClusterError(f"{files}: the server is not an address; write it as https://HOST:PORT")
    configuration.host = _without_user(configuration.host)
    return configuration


def _without_user(url: str) -> str:
    """Return a URL without `user:password@`, which urllib3 does not send and every message would show."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


# Files, before the client reads them


def _exists(path: Path) -> bool:
    """Raises ClusterError if the file system does not answer."""
    try:
        return within(path, path.exists)
    except OSError as error:
        raise ClusterError(f"{path}: cannot be read: {error.strerror}; {advice(error, 'name another file')}") from error


def _check_kubeconfigs(paths: Iterable[Path]) -> None:
    """Raise ClusterError for a kubeconfig that exists, or a file that it names, which cannot be read at once."""
    for path in paths:
        content = _load(path, f"{path}: the kubeconfig cannot be used")
        for key, file in _named_files(content):
            _load(path.parent / file, f"{path}: the kubeconfig cannot be used: {key}")


def _load(file: Path, where: str) -> bytes:
    """Return the content; b"" for a missing file, which the client reports."""
    try:
        return load_file(file, bytes_max=FILE_BYTES_MAX)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        fix = advice(error, "name a file that this user may read")
        raise ClusterError(f"{where}: {reason}; {fix}") from None


def _named_files(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield key and path of the files that a kubeconfig names. The client reports anything malformed."""
    try:
        value = yaml.safe_load(content)  # as the client does; the C loader has no limit of its stack
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    for plural, singular in (("clusters", "cluster"), ("users", "user")):
        entries = value.get(plural) if isinstance(value, dict) else None
        for entry in entries if isinstance(entries, list) else ():
            member = entry.get(singular) if isinstance(entry, dict) else None
            fields = member if isinstance(member, dict) else {}
            yield from ((key, fields[key]) for key in FILE_KEYS if isinstance(fields.get(key), str) and fields[key])


# The client's errors, without any value

_SENTENCES: tuple[tuple[str, str], ...] = (
    (r"Invalid kube-config file\. Expected key ([A-Za-z-]+) in ", 'it has no "{}" where one is needed'),
    (r"Invalid kube-config file\. Expected object with name ", "a name that a context gives is not in its list"),
    (r"Invalid kube-config file\. Expected only one object ", "a name is in its list twice; keep one of them"),
    (r"Invalid kube-config file\. Expected all values in ", "an entry of a list has no name"),
    (r"Invalid kube-config file\. Expected .* to be a list", "clusters, contexts or users is not a list"),
    (r"Invalid kube-config\. .* file is empty", "it is empty"),
    (r"File does not exist: ", "a file that it names does not exist"),
    (r"Service (token|certification) file does not exist", "the {} file of the service account does not exist"),
    (r"(Token|Cert) file exists but empty", "the {} file of the service account is empty"),
    (r"exec: malformed request\. missing key '([A-Za-z]+)'", 'the exec of its user has no "{}"'),
    (r"exec: process returned ([0-9-]+)", "the program of its user's exec ended with code {}; run it to see why"),
    (r"exec: ", "the answer of the program of its user's exec cannot be used"),
    (r"cmd-path: process returned ([0-9-]+)", "the program of its user's auth-provider ended with code {}"),
)
_OTHER = "it does not have the form of a kubeconfig"


def explain_kubeconfig(error: BaseException) -> str:
    """Return why a kubeconfig cannot be used, in one line, without any value of it."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"it is not YAML at line {mark.line + 1}, column {mark.column + 1}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, OSError):
        return (error.strerror or _OTHER).lower()
    return _reworded(str(error))


def _reworded(sentence: str) -> str:
    for pattern, words in _SENTENCES:
        match = re.match(pattern, sentence, re.DOTALL)
        if match:
            return words.format(*match.groups())
    return _OTHER


class _ClientLogFilter(logging.Filter):
    """Rewords the log of the client's `kube_config`: it catches errors of `exec` and logs them with whole entries."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        if record.module == "kube_config":
            record.msg, record.args = f"nadmit: kubeconfig: {_reworded(record.getMessage())}", None
        return True


_FILTER = _ClientLogFilter()
