"""A command group that imports a command when it runs: `nadmit review` must not pay for a web server."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple

import click


class LazyCommand(NamedTuple):
    """Where a command is, and its line in the group's help, which is printed without importing it."""

    module: str
    attribute: str
    summary: str


class LazyGroup(click.Group):
    """Like `click.Group`, with the commands of a table."""

    def __init__(self, *, lazy: Mapping[str, LazyCommand], **options: Any) -> None:
        super().__init__(**options)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import a command."""
        if cmd_name not in self._lazy:
            return None
        entry = self._lazy[cmd_name]
        command = getattr(import_module(entry.module), entry.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.{entry.attribute} is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say which commands there are when a name is none of them; click knows of imported ones only."""
        name = args[0]
        if name not in self._lazy and name[:1].isalnum() and not ctx.resilient_parsing:
            meant = get_close_matches(name, self._lazy, n=1)
            hint = f'did you mean "{meant[0]}"? ' if meant else ""
            ctx.fail(f'There is no command "{name}"; {hint}allowed: {", ".join(self._lazy)}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self._lazy.items()])
