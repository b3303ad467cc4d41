"""Write the copies of the manifests in the chart: `python -m charts.copies`, which `make golden` runs.

`files` has what `kubectl kustomize` builds, by what a template does with it: objects that are the same whatever the
values are, and one file for each object that values change. `crds` has manifests/crds as it is.
"""

from __future__ import annotations

import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
MANIFESTS = ROOT / "manifests"
CHART = ROOT / "charts" / "nadmit"
KUBECTL = Path(sysconfig.get_path("scripts")) / "kubectl"
CRDS = "networkattachmentpolic*.yaml", "network-attachment-definitions.yaml"

Object = dict[str, Any]
Choice = Callable[[Object], bool]

CHANGED = {
    ("Deployment", "nadmit-webhook"): "deployment",
    ("NetworkPolicy", "nadmit-webhook"): "networkpolicy",
    ("Role", "nadmit-webhook"): "role",
    ("Secret", "nadmit-tls"): "secret",
    ("ConfigMap", "nadmit-webhook"): "configmap",
    ("MutatingWebhookConfiguration", "nadmit"): "mutating",
    ("ValidatingWebhookConfiguration", "nadmit"): "validating",
}
"""The objects of manifests/base that values change, and their files."""
LEFT_OUT = {("Namespace", "nadmit-system")}
"""helm makes the namespace of a release, or finds it."""
MONITORING = {
    ("Service", "nadmit-metrics"),
    ("ServiceMonitor", "nadmit"),
    ("PrometheusRule", "nadmit"),
    ("ConfigMap", "nadmit-dashboard"),
}
REPORTS = {("ClusterRole", "nadmit-webhook-reports"), ("ClusterRoleBinding", "nadmit-webhook-reports")}
NODE_OBJECT = ("DaemonSet", "nadmit-node")


def profiles() -> list[str]:
    """Return the distributions that have a profile."""
    return sorted(path.name for path in (MANIFESTS / "node-profiles").iterdir() if path.is_dir())


def copies() -> dict[str, str]:
    """Return the text of each copy by its path in the chart."""
    base = _build("base")
    changed = {f"files/base/{name}.yaml": _dump(_only(base, key)) for key, name in CHANGED.items()}
    same = [each for each in base if _key(each) not in CHANGED.keys() | LEFT_OUT]
    crds = [file for pattern in CRDS for file in sorted((MANIFESTS / "crds").glob(pattern))]
    return {
        **changed,
        "files/base/same.yaml": _dump(same),
        "files/ha.yaml": _dump(_only(_build("overlays/ha"), ("Deployment", "nadmit-webhook"))),
        "files/cert-manager.yaml": _dump(
            [each for each in _build("overlays/cert-manager") if each["apiVersion"].startswith("cert-manager.io/")]
        ),
        "files/monitoring.yaml": _dump([each for each in _build("overlays/monitoring") if _key(each) in MONITORING]),
        "files/monitored-networkpolicy.yaml": _dump(
            _only(_build("overlays/monitoring"), ("NetworkPolicy", "nadmit-webhook"))
        ),
        "files/reports.yaml": _dump([each for each in _build("overlays/reports") if _key(each) in REPORTS]),
        "files/access.yaml": _dump(_build("posture")),
        **dict(_node_copies()),
        **{f"crds/{file.name}": file.read_text() for file in crds},
    }


def _node_copies() -> Iterator[tuple[str, str]]:
    """Yield what the node plugin has everywhere, and of each profile what differs."""
    usual = _build("node")
    common = [each for each in usual if _key(each) != NODE_OBJECT]
    yield "files/node/same.yaml", _dump(common)
    for name in ("", *profiles()):
        for kind, built in (("install", f"node-profiles/{name}"), ("uninstall", f"node-profiles/{name}/uninstall")):
            objects = _build(built if name else {"install": "node", "uninstall": "node-uninstall"}[kind])
            file = f"files/node/{kind}{f'-{name}' if name else ''}"
            yield f"{file}.yaml", _dump(_only(objects, NODE_OBJECT))
            more = [each for each in objects if _key(each) != NODE_OBJECT and each not in common]
            if more:
                yield f"{file}-more.yaml", _dump(more)


def _build(name: str) -> list[Object]:
    done = subprocess.run([KUBECTL, "kustomize", MANIFESTS / name], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


def _key(value: Object) -> tuple[str, str]:
    return value["kind"], value["metadata"]["name"]


def _only(objects: list[Object], key: tuple[str, str]) -> list[Object]:
    (found,) = [each for each in objects if _key(each) == key and each["metadata"].get("namespace") != "default"]
    return [found]


def _dump(objects: list[Object]) -> str:
    return yaml.safe_dump_all(objects, sort_keys=False, width=120, allow_unicode=True)


def write() -> None:
    """Write all copies, and remove files that are none."""
    wanted = copies()
    for folder in ("files", "crds"):
        for file in (CHART / folder).rglob("*.yaml"):
            if file.relative_to(CHART).as_posix() not in wanted:
                file.unlink()
    for name, text in wanted.items():
        (CHART / name).parent.mkdir(parents=True, exist_ok=True)
        (CHART / name).write_text(text)


if __name__ == "__main__":
    write()
