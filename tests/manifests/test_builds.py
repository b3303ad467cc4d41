"""Every directory of manifests/ builds, alone and together, and has the intended objects."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import golden_files
from tests.paths import MANIFESTS, ROOT
from webhook.admission.model.injection import INJECT
from webhook.registration.tables import KINDS

from .rendered import BUILDS, OVERLAYS, build, find, identity, pod_specs, render, text_of

pytestmark = pytest.mark.slow
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
IMAGES = {f"nadmit-webhook:{VERSION}", f"nadmit-node:{VERSION}"}


def test_every_kustomization_is_built_by_a_test() -> None:
    found = {path.parent for path in MANIFESTS.rglob("kustomization.yaml")}
    components = {
        path for path in found if yaml.safe_load((path / "kustomization.yaml").read_text())["kind"] == "Component"
    }
    used = {
        (MANIFESTS / name / component).resolve()
        for name in BUILDS
        for component in yaml.safe_load((MANIFESTS / name / "kustomization.yaml").read_text()).get("components", [])
    }
    assert used == components
    assert {(MANIFESTS / name).resolve() for name in BUILDS} == found - components


def test_every_file_is_in_a_build() -> None:
    """Every file is named by a kustomization; otherwise no build would install it."""
    named: set[Path] = set()
    for path in MANIFESTS.rglob("kustomization.yaml"):
        value = yaml.safe_load(path.read_text())
        files = [*value.get("resources", []), *(patch["path"] for patch in value.get("patches", []) if "path" in patch)]
        files += [file for made in value.get("configMapGenerator", []) for file in made["files"]]
        named |= {path.parent / file for file in files}
    found = {path for path in MANIFESTS.rglob("*") if path.suffix in {".yaml", ".json"}}
    assert found - named == set(MANIFESTS.rglob("kustomization.yaml"))


@pytest.mark.parametrize("name", BUILDS)
def test_it_builds(name: str) -> None:
    objects = render(name)
    assert objects
    assert len({identity(value) for value in objects}) == len(objects)
    for value in objects:
        if value["kind"] != "CustomResourceDefinition":
            assert value["metadata"]["labels"]["app.kubernetes.io/part-of"] == "nadmit"


@pytest.mark.parametrize("name", BUILDS)
def test_images_are_ours_of_this_version_and_of_no_registry(name: str) -> None:
    for spec in pod_specs(name).values():
        assert {container["image"] for container in spec["containers"]} <= IMAGES


BY_HAND = "registered-by-hand"


def test_registered_by_hand_combines(tmp_path: Path) -> None:
    """The component registered-by-hand builds with every other component but cert-manager's."""
    here = Path(os.path.relpath(MANIFESTS, tmp_path))
    value = {
        "resources": [str(here / "base")],
        "components": [str(here / "components" / name) for name in ("ha", "monitoring", BY_HAND)],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(value))
    objects = list(yaml.safe_load_all(build(tmp_path)))
    (deployment,) = [each for each in objects if each["kind"] == "Deployment"]
    assert deployment["spec"]["replicas"] == 3
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert not [word for word in arguments if word.startswith("--webhook-configuration")]
    assert not [each for each in objects if each["kind"].endswith("WebhookConfiguration")]


