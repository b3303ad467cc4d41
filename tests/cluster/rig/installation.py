"""A second real API server, with manifests/ applied by kubectl as an operator does.

The shared one must stay as other tests expect it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from tests.fakes.waiting import wait_until
from tests.manifests.rendered import KUBECTL, find
from tests.paths import MANIFESTS
from tests.realapi.assets import HOW_TO, Assets, find_assets
from tests.realapi.server import RealApiServer

Object = dict[str, Any]

NAMESPACE, ACCOUNT = "nadmit-system", "nadmit-webhook"
OF_THE_PROCESS = ("serve", "--cluster", "--listen", "--probe-listen", "--drain-seconds")
"""The arguments that tests set; all other arguments are the Deployment's."""


@contextmanager
def empty_server() -> Iterator[RealApiServer]:
    """Run a server with only the objects of every cluster; without its programs the test is skipped."""
    assets = find_assets()
    if assets is None:
        pytest.skip(HOW_TO)
    with RealApiServer(Assets(assets.kube_apiserver, assets.etcd, KUBECTL)) as server:
        yield server


@contextmanager
def installed_server() -> Iterator[RealApiServer]:
    """Run a server on which everything is installed, with the posture. The API server does not serve new kinds at once."""
    with empty_server() as server:
        done = apply(server, ".")
        assert done.returncode == 0, done.stderr
        wait_until(lambda: apply(server, "posture").returncode == 0)
        yield server


def webhook_options(server: RealApiServer, url: str, build: str = ".") -> list[str]:
    """Return the Deployment's arguments for a process with its account, which the API server calls at a URL.

    `build`: the directory of manifests/ that is installed.
    """
    pod = find(build, "Deployment", "nadmit-webhook")["spec"]["template"]["spec"]
    given = [word for word in pod["containers"][0]["args"] if word.partition("=")[0] not in OF_THE_PROCESS]
    kubeconfig = server.kubeconfig_for(NAMESPACE, pod["serviceAccountName"])
    return [*given, "--kubeconfig", str(kubeconfig), "--webhook-url", url]


def apply(server: RealApiServer, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `kubectl apply -k` of a directory of manifests/."""
    return server.kubectl("apply", "-k", str(MANIFESTS / name), *words)


def apply_objects(server: RealApiServer, objects: Sequence[Object], *words: str) -> subprocess.CompletedProcess[str]:
    """Run `kubectl apply` of objects."""
    return server.kubectl("apply", "-f", "-", *words, stdin=yaml.safe_dump_all(objects))


def versions(server: RealApiServer, objects: Sequence[Object]) -> dict[str, str]:
    """Return the resourceVersion of each object, which changes with every effective write."""
    return {path: str(server.must("GET", path)["metadata"]["resourceVersion"]) for path in map(server.path_of, objects)}
