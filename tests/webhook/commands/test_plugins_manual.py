"""docs/plugins.md and the README show the real output of the program."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.paths import ROOT
from webhook.admission.plugins.schema import Key, PluginSchema
from webhook.cli import nadmit
from webhook.plugindata.pluginfiles import load_schemas

LAN = """\
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: lan, namespace: blue}
spec:
"""


def printed(*words: str) -> str:
    return CliRunner().invoke(nadmit, words).output


def test_the_steps_of_the_manual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manual = (ROOT / "docs" / "plugins.md").read_text()
    schema = re.search(r"```yaml\n(.*?)```", manual, re.DOTALL)
    assert schema
    monkeypatch.chdir(tmp_path)
    for directory, text in {"schemas": schema[1], "wrong": schema[1].replace("kind: main", "kind: mian")}.items():
        Path(directory).mkdir()
        Path(directory, "my-plugin.yaml").write_text(text)
    Path("networks").mkdir()
    config = '{"type": "my-plugin", "uplink": "eth1", "speed": 200, "cniVersion": "1.0.0"}'
    Path("networks/lan.yaml").write_text(f"{LAN}  config: '{config}'\n")
    steps = [
        f"$ nadmit check --plugin-schemas {directory} networks/\n"
        + printed("check", "--plugin-schemas", directory, "networks/")
        for directory in ("schemas", "wrong")
    ]
    assert f"```console\n{''.join(steps)}```" in manual


def test_the_readme(tmp_path: Path) -> None:
    path = tmp_path / "lan.yaml"
    ipam = '{"type": "host-local", "subnet": "10.1.0.1/24"}'
    path.write_text(f'{LAN}  config: \'{{"type": "bridge", "ipam": {ipam}}}\'\n')
    assert " ".join(printed("review", str(path)).split()) in " ".join((ROOT / "README.md").read_text().split())


def test_the_manual_shows_what_is_known_of_a_plugin() -> None:
    manual = (ROOT / "docs" / "plugins.md").read_text()
    shown = re.search(r"```console\n\$ nadmit explain --type (\S+)\n(.*?)```", manual, re.DOTALL)
    assert shown
    assert printed("explain", "--type", shown[1]) == shown[2]


def test_the_manual_lists_every_plugin_that_is_checked() -> None:
    manual = (ROOT / "docs" / "plugins.md").read_text()
    listed = re.search(r"^Known: (.*?)\.$", manual, re.DOTALL | re.MULTILINE)
    assert listed
    names = re.sub(r" \(and [^)]*\)", "", listed[1]).replace("\n", " ").split(", ")
    assert names == sorted({schema.type for schema in load_schemas().values()})


def test_every_field_of_a_schema_is_in_the_manual() -> None:
    manual = (ROOT / "docs" / "plugins.md").read_text()
    fields = {field.name for form in (PluginSchema, Key) for field in dataclasses.fields(form)}
    assert sorted(name for name in fields if f"`{name}`" not in manual) == []
