"""What helm renders is what kustomize builds, for every combination of values that has an overlay or components.

The Namespace is the exception, because helm makes it, or finds it; the kinds are in `crds`, which helm installs first.
"""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts import copies
from charts.copies import CHART, profiles
from tests.manifests.rendered import KUBECTL, OVERLAYS, PROFILES, Object, build, identity, render
from tests.paths import MANIFESTS

from .helm import needs_helm, objects

pytestmark = pytest.mark.slow
NODE = {"enabled": True}
Values = dict[str, Any]


def by_identity(found: list[Object]) -> dict[tuple[str, str, str], Object]:
    """Return objects by kind, namespace and name, without the Namespace and the kinds; none is there twice."""
    kept = [each for each in found if each["kind"] not in ("Namespace", "CustomResourceDefinition")]
    made = {identity(each): each for each in kept}
    assert len(made) == len(kept)
    return made


def combine(folder: Path, resources: list[str], components: list[str]) -> list[Object]:
    """Return what kustomize builds of some directories of manifests/."""
    here = Path(os.path.relpath(MANIFESTS, folder))
    value = {
        "resources": [str(here / name) for name in resources],
        "components": [str(here / "components" / name) for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(value))
    return list(yaml.safe_load_all(build(folder)))


OVERLAY_VALUES: dict[str, Values] = {
    "overlays/cert-manager": {"tls": {"mode": "cert-manager"}},
    "overlays/ha": {"ha": True},
    "overlays/monitoring": {"monitoring": {"enabled": True}},
    "overlays/reports": {"reports": {"enabled": True}},
    "overlays/node": {"node": NODE},
    "overlays/production": {"node": NODE, "ha": True, "monitoring": {"enabled": True}},
}
NO_CHART = {"overlays/registered-by-hand", "overlays/ipamclaim"}
"""What the chart leaves to kustomize."""


@needs_helm
@pytest.mark.parametrize("overlay", OVERLAY_VALUES)
def test_each_overlay(overlay: str) -> None:
    values = {**OVERLAY_VALUES[overlay], "access": {"create": False}}
    assert by_identity(objects(values)) == by_identity(render(overlay))


def test_no_overlay_is_forgotten() -> None:
    assert OVERLAY_VALUES.keys() | NO_CHART == set(OVERLAYS)
    assert [f"node-profiles/{name}" for name in profiles()] == list(PROFILES)


@needs_helm
def test_the_defaults_are_the_manifests_and_the_posture() -> None:
    assert by_identity(objects({})) == by_identity([*render("."), *render("posture")])


COMBINATIONS = [
    pytest.param(
        tls,
        ha,
        monitoring,
        reports,
        node,
        id=f"{tls}{'-ha' * ha}{'-monitoring' * monitoring}{'-reports' * reports}-{node or 'webhook'}",
    )
    for tls, ha, monitoring, reports, node in itertools.product(
        ("own", "cert-manager"), (False, True), (False, True), (False, True), (None, "node", *profiles())
    )
]


@needs_helm
@pytest.mark.parametrize(("tls", "ha", "monitoring", "reports", "node"), COMBINATIONS)
def test_combinations(tmp_path: Path, tls: str, node: str | None, *, ha: bool, monitoring: bool, reports: bool) -> None:
    chosen = {
        "cert-manager": tls == "cert-manager",
        "ha": ha,
        "monitoring": monitoring,
        "attached-by-nadmit": node,
        "reports": reports,
    }
    resources = ["base", *([] if node is None else ["node" if node == "node" else f"node-profiles/{node}"])]
    built = combine(tmp_path, resources, [name for name, is_on in chosen.items() if is_on])
    values: Values = {
        "tls": {"mode": tls},
        "ha": ha,
        "monitoring": {"enabled": monitoring},
        "reports": {"enabled": reports},
        "node": {"enabled": node is not None, "profile": "" if node in (None, "node") else node},
        "access": {"create": False},
    }
    assert by_identity(objects(values)) == by_identity(built)


@needs_helm
@pytest.mark.parametrize("profile", ["", *profiles()])
def test_the_uninstall_of_the_node_plugin(profile: str) -> None:
    values = {"node": {"enabled": True, "uninstall": True, "profile": profile}}
    built = render(f"node-profiles/{profile}/uninstall" if profile else "node-uninstall")
    found = by_identity(objects(values))
    assert {key: found.get(key) for key in by_identity(built)} == by_identity(built)


def changed(value: Object, change: Callable[[Object], None]) -> Object:
    made = copy.deepcopy(value)
    change(made)
    return made


def name_secret(deployment: Object) -> None:
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    (tls,) = [each for each in volumes if each["name"] == "tls"]
    tls["secret"]["secretName"] = "mine"


@needs_helm
def test_a_secret_of_your_own_is_read_like_that_of_cert_manager() -> None:
    found = by_identity(objects({"tls": {"mode": "secret", "secretName": "mine"}, "access": {"create": False}}))
    expected = {
        key: value
        for key, value in by_identity(render("overlays/cert-manager")).items()
        if not value["apiVersion"].startswith("cert-manager.io/")
    }
    for key, value in expected.items():
        if key[0].endswith("WebhookConfiguration"):
            expected[key] = changed(value, lambda made: made["metadata"].pop("annotations"))
        if key[0] == "Deployment":
            expected[key] = changed(value, name_secret)
    assert found == expected


@needs_helm
def test_another_namespace_is_the_only_difference() -> None:
    values = {"tls": {"mode": "cert-manager"}, "monitoring": {"enabled": True}}
    here, there = (objects(values, namespace=name) for name in ("nadmit-system", "net-admission"))
    assert "nadmit-system" not in yaml.safe_dump(there)
    renamed = yaml.safe_load(yaml.safe_dump(here).replace("nadmit-system", "net-admission"))
    assert by_identity(there) == by_identity(renamed)


def test_the_copies_are_up_to_date() -> None:
    """Templates read these, so a change of the manifests needs `make golden`."""
    assert KUBECTL == copies.KUBECTL
    there = {
        path.relative_to(CHART).as_posix(): path.read_text()
        for folder in ("files", "crds")
        for path in (CHART / folder).rglob("*.yaml")
    }
    assert there == copies.copies(), "run make golden"


def test_the_kinds_are_those_of_the_manifests() -> None:
    kinds = [yaml.safe_load(path.read_text()) for path in (CHART / "crds").iterdir()]
    assert {identity(each): each for each in kinds} == {identity(each): each for each in render("crds")}
