"""The networks of examples/networks, as in public documentation, have no findings."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.paths import EXAMPLES
from tests.webhook.admission.plugins.checking import SCHEMAS, findings_of
from webhook.admission.plugins.placement import Origin
from webhook.cli import nadmit

DIRECTORY = EXAMPLES / "networks"
FILES = sorted(DIRECTORY.glob("*.yaml"))


def test_there_are_ten_or_more() -> None:
    assert len(FILES) >= 10


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_has_no_findings(file: Path) -> None:
    network = yaml.safe_load(file.read_text())
    metadata = network["metadata"]
    origin = Origin(metadata["namespace"], metadata["name"])
    assert findings_of(network["spec"]["config"], annotations=metadata.get("annotations"), origin=origin) == []
    assert file.read_text().startswith("# ")


def test_check_finds_nothing_in_the_examples() -> None:
    result = CliRunner().invoke(nadmit, ["check", str(DIRECTORY)], prog_name="nadmit")
    count = len(FILES)
    assert result.output == f"{count} objects in {count} files ({count} judged), 0 problems, 0 warnings\n"
    assert result.exit_code == 0


def test_each_kind_of_plugin_is_shown() -> None:
    text = "".join(file.read_text() for file in FILES)
    shown = {name for name in SCHEMAS if f'"type": "{name}"' in text}
    assert shown >= {"bridge", "ipvlan", "macvlan", "ovs", "sriov", "vlan", "whereabouts"}
    assert shown >= {"ovn-k8s-cni-overlay", "kube-ovn", "antrea"}
