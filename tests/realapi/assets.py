"""Finds the programs of a control plane, or says how to install them."""

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
    """Return the programs; None if the variable is unset and the usual place lacks one of them.

    Raises AssetsError if the variable names a directory that lacks one: a skip would hide that mistake.
    """
    given = os.environ.get(VARIABLE)
    directory = Path(given).absolute() if given else USUAL_PLACE  # they run in another directory
    missing = [name for name in NEEDED if not os.access(directory / name, os.X_OK)]
    if missing and given:
        raise AssetsError(f"{VARIABLE}={given}: it has no {' and no '.join(missing)} that can be run; {HOW_TO}")
    if missing:
        return None
    kubectl = shutil.which("kubectl", path=f"{directory}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    return Assets(directory / "kube-apiserver", directory / "etcd", Path(kubectl) if kubectl else None)
