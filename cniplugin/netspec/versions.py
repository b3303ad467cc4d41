"""The versions of the CNI specification, and how they compare (cni pkg/version)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeGuard

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
"""Every released version of the CNI specification, oldest first (cni pkg/version/version.go)."""

VERSION_WHEN_ABSENT = VERSIONS[0]
"""CNI pkg/types/create: a configuration without `cniVersion` speaks 0.1.0."""


def is_version(value: object) -> TypeGuard[str]:
    """Say whether a value is written like a version: one to three numbers."""
    if not isinstance(value, str) or not value.isascii():
        return False
    parts = value.split(".")
    return len(parts) <= 3 and all(part.isdigit() and len(part) <= 9 for part in parts)


def number(version: str) -> tuple[int, ...]:
    """Return three numbers: "1.1" is 1.1.0 (cni pkg/version/plugin.go ParseVersion)."""
    numbers = [int(part) for part in version.split(".")]
    return (*numbers, 0, 0)[:3]


_NUMBERS = {version: number(version) for version in VERSIONS}
_NEWEST = number(VERSIONS[-1])


def choose_version(conf: Mapping[str, object]) -> str:
    """Return the highest of `cniVersion` and `cniVersions` up to the newest we know (libcni conf.go:116-160)."""
    written = conf.get("cniVersion")
    if written in VERSIONS and "cniVersions" not in conf:  # nearly always
        return str(written)
    written = written if isinstance(written, str) else ""
    listed = conf.get("cniVersions")
    texts = [version for version in (listed if isinstance(listed, list) else ()) if isinstance(version, str)]
    # NB: each version once, in its order: of two with the same number, the first released one wins.
    pool = [
        (read, version in _NUMBERS, version)
        for version in dict.fromkeys((*texts, written))
        if is_version(version) and (read := _NUMBERS.get(version) or number(version)) <= _NEWEST
    ]
    if not pool:
        return written or VERSION_WHEN_ABSENT
    return max(pool, key=lambda entry: entry[:2])[2]
