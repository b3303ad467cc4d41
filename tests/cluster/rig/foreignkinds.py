"""Kinds of other programs at a real API server: small CustomResourceDefinitions that accept every field."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer

from .registered import Object

WITHOUT_STATUS = frozenset({"VirtualMachineInstance"})
VERSIONS = {"argoproj.io": "v1alpha1", "pool.kubevirt.io": "v1beta1", "instancetype.kubevirt.io": "v1beta1"}


def definition(group: str, kind: str, plural: str, *, scope: str = "Namespaced") -> Object:
    """Return a CustomResourceDefinition that accepts every field."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": VERSIONS.get(group, "v1"),
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        **({} if kind in WITHOUT_STATUS else {"subresources": {"status": {}}}),
    }
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "names": names, "scope": scope, "versions": [version]},
    }


def place_of(made: Object) -> tuple[str, str, str]:
    """Return group, version and plural of a definition."""
    spec = made["spec"]
    return spec["group"], spec["versions"][0]["name"], spec["names"]["plural"]


def _is_served(api: RealApiServer, path: str) -> bool:
    return api.ask("GET", path).status == 200


@contextmanager
def installed(api: RealApiServer, *definitions: Object) -> Iterator[None]:
    """Install kinds until they are served; remove them and their objects in the end."""
    for one in definitions:
        api.put(one)
    for one in definitions:
        wait_until(partial(_is_served, api, "/apis/{}/{}/{}".format(*place_of(one))))
    try:
        yield
    finally:
        for one in definitions:
            name = one["metadata"]["name"]
            api.ask("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")


def made(group: str, kind: str, spec: Object, *, name: str = "db", **metadata: Any) -> Object:
    where = {} if "Cluster" in kind else {"namespace": "blue"}
    return {
        "apiVersion": f"{group}/{VERSIONS.get(group, 'v1')}",
        "kind": kind,
        "metadata": {"name": name, **where, **metadata},
        "spec": spec,
    }
