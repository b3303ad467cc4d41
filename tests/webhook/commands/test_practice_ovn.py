"""Definitions that a controller of the cluster reads, from public bug reports, through `nadmit check`.

The first line of each file says what is right. What pods ask for is judged elsewhere: these tests look at definitions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.paths import VECTORS
from tests.webhook.admission.plugins.checking import SCHEMAS
from webhook.cli import nadmit

FOLDER = VECTORS / "practice"

EXPECTED: Mapping[str, tuple[str, ...]] = {
    "01-cap-ovnk-ips-mac": (),
    "07-cap-kube-ovn-ips": (),
    "09-claim-beside-ips-ovnk": (),
    "17-ovnk-name-warning": (),
    "18-ovnk-nad-name-mismatch": ("error NAD209 spec.config.netAttachDefName",),
    "19-ovnk-nad-name-missing": ("error NAD103 spec.config.netAttachDefName",),
    "21-ovnk-vlanid-case-of-other-plugin": ("warning NAD104 spec.config.vlan",),
    "22-ovnk-topology-unknown": ("error NAD202 spec.config.topology",),
    "23-ovnk-ipam": ("error NAD311 spec.config.ipam.type",),
    "25-ovnk-localnet-role": ("error NAD204 spec.config.role",),
    "26-ovnk-subnets-list": ("error NAD101 spec.config.subnets",),
    "27-ovnk-exclude-outside": ("error NAD212 spec.config.excludeSubnets",),
    "29-ovnk-same-network-other-config": ("warning NAD507 spec.config.topology",) * 2,
    "30-kube-ovn-provider": ("error NAD209 spec.config.provider",),
    "31-antrea-vlan": ("error NAD201 spec.config.vlan",),
}
"""The findings about the definitions of each file: severity, rule and place."""

OVN = {"cniVersion": "1.0.0", "name": "tenant", "type": "ovn-k8s-cni-overlay", "topology": "layer2"}


def findings(path: Path | str, **options: str) -> list[str]:
    """Return the findings of a file that are about definitions; in a warning, the place is in its text."""
    result = CliRunner().invoke(nadmit, ["check", "--posture", "Open", "-o", "json", str(path)], **options)  # type: ignore[arg-type]  # click's own
    found = json.loads(result.stdout)
    about = [one for one in found["findings"] if one["object"].startswith("networkattachmentdefinition ")]
    return [f"{one['level']} {one['rule']} {one['field'] or one['message'].split(': ')[0]}" for one in about]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_definition_of_a_bug_report(name: str) -> None:
    file = FOLDER / f"{name}.yaml"
    assert file.read_text().startswith("# expected: ")
    assert findings(file) == list(EXPECTED[name])


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("ovn-k8s-cni-overlay", {"ips", "mac", "ipam-claim-reference"}),
        ("kube-ovn", {"ips", "mac"}),
        ("antrea", {"mac"}),
    ],
)
def test_what_a_controller_reads_in_the_pod(kind: str, keys: set[str]) -> None:
    assert SCHEMAS[kind].reads_pod == keys


@pytest.mark.parametrize(
    ("namespace", "written", "codes"),
    [
        ("blue", "blue/net", []),
        ("blue", "red/net", ["NAD209"]),
        ("", "red/net", []),
        ("", "default/net", []),
        ("", "red/other", ["NAD209"]),
        ("", "net", ["NAD209"]),
    ],
)
def test_a_file_that_leaves_the_namespace_to_kubectl(namespace: str, written: str, codes: list[str]) -> None:
    """Such a file counts as one of namespace default elsewhere; here that would refuse what `kubectl -n red` creates."""
    metadata = {"name": "net", **({"namespace": namespace} if namespace else {})}
    spec = {"config": json.dumps({**OVN, "netAttachDefName": written})}
    kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    text = json.dumps({**kind, "metadata": metadata, "spec": spec})
    assert [one.split()[1] for one in findings("-", input=text)] == codes
