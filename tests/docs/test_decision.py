"""The order in docs/decision.svg is that of the program: of all that would refuse a pod, the uppermost question decides.

Each case has what refuses at its question and at every one below it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.paths import ROOT
from webhook.cli import nadmit

ACCESS = "access.nadmit.io/v1alpha1"
UNSAFE, SAFE = {"type": "../macvlan", "master": "eth0"}, {"type": "macvlan", "master": "eth0"}
DENY = {"name": "no", "action": "Deny"}
NARROW = {"name": "narrow", "action": "Allow", "limits": {"default": "Deny"}}
WIDE = {"name": "wide", "action": "Allow"}
GATE = {"multusGate": {"namespaceIsolation": True}}

CASES = {
    "DenyRule": ([DENY, NARROW], GATE, UNSAFE),
    "NotWithinRule": ([NARROW], GATE, UNSAFE),
    "PostureIsolated": ([], GATE, UNSAFE),
    "MultusGate": ([WIDE], GATE, UNSAFE),
    "BuiltinUnsafeConfig": ([WIDE], {}, UNSAFE),
    "DefinitionLevel": ([WIDE], {}, SAFE),
}
"""Code -> rules, settings, and the configuration of the network, whose namespace has level Baseline."""


def test_the_picture_has_the_questions_in_this_order() -> None:
    picture = (ROOT / "docs/decision.svg").read_text()
    lines = re.findall(r'<text class="code"[^>]*>([^<]+)<', picture)
    codes = [word for line in lines for word in re.findall(r"[A-Z]\w+", line) if word in CASES]
    assert codes == list(CASES)


@pytest.mark.parametrize("code", CASES)
def test_the_uppermost_question_decides(code: str, tmp_path: Path) -> None:
    rules, settings, config = CASES[code]
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue"}},
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "infra", "labels": {"nadmit.io/definitions-enforce": "Baseline"}},
        },
        {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": "san", "namespace": "infra"},
            "spec": {"config": json.dumps({"cniVersion": "1.0.0", **config})},
        },
        {
            "apiVersion": ACCESS,
            "kind": "NetworkAttachmentPolicyConfig",
            "metadata": {"name": "cluster"},
            "spec": {"posture": "Isolated", **settings},
        },
    ]
    if rules:
        policy = {"apiVersion": ACCESS, "kind": "NetworkAttachmentPolicy", "metadata": {"name": "p"}}
        objects.append({**policy, "spec": {"attachments": rules}})
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump_all(objects))
    words = ["can-attach", "-n", "blue", "infra/san", "--interface", "net7", "--manifests", str(tmp_path), "-o", "json"]
    done = CliRunner().invoke(nadmit, words)
    assert done.exit_code == 1, done.output
    assert [other for other in CASES if f'"{other}"' in done.output] == [code]
