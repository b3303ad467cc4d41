"""The options --config and --plugin-schemas of commands that judge files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.webhook.configuration.texts import BAD, OFF
from webhook.admission.view.decisioncontext import Configuration
from webhook.commands.options import config_option, configuration_of
from webhook.plugindata.pluginfiles import load_schemas


@click.command()
@config_option
def judge(config: Path | None, plugin_schemas: Path | None, attached_by: str) -> None:
    value = configuration_of(config, plugin_schemas, attached_by)
    assert value.plugins is not None
    assert value.plugins.attached_by == value.attached_by
    who = "" if value.attached_by == "multus" else f" {value.attached_by}"
    click.echo(f"{value.injection!r}{who} {sorted(set(value.plugins.schemas) - set(load_schemas()))}")


def test_without_the_options_the_defaults_apply() -> None:
    assert CliRunner().invoke(judge, []).output == f"{Configuration().injection!r} []\n"


@pytest.mark.parametrize(
    ("text", "options", "who"),
    [
        ("", ["--attached-by", "nadmit"], " nadmit"),
        ("attachedBy: nadmit-strict", [], " nadmit-strict"),
        ("attachedBy: multus", ["--attached-by", "nadmit"], ""),
    ],
)
def test_the_configuration_says_who_attaches_and_else_the_option(
    tmp_path: Path, text: str, options: list[str], who: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"apiVersion: config.nadmit.io/v1alpha1\nkind: NadmitConfiguration\n{text}\n")
    result = CliRunner().invoke(judge, [*options, "--config", str(file)])
    assert result.output == f"{Configuration().injection!r}{who} []\n"


@pytest.mark.parametrize("config", [[], ["--config", "config.yaml"]])
def test_schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_bytes(OFF)
    Path("mine").mkdir()
    Path("mine/a.yaml").write_text("type: my-plugin\nkind: main\nsource: me\n")
    result = CliRunner().invoke(judge, ["--plugin-schemas", "mine", *config])
    assert (result.exit_code, result.output.endswith(" ['my-plugin']\n")) == (0, True)


def test_schemas_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("type: my-plugin\nkind: mian\n")
    result = CliRunner().invoke(judge, ["--plugin-schemas", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        f"{tmp_path}/a.yaml:1:1: source: it is missing; allowed: a string",
        f'{tmp_path}/a.yaml:2:1: kind: unknown value: "mian"; did you mean "main"? allowed: "ipam", "main", "meta"',
    ]


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(OFF)
    result = CliRunner().invoke(judge, ["--config", str(tmp_path / "config.yaml")])
    assert (result.exit_code, result.output) == (0, "None []\n")


@pytest.mark.parametrize(
    ("text", "message"), [(BAD, ":3:13: injection.mode: unknown value"), (None, ": the configuration cannot be read: ")]
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: bytes | None, message: str) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_bytes(text)
    result = CliRunner().invoke(judge, ["--config", str(path)])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"{path}{message}")


@pytest.mark.slow
def test_commands_without_the_option_do_not_import_pydantic() -> None:
    """The import of pydantic takes 100 ms."""
    code = "import sys, webhook.commands.options; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
