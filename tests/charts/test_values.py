"""Each value of the chart does what values.yaml says, a wrong one is refused, and the files of the chart agree."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import jsonschema
import pytest
import yaml

from charts.copies import CHART, profiles
from cniplugin.access.model.decision import POSTURES
from cniplugin.access.reading.policyconfig import read_config
from cniplugin.netspec.attachers import ATTACHERS
from tests.manifests.rendered import Object
from tests.paths import ROOT
from webhook.configuration.parsing import read

from .helm import library, needs_helm, objects, texts

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())


def one(values: dict[str, Any], kind: str, name: str = "nadmit-webhook") -> Object:
    """Return one object that the chart makes with some values."""
    found = [each for each in objects(values) if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1
    return found[0]


def webhook(values: dict[str, Any]) -> Object:
    container: Object = one(values, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    return container


@needs_helm
def test_images() -> None:
    assert webhook({})["image"] == f"nadmit-webhook:{VERSION}"
    elsewhere = {"image": {"registry": "registry.example/net/", "tag": "v9"}, "node": {"enabled": True}}
    assert webhook(elsewhere)["image"] == "registry.example/net/nadmit-webhook:v9"
    daemon = one(elsewhere, "DaemonSet", "nadmit-node")["spec"]["template"]["spec"]
    assert daemon["containers"][0]["image"] == "registry.example/net/nadmit-node:v9"
    digest = f"sha256:{'a' * 64}"
    by_digest = {"image": {"registry": "registry.example", "webhook": {"name": "hook", "digest": digest}}}
    assert webhook(by_digest)["image"] == f"registry.example/hook@{digest}"


@needs_helm
def test_pull_policy_and_secrets() -> None:
    values = {"image": {"pullPolicy": "Always", "pullSecrets": [{"name": "r"}]}, "node": {"enabled": True}}
    for kind, name in (("Deployment", "nadmit-webhook"), ("DaemonSet", "nadmit-node")):
        pod = one(values, kind, name)["spec"]["template"]["spec"]
        assert pod["imagePullSecrets"] == [{"name": "r"}]
        assert pod["containers"][0]["imagePullPolicy"] == "Always"


@needs_helm
def test_replicas() -> None:
    counts: list[tuple[dict[str, Any], int]] = [
        ({}, 2),
        ({"ha": True}, 3),
        ({"replicas": 5}, 5),
        ({"ha": True, "replicas": 4}, 4),
    ]
    assert [one(values, "Deployment")["spec"]["replicas"] for values, _ in counts] == [count for _, count in counts]


@needs_helm
@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({}, None),
        ({"node": {"enabled": True}}, "--attached-by=nadmit"),
        ({"attachedBy": "nadmit-strict"}, "--attached-by=nadmit-strict"),
        ({"attachedBy": "multus", "node": {"enabled": True}}, "--attached-by=multus"),
    ],
)
def test_who_attaches(values: dict[str, Any], option: str | None) -> None:
    found = [word for word in webhook(values)["args"] if word.startswith("--attached-by")]
    assert found == ([option] if option else [])


@needs_helm
def test_reports() -> None:
    words = webhook({"reports": {"enabled": True, "every": "1h30m"}})["args"]
    assert words[-2:] == ["--reports", "--reports-every=1h30m"]
    resources = {"limits": {"memory": "4Gi"}}
    assert webhook({"reports": {"enabled": True}, "resources": resources})["resources"] == resources


@needs_helm
def test_the_stage() -> None:
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        assert "annotations" not in one({}, kind, "nadmit")["metadata"], "helm would take back a stage"
        staged = one({"stage": "Ignore", "tls": {"mode": "cert-manager"}}, kind, "nadmit")["metadata"]["annotations"]
        assert staged["nadmit.io/failure-policy"] == "Ignore"
        assert staged["cert-manager.io/inject-ca-from"] == "nadmit-system/nadmit-webhook"


ACCESS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"posture": "Strict", "level": "", "exemptGroups": ["net"]},
        {"posture": "Strict", "definitions": {"exemptGroups": ["net"]}},
    ),
    (
        {"level": "", "warnLevel": "Baseline", "exemptGroups": [], "baseline": {"masters": ["bond1"]}},
        {
            "posture": "Isolated",
            "definitions": {"exemptGroups": [], "levels": {"warn": "Baseline"}, "baseline": {"masters": ["bond1"]}},
        },
    ),
    (
        {"exemptGroups": ["a"], "spec": {"globalNamespaces": ["infra"], "definitions": {"default": "Deny"}}},
        {
            "posture": "Isolated",
            "globalNamespaces": ["infra"],
            "definitions": {"exemptGroups": ["a"], "levels": {"enforce": "Baseline"}, "default": "Deny"},
        },
    ),
]


@needs_helm
@pytest.mark.parametrize(("values", "spec"), ACCESS)
def test_access(values: dict[str, Any], spec: dict[str, Any]) -> None:
    made = one({"access": values}, "NetworkAttachmentPolicyConfig", "cluster")
    assert made["spec"] == spec
    assert read_config(made)[1] == ()


@needs_helm
def test_access_is_left_alone() -> None:
    kinds = {each["kind"] for each in objects({"access": {"create": False}})}
    assert "NetworkAttachmentPolicyConfig" not in kinds


@needs_helm
def test_the_configuration_is_one_that_the_webhook_reads() -> None:
    assert "data" not in one({}, "ConfigMap")
    text = one({"configuration": {"hotplug": True, "limits": {"networksPerPod": 8}}}, "ConfigMap")["data"][
        "config.yaml"
    ]
    read_back = read(text.encode(), where="config.yaml")
    assert (read_back.hotplug, read_back.limits.networks_per_pod) == (True, 8)


def numbers(value: Any) -> list[Any]:
    """Return every number in a value."""
    if isinstance(value, dict | list):
        return [each for inner in (value.values() if isinstance(value, dict) else value) for each in numbers(inner)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


@needs_helm
def test_numbers_stay_whole() -> None:
    """Templates read objects as JSON, whose numbers are floats; the API server refuses 1e+06 as an integer."""
    values = {"ha": True, "node": {"enabled": True}, "tls": {"mode": "cert-manager"}, "replicas": 1000000}
    found = numbers(objects(values))
    assert 1000000 in found
    assert {type(one) for one in found} == {int}
    limits = {"configuration": {"limits": {"definitionBytes": 10000000}}}
    assert one(limits, "ConfigMap")["data"]["config.yaml"].endswith("definitionBytes: 10000000")


@needs_helm
def test_the_namespace_of_prometheus() -> None:
    rule = one({"monitoring": {"enabled": True, "namespace": "observe"}}, "NetworkPolicy")["spec"]["ingress"][-1]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "observe"}}}]


@needs_helm
def test_the_pods() -> None:
    values = {
        "extraArgs": ["--contact=#net-team"],
        "resources": {"limits": {"memory": "1Gi"}},
        "nodeSelector": {"role": "infra"},
        "tolerations": [{"operator": "Exists"}],
    }
    pod = one(values, "Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"][-1] == "--contact=#net-team"
    assert pod["containers"][0]["resources"] == {"limits": {"memory": "1Gi"}}
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux", "role": "infra"}
    assert pod["tolerations"] == [{"operator": "Exists"}]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a typo": ({"replica": 3}, "replica"),
    "no replicas": ({"replicas": 0}, "replicas"),
    "a mode": ({"tls": {"mode": "certmanager"}}, "mode"),
    "a profile": ({"node": {"enabled": True, "profile": "rke2"}}, "profile"),
    "a level": ({"access": {"level": "baseline"}}, "level"),
    "a digest": ({"image": {"webhook": {"digest": "latest"}}}, "digest"),
    "a duration": ({"reports": {"enabled": True, "every": "1 hour"}}, "every"),
    "no Secret": ({"tls": {"mode": "secret"}}, "tls.secretName is empty; name a Secret"),
    "a Secret that nobody reads": ({"tls": {"secretName": "mine"}}, "tls.secretName is for tls.mode secret"),
    "no DaemonSet": ({"node": {"uninstall": True}}, "node.uninstall needs node.enabled=true"),
}


@needs_helm
@pytest.mark.parametrize(("values", "said"), WRONG.values(), ids=WRONG)
def test_wrong_values_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(library().HelmError, match=re.escape(said)):
        objects(values)


@needs_helm
def test_helm_lint_finds_nothing() -> None:
    report = library().lint(str(CHART), {}, strict=True, kube_version="v1.30.0")
    assert [one for one in report["messages"] if one["error"] != "icon is recommended"] == []
    assert report["errors"] == []


@needs_helm
def test_the_notes() -> None:
    notes = texts({})["NOTES.txt"]
    assert "nadmit webhooks would-refuse\n" in notes
    assert "helm show crds" not in notes
    assert "--system-namespace net" in texts({}, namespace="net")["NOTES.txt"]
    assert "node.uninstall=true" in texts({"node": {"enabled": True}}, upgrade=True)["NOTES.txt"]
    assert "helm show crds" in texts({}, upgrade=True)["NOTES.txt"]
    assert "The stage is Fail" in texts({"stage": "Fail"})["NOTES.txt"]


def test_the_versions_are_those_of_the_project() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)
    oldest = re.search(r"Kubernetes ([\d.]+) is the oldest", (ROOT / "docs/install.md").read_text())
    assert oldest is not None
    assert chart["kubeVersion"] == f">={oldest[1]}.0-0"
    for name in chart["annotations"]["artifacthub.io/crds"].split("name: ")[1:]:
        assert name.split("\n")[0] in {
            yaml.safe_load(path.read_text())["metadata"]["name"] for path in (CHART / "crds").iterdir()
        } | {"nadmit"}


def test_the_schema_is_that_of_the_values() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(DEFAULTS, SCHEMA)
    assert SCHEMA["properties"].keys() - {"global"} == DEFAULTS.keys()
    properties = SCHEMA["properties"]
    assert properties["node"]["properties"]["profile"]["enum"] == ["", *profiles()]
    assert properties["attachedBy"]["enum"] == ["", *ATTACHERS]
    assert set(properties["access"]["properties"]["posture"]["enum"]) == set(POSTURES)


def _leaves(values: dict[str, Any], path: str = "") -> list[str]:
    return [
        name
        for key, value in values.items()
        for name in (_leaves(value, f"{path}{key}.") if isinstance(value, dict) and value else [f"{path}{key}"])
    ]


def test_the_readme_has_each_value_and_no_other() -> None:
    rows = (CHART / "README.md").read_text().partition("## Values\n")[2].partition("\n## ")[0]
    firsts = [row.split("|")[1] for row in rows.splitlines() if row.startswith("| `")]
    assert sorted(name for first in firsts for name in re.findall(r"`([\w.]+)`", first)) == sorted(_leaves(DEFAULTS))


def test_artifact_hub_gets_a_file() -> None:
    repository = yaml.safe_load((CHART.parent / "artifacthub-repo.yml").read_text())
    assert repository["owners"][0].keys() == {"name", "email"}
