"""`nadmit map`: from an API server and from files, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from tests.fakes.apiserver import ApiServer, status
from tests.fakes.objects import write_kubeconfig
from tests.fakes.objectstore import NETWORKS, PODS
from tests.paths import ROOT
from tests.webhook.report.topology.objects import STATUS, Object, bridge, has, pod
from webhook.cli import nadmit
from webhook.commands.networkmap import FORMS

OBJECTS: list[Object] = [bridge(), pod("web", has(ip="10.1.0.5")), pod("db", has(), namespace="green")]
FORBIDDEN = (403, status(403, "no"))


def run(*words: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(nadmit, ["map", *words], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def listed(objects: list[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def test_an_api_server_gives_the_map_of_files(tmp_path: Path) -> None:
    with ApiServer() as api:
        api.has_whole_pods = True
        for one in OBJECTS:
            api.put(PODS if one["kind"] == "Pod" else NETWORKS, one)
        kubeconfig = str(write_kubeconfig(tmp_path / "kubeconfig", api.url))
        for form in ("text", "json", "dot", "mermaid"):
            from_files = run("-f", "-", "-o", form, stdin=listed(OBJECTS))
            from_cluster = run("--kubeconfig", kubeconfig, "-o", form)
            assert (from_files.exit_code, from_cluster.exit_code) == (0, 0)
            assert from_files.stdout == from_cluster.stdout != ""


def test_a_missing_right_is_named_beside_the_map(tmp_path: Path) -> None:
    with ApiServer() as api:
        api.has_whole_pods = True
        api.put(PODS, OBJECTS[1])
        api.answer_always[NETWORKS] = FORBIDDEN
        kubeconfig = str(write_kubeconfig(tmp_path / "kubeconfig", api.url))
        assert "  unread:  network-attachment-definitions.k8s.cni.cncf.io" in run("--kubeconfig", kubeconfig).stdout
        result = run("--kubeconfig", kubeconfig, "-o", "dot")
        assert "unread" not in result.stdout
        assert "  unread:  network-attachment-definitions.k8s.cni.cncf.io" in result.stderr
        value = json.loads(run("--kubeconfig", kubeconfig, "-o", "json").stdout)
        jsonschema.validate(value, json.loads((ROOT / "docs" / "map.schema.json").read_text()))
        assert len(value["unread"]) == 1
        api.answer_always[PODS] = FORBIDDEN
        result = run("--kubeconfig", kubeconfig)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert result.stderr.startswith("nadmit: pods: list is forbidden: no; grant list")


def test_rights_in_one_namespace(tmp_path: Path) -> None:
    """Definitions of the namespace are read if those of all may not be; the others are not said to be missing."""
    with ApiServer() as api:
        api.has_whole_pods = True
        for one in (OBJECTS[0], pod("web", has(), has("green/far", interface="net2"), has("blue/gone"))):
            api.put(PODS if one["kind"] == "Pod" else NETWORKS, one)
        kubeconfig = str(write_kubeconfig(tmp_path / "kubeconfig", api.url))
        api.answer_always |= {PODS: FORBIDDEN, NETWORKS: FORBIDDEN}
        lines = run("--kubeconfig", kubeconfig, "-n", "blue").stdout.splitlines()
        assert lines[:6] == [
            "bridge br-lan",
            "└─ blue/lan (bridge)",
            "   └─ blue pod/web",
            "blue/gone (no such definition)",
            "└─ blue pod/web",
            "green/far",
        ]
        assert [line for line in lines if line.startswith("  unread:  network-attachment-definitions")]
        api.answer_always["/apis/k8s.cni.cncf.io/v1/namespaces/blue/network-attachment-definitions"] = FORBIDDEN
        assert "no such definition" not in run("--kubeconfig", kubeconfig, "-n", "blue").stdout


def test_one_namespace() -> None:
    result = run("-n", "green", "-f", "-", stdin=listed(OBJECTS))
    assert result.stdout.splitlines() == [
        "bridge br-lan",
        "└─ blue/lan (bridge)",
        "   └─ green pod/db",
        "  note:    only pods of namespace green were read",
    ]


@pytest.mark.parametrize("form", FORMS)
def test_a_status_that_is_half_a_letter_can_be_printed(form: str) -> None:
    """An author can escape half of a pair of surrogates in JSON; no file and no terminal takes it."""
    half = pod("web", metadata={"annotations": {STATUS: '[{"name": "blue/\\ud800", "ips": ["\\ud800"]}]'}})
    result = run("-f", "-", "-o", form, stdin=listed([half]))
    assert result.exit_code == 0
    assert result.stdout.encode()


def test_without_networks() -> None:
    result = run("-f", "-", stdin=listed([pod("web", has("default-net"))]))
    assert (result.exit_code, result.stdout) == (1, "there are no networks\n")
    result = run("-f", "-", "-o", "dot", stdin=listed([pod("web", has("default-net"))]))
    assert (result.exit_code, result.stdout.splitlines()[0]) == (1, "graph networks {")


def test_files_and_a_cluster_exclude_each_other() -> None:
    result = run("-f", "x", "--cluster")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "-f and --manifests replace the cluster" in result.stderr
