"""A group of commands that imports a command when it runs: `nadmit review` does not pay for a web server."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Entry(NamedTuple):
    """Where a command is, and its line in the help of the group, which is printed without an import."""

    module: str
    attribute: str
    summary: str


class CommandGroup(click.Group):
    """Like `click.Group`, with the commands of a table."""

    def __init__(self, *, table: Mapping[str, Entry], **options: Any) -> None:
        super().__init__(**options)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import a command."""
        if cmd_name not in self._table:
            return None
        entry = self._table[cmd_name]
        command: click.Command = getattr(import_module(entry.module), entry.attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Fail with the names of all commands when there is no such command; click knows only imported ones."""
        name = args[0]
        if name not in self._table and name[:1].isalnum() and not ctx.resilient_parsing:
            meant = get_close_matches(name, self._table, n=1)
            hint = f'did you mean "{meant[0]}"? ' if meant else ""
            ctx.fail(f'There is no command "{name}"; {hint}allowed: {", ".join(self._table)}')
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands of the table that begin with a text, without an import, and the options."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only shells need it

        entries = [(name, entry) for name, entry in self._table.items() if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=entry.summary) for name, entry in entries]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self._table.items()])
