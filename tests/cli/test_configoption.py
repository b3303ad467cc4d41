"""The option --config of commands that judge files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from tests.configuration.texts import BAD, OFF
from webhook.admission.configuration import Configuration
from webhook.commands.configoption import config_option, configuration_of


@click.command()
@config_option
def judge(**given: Any) -> None:
    click.echo(repr(configuration_of(given["config"])))


def test_without_it_the_defaults() -> None:
    assert CliRunner().invoke(judge, []).output == f"{Configuration()!r}\n"


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(OFF)
    result = CliRunner().invoke(judge, ["--config", str(tmp_path / "config.yaml")])
    assert (result.exit_code, result.output) == (0, f"{Configuration(injection=None)!r}\n")


@pytest.mark.parametrize(
    ("text", "said"), [(BAD, ":3:13: injection.mode: unknown value"), (None, ": the configuration cannot be read: ")]
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: bytes | None, said: str) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_bytes(text)
    result = CliRunner().invoke(judge, ["--config", str(path)])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"{path}{said}")


@pytest.mark.slow
def test_who_does_not_give_it_does_not_pay_for_it() -> None:
    """pydantic takes 100 ms to import."""
    code = "import sys, webhook.commands.configoption; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
