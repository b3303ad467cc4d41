"""Every object is valid by the schema of its kind.

Kinds of Kubernetes: by the OpenAPI schemas of the oldest version that docs/install.md names, and of the version that
the tests run (kubernetes-validate, strict: an unknown field is an error).
Our kinds: by the schemas of manifests/crds. The schemas of the Prometheus operator and of cert-manager are not here, so
the tests check only that their documents name every field, that selectors match, and that references exist.
"""

from __future__ import annotations

import warnings
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from tests.paths import ROOT
from webhook.registration.tables import KINDS

from .rendered import BUILDS, Object, find, render

pytestmark = pytest.mark.slow
OLDEST, VERSION = "1.30", "1.36"
OURS = "access.nadmit.io"
FIELDS: dict[str, dict[str, Any]] = {
    "ServiceMonitor": {"selector": {"matchLabels"}, "endpoints": {"port", "path", "interval"}},
    "PrometheusRule": {"groups": {"name", "rules"}},
    "Issuer": {"selfSigned": set(), "ca": {"secretName"}},
    "Certificate": {
        "isCA": None, "commonName": None, "secretName": None, "duration": None, "renewBefore": None, "dnsNames": None,
        "usages": None, "privateKey": {"algorithm", "size", "rotationPolicy"}, "issuerRef": {"group", "kind", "name"},
    },
}  # fmt: skip
"""For each of their kinds the fields of its spec, and those below them."""


def _schemas() -> dict[str, Object]:
    found = (crd["spec"] for crd in render("crds"))
    return {spec["names"]["kind"]: spec["versions"][0]["schema"]["openAPIV3Schema"] for spec in found}


def _is_foreign(value: Object) -> bool:
    return str(value["apiVersion"]).startswith(("monitoring.coreos.com/", "cert-manager.io/"))


@pytest.mark.parametrize("name", BUILDS)
def test_objects(name: str) -> None:
    for value in render(name):
        if value["apiVersion"].startswith(f"{OURS}/"):
            jsonschema.validate(value, _schemas()[value["kind"]])
        elif _is_foreign(value):
            _check_fields(value)
        else:
            for version in (OLDEST, VERSION):
                kubernetes_validate.validate(value, version, strict=True)


def _check_fields(value: Object) -> None:
    known = FIELDS[value["kind"]]
    assert set(value) == {"apiVersion", "kind", "metadata", "spec"}
    for key, part in value["spec"].items():
        below = known[key]
        for each in part if isinstance(part, list) else [part]:
            if isinstance(each, dict):
                assert set(each) <= below


def test_a_mistake_is_found() -> None:
    deployment = find("base", "Deployment", "nadmit-webhook")
    broken = {**deployment, "spec": {**deployment["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(broken, VERSION, strict=True)
    posture = find("posture", "NetworkAttachmentPolicyConfig", "cluster")
    with pytest.raises(jsonschema.ValidationError, match="Closed"):
        jsonschema.validate({**posture, "spec": {"posture": "Closed"}}, _schemas()[posture["kind"]])
    with pytest.raises(KeyError, match="endpoint"):
        _check_fields({"apiVersion": "v1", "kind": "ServiceMonitor", "metadata": {}, "spec": {"endpoint": []}})


def test_references_of_cert_manager_exist() -> None:
    objects = render("overlays/cert-manager")
    issuers = {value["metadata"]["name"]: value["spec"] for value in objects if value["kind"] == "Issuer"}
    certificates = {value["metadata"]["name"]: value["spec"] for value in objects if value["kind"] == "Certificate"}
    assert {spec["issuerRef"]["name"] for spec in certificates.values()} == set(issuers)
    assert issuers["nadmit-ca"]["ca"]["secretName"] == certificates["nadmit-ca"]["secretName"]
    served = certificates["nadmit-webhook"]
    pod = find("overlays/cert-manager", "Deployment", "nadmit-webhook")["spec"]["template"]["spec"]
    assert {"name": "tls", "secret": {"secretName": served["secretName"], "defaultMode": 0o440}} in pod["volumes"]
    assert "nadmit-webhook.nadmit-system.svc" in served["dnsNames"], "whom the API server calls"
    wanted = {"cert-manager.io/inject-ca-from": "nadmit-system/nadmit-webhook"}
    for kind in KINDS:
        assert find("overlays/cert-manager", kind.name, "nadmit")["metadata"]["annotations"] == wanted


def test_the_oldest_version_is_the_manual_s() -> None:
    assert f"Kubernetes {OLDEST} is the oldest" in (ROOT / "docs" / "install.md").read_text()


def test_no_warning_is_silenced() -> None:
    """kubernetes-validate warns when it falls back to another version; it must have the requested one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        used = kubernetes_validate.validate(find("base", "Service", "nadmit-webhook"), VERSION, strict=True)
    assert (used, [str(each.message) for each in caught]) == (VERSION, [])
