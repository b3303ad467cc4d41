"""The options --config and --plugin-schemas of commands that judge files, and of the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration
from webhook.configuration.schemafiles import load_directory
from webhook.driverdata.loader import default_drivers
from webhook.plugindata.loader import load_schemas
from webhook.trees.problems import ManifestError

from .options import fail_unreadable

Command = TypeVar("Command", bound=Callable[..., Any])


def config_option(command: Command) -> Command:
    """Add the options, as the parameters `config` and `plugin_schemas`."""
    config = click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A NadmitConfiguration, YAML (docs/configuration.md); without it its defaults hold.",
    )
    plugin_schemas = click.option(
        "--plugin-schemas",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="What CNI plugins of your own accept, a file of JSON or YAML for each (docs/plugins.md).",
    )
    return config(plugin_schemas(command))


def configuration_of(config: Path | None, plugin_schemas: Path | None) -> Configuration:
    """Return what the values of `config_option` say; a file that cannot be used ends the command with 2."""
    try:
        own = {} if plugin_schemas is None else load_directory(plugin_schemas)
        if config is None:
            return Configuration(plugins=PluginChecks(schemas={**load_schemas(), **own}), drivers=default_drivers())
        # pydantic takes 100 ms to import, which commands without the option do not pay.
        from webhook.configuration.filesource import read_file  # noqa: PLC0415
        from webhook.configuration.parsing import read  # noqa: PLC0415

        return read(read_file(config), where=str(config)).to_value(own)
    except ManifestError as error:
        fail_unreadable(error.problems)
