"""Completions of `kubectl nadmit`, in the form that kubectl asks its plugins for.

kubectl starts `kubectl_complete-nadmit` with the words after `nadmit`, of which the last one is incomplete, and expects
the lines of cobra's `__complete`: a word and its help in each, and a number with what the shell may add.
"""

from __future__ import annotations

from collections.abc import Sequence

import click
from click.shell_completion import ShellComplete

DIRECTIVES = {"dir": 16, "file": 0}
"""cobra's ShellCompDirectiveFilterDirs and ShellCompDirectiveDefault."""
NO_FILES = 4
"""cobra's ShellCompDirectiveNoFileComp."""


def complete(command: click.Command, words: Sequence[str]) -> None:
    """Print the completions of the last word."""
    *before, incomplete = words or ("",)
    items = ShellComplete(command, {}, "nadmit", "").get_completions(before, incomplete)
    for item in items:
        if item.type == "plain":
            help_text = (item.help or "").partition(". ")[0]  # shells show it beside the word, in one line
            click.echo(f"{item.value}\t{help_text}" if help_text else item.value)
    directive = next((DIRECTIVES[item.type] for item in items if item.type in DIRECTIVES), NO_FILES)
    click.echo(f":{directive}")
