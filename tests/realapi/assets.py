"""The programs of a control plane: where they are, or what to do to have them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

VARIABLE = "KUBEBUILDER_ASSETS"
"""As in controller-runtime's envtest: a directory with kube-apiserver, etcd and kubectl."""
USUAL_PLACE = Path("/usr/local/kubebuilder/bin")
NEEDED = ("kube-apiserver", "etcd")
HOW_TO = (
    f"a real API server is not asked: there is no {' and '.join(NEEDED)}; "
    f"set {VARIABLE} to a directory with both, or put them into {USUAL_PLACE}"
)


class AssetsError(Exception):
    """The variable names a directory that lacks a program."""


class Assets(NamedTuple):
    """Paths of programs; kubectl may be missing."""

    kube_apiserver: Path
    etcd: Path
    kubectl: Path | None


def find_assets() -> Assets | None:
    """Return the programs, None if nobody named a directory and the usual place has not all of them.

    Raises AssetsError if somebody named a directory that lacks one: then they are wanted, and a skip would hide it.
    """
    given = os.environ.get(VARIABLE)
    directory = Path(given).absolute() if given else USUAL_PLACE  # they run elsewhere
    missing = [name for name in NEEDED if not os.access(directory / name, os.X_OK)]
    if missing and given:
        raise AssetsError(f"{VARIABLE}={given}: it has no {' and no '.join(missing)} that can be run; {HOW_TO}")
    if missing:
        return None
    kubectl = shutil.which("kubectl", path=f"{directory}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    return Assets(directory / "kube-apiserver", directory / "etcd", Path(kubectl) if kubectl else None)
