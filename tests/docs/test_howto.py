"""The pages of docs/howto at a real API server: each command succeeds, in the order of the page, and the YAML is accepted.

The webhook itself does not run here. What needs a node, an image or a Deployment that runs is in `NOT_HERE`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.rig.installation import installed_server
from tests.docs.consoles import commands, run
from tests.paths import EXAMPLES, MANIFESTS, ROOT
from tests.realapi.server import RealApiServer

pytestmark = [pytest.mark.slow, pytest.mark.kube_apiserver]

HOWTO = ROOT / "docs/howto"
PAGES = sorted(HOWTO.glob("*.md"), key=lambda page: (page.stem == "take-it-away", page))
NOT_HERE = (
    "kubectl -n nadmit-system rollout ",
    "kubectl -n nadmit-system logs ",
    "kubectl apply -k manifests/overlays/monitoring",
    "nadmit webhooks stage ",
)
"""Beginnings of commands that need running pods, the kinds of Prometheus, or a registered webhook. The others run."""
FILES = {
    "share-a-network.md": ("share.yaml",),
    "try-a-policy.md": ("policies/no-lan.yaml",),
    "let-a-team-write-definitions.md": ("baseline.yaml",),
}
"""Page -> the names that its commands have for its YAML blocks."""
ANSWERS = {"can-attach": (0, 1), "check": (0, 1)}
"""Exit codes of commands whose answer may be no."""
TESTS = """\
apiVersion: test.nadmit.io/v1alpha1
kind: PolicyTest
cluster: [no-lan.yaml, ../lan.yaml]
tests: [{name: blue, pod: {namespace: blue}, networks: lan, expect: warn}]
"""
LAN = """\
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: lan, namespace: blue}
spec: {config: '{"cniVersion": "1.0.0", "type": "macvlan", "master": "eth0"}'}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[RealApiServer]:
    """A cluster with everything installed, and the namespaces and networks of the recipes."""
    with installed_server() as started:
        for value in yaml.safe_load_all((EXAMPLES / "policies/cluster.yaml").read_text()):
            started.put(value)
        legacy = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "legacy"}}
        started.put(legacy)
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clone, as far as the pages need it, with the files that they leave to the reader."""
    shutil.copytree(MANIFESTS, tmp_path / "manifests")
    (tmp_path / "policies").mkdir()
    (tmp_path / "lan.yaml").write_text(LAN)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_succeed(server: RealApiServer, folder: Path, page: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    for name, block in zip(FILES.get(page.name, ()), blocks, strict=True):
        (folder / name).write_text(block)
    if "policies/no-lan.yaml" in FILES.get(page.name, ()):
        (folder / "policies/tests.yaml").write_text(TESTS)
    done = 0
    for command in commands(page):
        if command.line.startswith(NOT_HERE):
            continue
        words = command.line.split()
        # NB: no controller removes a namespace here, and kubectl would wait for that.
        waits = "" if "delete" not in words else " --wait=false"
        ended = run(server, command.line + waits, folder)
        wanted = ANSWERS.get(words[1], (0,)) if words[0] == "nadmit" else (0,)
        assert ended.code in wanted, f"{command.line}\n{ended.output}"
        done += 1
    assert done or page.name == "roll-back.md"