def test_components_combine_and_images_are_renamed(tmp_path: Path) -> None:
    """All components that combine, the node plugin and a registry, as in docs/install.md."""
    here = Path(os.path.relpath(MANIFESTS, tmp_path))  # kustomize refuses absolute paths
    components = [path.name for path in (MANIFESTS / "components").iterdir() if path.name != BY_HAND]
    value = {
        "resources": [str(here / name) for name in ("crds", "base", "node", "overlays/ipamclaim")],
        "components": [str(here / "components" / name) for name in components],
        "images": [
            {"name": f"nadmit-{name}", "newName": f"registry.example/net/nadmit-{name}"} for name in ("webhook", "node")
        ],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(value))
    objects = list(yaml.safe_load_all(build(tmp_path)))
    assert len({identity(value) for value in objects}) == len(objects)
    together = {identity(value) for name in (*OVERLAYS,) for value in render(name)}
    assert {identity(value) for value in objects} == together - {("Secret", "nadmit-system", "nadmit-tls")}
    found = {
        value["kind"]: value["spec"]["template"]["spec"] for value in objects if "template" in value.get("spec", {})
    }
    assert found["Deployment"]["containers"][0]["image"] == f"registry.example/net/nadmit-webhook:{VERSION}"
    assert found["DaemonSet"]["containers"][0]["image"] == f"registry.example/net/nadmit-node:{VERSION}"
    assert len(found["Deployment"]["topologySpreadConstraints"]) == 2
    assert "--ca-file=/etc/nadmit/tls/ca.crt" in found["Deployment"]["containers"][0]["args"]


def _examples() -> list[dict[str, Any]]:
    """Return the YAML of docs/install.md."""
    return [
        yaml.safe_load(text)
        for text in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/install.md").read_text(), re.DOTALL)
    ]


def test_the_examples_of_the_manual_build(tmp_path: Path) -> None:
    """Each whole kustomization of the manual builds, and so do the partial ones together."""
    whole, *parts = _examples()
    assert [sorted(part) for part in parts] == [["components", "resources"], ["patches"]]
    for value in (whole, parts[0] | parts[1]):
        text = yaml.safe_dump(value).replace("../manifests", os.path.relpath(MANIFESTS, tmp_path))
        (tmp_path / "kustomization.yaml").write_text(text)
        objects = list(yaml.safe_load_all(build(tmp_path)))
        (deployment,) = [each for each in objects if each["kind"] == "Deployment"]
        assert deployment["spec"]["replicas"] == 3
    configurations = [each for each in objects if each["kind"].endswith("WebhookConfiguration")]
    assert [each["metadata"]["annotations"]["nadmit.io/failure-policy"] for each in configurations] == ["Fail", "Fail"]


def test_an_uninstall_of_base_takes_no_kind() -> None:
    """Deleting a CustomResourceDefinition deletes every network, or every policy, of the cluster."""
    assert "CustomResourceDefinition" not in {value["kind"] for value in render("base")}
    assert {value["kind"] for value in render("crds")} == {"CustomResourceDefinition"}


def test_manifests_leave_out_the_fields_of_the_program() -> None:
    """If the manifests had these fields, each apply would empty them."""
    secret, lease = find(".", "Secret", "nadmit-tls"), find(".", "Lease", "nadmit-status")
    assert set(secret) == {"apiVersion", "kind", "metadata", "type"}
    assert set(lease) == {"apiVersion", "kind", "metadata"}
    for kind in KINDS:
        configuration = find(".", kind.name, "nadmit")
        assert set(configuration) == {"apiVersion", "kind", "metadata"}
        assert "annotations" not in configuration["metadata"], "an apply would take back a stage"


def test_our_own_pods_opt_out_of_injection() -> None:
    """The webhook is asked about new pods even under Ignore; its own pods and those of the node plugin opt out of injection."""
    for place, kind, name in ((".", "Deployment", "nadmit-webhook"), ("node", "DaemonSet", "nadmit-node")):
        template = find(place, kind, name)["spec"]["template"]
        assert template["metadata"]["annotations"] == {INJECT: "false"}


def test_high_availability_keeps_two_of_three_replicas() -> None:
    deployment = find("overlays/ha", "Deployment", "nadmit-webhook")
    budget = find("overlays/ha", "PodDisruptionBudget", "nadmit-webhook")
    assert deployment["spec"]["replicas"] - budget["spec"]["maxUnavailable"] == 2
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]


def test_golden_base() -> None:
    golden_files.compare("manifests/base.yaml", text_of("base"))
    assert golden_files.stale("manifests", {"base.yaml"}) == []
