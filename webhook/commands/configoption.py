"""The option --config: a NadmitConfiguration for commands that judge files, and for the embedded server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from webhook.admission.configuration import Configuration
from webhook.cluster.problems import ManifestError

from .options import fail_unreadable

Command = TypeVar("Command", bound=Callable[..., Any])


def config_option(command: Command) -> Command:
    """Add the option, as the parameter `config`."""
    option = click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A NadmitConfiguration, YAML (docs/configuration.md); without it its defaults hold.",
    )
    return option(command)


def configuration_of(path: Path | None) -> Configuration:
    """Return what the file of `config_option` says; one that cannot be used ends the command with 2."""
    if path is None:
        return Configuration()
    # pydantic takes 100 ms to import, which commands without the option do not pay.
    from webhook.configuration.file import read_file  # noqa: PLC0415
    from webhook.configuration.text import read  # noqa: PLC0415

    try:
        return read(read_file(path), where=str(path)).to_value()
    except ManifestError as error:
        fail_unreadable(error.problems)
