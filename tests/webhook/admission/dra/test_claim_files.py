"""`nadmit check` and `nadmit review` on files with claims."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from webhook.cli import nadmit

from .claimobjects import BY_CLAIM, Json, claim, device_class, network, opaque, pod, vf


def run(command: str, folder: Path, *objects: Json) -> Result:
    file = folder / "all.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [network("blue/lan"), *objects]}))
    return CliRunner().invoke(nadmit, [command, str(file)])


def test_check_names_line_and_column(tmp_path: Path) -> None:
    bad = claim(opaque({**vf("lan"), "bogus": 1}))
    done = run("check", tmp_path, device_class(), bad, pod(BY_CLAIM))
    assert done.exit_code == 1
    assert "resourceclaim blue/nic: spec.devices.config[0].opaque.parameters.bogus: dra-driver-sriov" in done.output
    assert "[driver-key]" in done.output
    assert "pod blue/web: spec.resourceClaims[0]: what it attaches cannot be read" in done.output
    assert run("check", tmp_path, device_class(), claim(opaque(vf("lan"))), pod(BY_CLAIM)).exit_code == 0
    assert run("check", tmp_path, pod(BY_CLAIM)).exit_code == 0


def test_review_answers_as_the_api_server_does(tmp_path: Path) -> None:
    done = run("review", tmp_path, device_class(), claim(opaque(vf("secret", "infra"))), pod(BY_CLAIM))
    assert done.exit_code == 1
    assert 'admission webhook "claims.access.nadmit.io" denied the request' in done.output
    assert "resourceclaim blue/nic may not attach to infra/secret" in done.output
    assert "pod blue/web may not attach to infra/secret" in done.output


def test_two_claims_of_one_name_are_a_problem(tmp_path: Path) -> None:
    done = run("check", tmp_path, claim(), claim())
    assert "a second ResourceClaim blue/nic" in done.output


def test_resource_names_of_devices_that_are_claimed(tmp_path: Path) -> None:
    """The demos of dra-driver-sriov with Multus are allowed; the annotation devices-from silences the warnings."""
    for more, warnings in (({}, 2), ({"nadmit.io/devices-from": "ResourceClaim"}, 0)):
        named = {"k8s.v1.cni.cncf.io/resourceName": "sriov_nic_2", **more}
        net = network("blue/net", json.dumps({"cniVersion": "1.0.0", "name": "net", "type": "sriov", "vlan": 0}))
        net["metadata"]["annotations"] = named
        web = pod({"resourceClaimTemplateName": "vf"})
        web["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/networks": "net"}
        done = run("check", tmp_path, net, web)
        assert (done.exit_code, done.output.count(" warning: ")) == (0, warnings), done.output
