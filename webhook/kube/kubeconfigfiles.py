"""The files that the Kubernetes client is going to read: looked at first, because it would wait for ever for some.

A named pipe at a kubeconfig, or at a file that a kubeconfig names, waits for its writer; a file system without its
server never answers. No message has a value of the kubeconfig: the files that it names are named by their keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from webhook.files import advice, load_file, within

from .apierrors import ClusterError

FILE_BYTES_MAX = 1_048_576
KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""What names a file, in `clusters[].cluster` and `users[].user`."""


def exists(path: Path) -> bool:
    """Say whether a file is there. Raises ClusterError if its file system does not answer."""
    try:
        return within(path, path.exists)
    except OSError as error:
        raise ClusterError(f"{path}: cannot be read: {error.strerror}; {advice(error, 'name another file')}") from error


def check(files: Iterable[Path], what: str) -> None:
    """Raise ClusterError for files that are there and cannot be read at once."""
    for file in files:
        _load(file, f"{file}: {what} cannot be used")


def check_kubeconfigs(paths: Iterable[Path]) -> None:
    """Raise ClusterError for kubeconfigs, and files named in them, that are there and cannot be read at once."""
    for path in paths:
        content = _load(path, f"{path}: the kubeconfig cannot be used")
        for key, file in _named_files(content):
            _load(path.parent / file, f"{path}: the kubeconfig cannot be used: {key}")


def _load(file: Path, where: str) -> bytes:
    """Return the content, b"" for a file that is not there, which the client says in its own way."""
    try:
        return load_file(file, bytes_max=FILE_BYTES_MAX)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        fix = advice(error, "name a file that this user may read")
        raise ClusterError(f"{where}: {reason}; {fix}") from None


def _named_files(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield key and path; nothing for what is no kubeconfig, which the client finds."""
    try:
        value = yaml.safe_load(content)  # as the client does; the C loader has no limit of its stack
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    for plural, singular in (("clusters", "cluster"), ("users", "user")):
        entries = value.get(plural) if isinstance(value, dict) else None
        for entry in entries if isinstance(entries, list) else ():
            member = entry.get(singular) if isinstance(entry, dict) else None
            named = member if isinstance(member, dict) else {}
            yield from ((key, named[key]) for key in KEYS if isinstance(named.get(key), str) and named[key])
