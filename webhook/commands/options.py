"""Options that several commands share, and how they print."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import click

from cniplugin.access.model.values import NETWORK_STATUS_MODES, POSTURES, Config, Rules
from cniplugin.netspec.names import ALLOWED_LABEL, is_label
from webhook.admission.model.kinds import NETWORK_NAMESPACE
from webhook.admission.view.decisioncontext import Cluster, CompiledRules
from webhook.trees.problems import Problem

EXIT_REFUSED = 1
EXIT_UNREADABLE = 2

STDIN = "-"
STDIN_NAME = "<stdin>"
"""Standard input as a file: how it is asked for, and how it is called."""

RULES_FIELDS = (
    "posture",
    "global_namespaces",
    "workload_templates",
    "network_status_mode",
    "status_writers",
    "status_writer_groups",
    "contact",
)
"""Fields of `access.model.Config` that are options; `rules_options` makes a parameter of each."""

Command = TypeVar("Command", bound=Callable[..., Any])


def rules_options(command: Command) -> Command:
    """Add the options that choose the access rules; `rules_of` makes them a value."""
    return _add(command, _RULES_OPTIONS)


def attachment_rules_options(command: Command) -> Command:
    """Add those of `rules_options` that decide about attachments of pods."""
    return _add(command, _ATTACHMENT_OPTIONS)


def _add(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def rules_of(options: Mapping[str, Any]) -> Rules:
    """Return the rules that the options of `rules_options` say; others are passed over."""
    return Rules(config=Config(**{name: options[name] for name in RULES_FIELDS if name in options}))


def rules_in_force(options: Mapping[str, Any], cluster: Cluster) -> Rules:
    """Return the rules of a cluster's policies; what the options say holds without a configuration object."""
    return CompiledRules(rules_of(options).config)(cluster)


def _parse_namespaces(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    for name in names:
        if not is_label(name):
            raise click.BadParameter(f"{name!r} does not name a namespace; allowed: {ALLOWED_LABEL}")
    return names


def _parse_namespace(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not is_label(value):
        raise click.BadParameter(f"{value!r} does not name a namespace; allowed: {ALLOWED_LABEL}")
    return value


_POSTURE = click.option(
    "--posture",
    type=click.Choice(POSTURES),
    default="Isolated",
    show_default=True,
    help="What decides where no rule does, unless there is a NetworkAttachmentPolicyConfig. Isolated: networks of "
    "the pod's own namespace and of the global ones. Consent: those, and what its owner shares. Open: every "
    "network. Strict: none.",
)
_GLOBAL_NAMESPACES = click.option(
    "--global-namespaces",
    metavar="NAME[,NAME...]",
    default="default",
    show_default=True,
    callback=_parse_namespaces,
    help='Namespaces whose networks every pod may use under Isolated; "" for none.',
)
_WORKLOAD_TEMPLATES = click.option(
    "--workload-templates",
    type=click.Choice(["Deny", "Warn", "Off"]),
    default="Deny",
    show_default=True,
    help="What becomes of a Deployment, Job, ... whose pods would be refused by the access rules.",
)
_NETWORK_STATUS_MODE = click.option(
    "--network-status-mode",
    type=click.Choice(NETWORK_STATUS_MODES),
    default=Config().network_status_mode,
    show_default=True,
    help="What becomes of a network-status that neither a node nor a status writer wrote. Warn and Deny drop it from "
    "new pods.",
)
_PROTECT_NETWORK_STATUS, _NO_PROTECT_NETWORK_STATUS = (
    click.option(flag, "network_status_mode", flag_value=mode, hidden=True, type=str)
    for flag, mode in (("--protect-network-status", "Deny"), ("--no-protect-network-status", "Off"))
)
"""Deprecated spellings of the mode: whoever asked for the refusal in words keeps it."""
_STATUS_WRITER = click.option(
    "--status-writer",
    "status_writers",
    multiple=True,
    metavar="USER",
    help="One more user that may write network-status. Nodes and the network plugins of the nodes may, such as Multus; "
    "may be repeated.",
)
_STATUS_WRITER_GROUP = click.option(
    "--status-writer-group",
    "status_writer_groups",
    multiple=True,
    metavar="GROUP",
    help="A group whose members may write network-status; may be repeated.",
)
STATUS_OPTIONS = (
    _NETWORK_STATUS_MODE,
    _PROTECT_NETWORK_STATUS,
    _NO_PROTECT_NETWORK_STATUS,
    _STATUS_WRITER,
    _STATUS_WRITER_GROUP,
)
"""What decides who may write network-status."""
_CONTACT = click.option("--contact", metavar="TEXT", default="", help="Whom a refusal tells the user to ask.")
network_namespace_option = click.option(
    "--network-namespace",
    metavar="NAME",
    default=NETWORK_NAMESPACE,
    show_default=True,
    callback=_parse_namespace,
    help="Where a bare name in the default-network annotation is looked up.",
)

_ATTACHMENT_OPTIONS = (_POSTURE, _GLOBAL_NAMESPACES, _CONTACT)
"""What decides about attachments of pods."""

_RULES_OPTIONS = (
    _POSTURE,
    _GLOBAL_NAMESPACES,
    _WORKLOAD_TEMPLATES,
    *STATUS_OPTIONS,
    _CONTACT,
    network_namespace_option,
)


def paint(text: str, role: str) -> str:
    """Return a text in the colour of its role; `click.echo` takes it out again when it prints to no terminal."""
    return click.style(text, **_STYLES[role])


_STYLES: dict[str, dict[str, Any]] = {
    "allowed": {"fg": "green"},
    "refused": {"fg": "red"},
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "place": {"bold": True},
    "added": {"fg": "green"},
    "removed": {"fg": "red"},
    "context": {},
}


def obey_no_color(context: click.Context) -> None:
    """Switch colours off when the user said so (no-color.org); else a terminal has them."""
    if os.environ.get("NO_COLOR"):
        context.color = False


def warn_unreadable(problems: Iterable[Problem]) -> None:
    """Print what of the policies cannot be read, one line each: they count as far as they can."""
    for problem in problems:
        click.echo(f"{problem.position}: {paint('warning:', 'warning')} {problem.text}", err=True)


def fail_unreadable(problems: Iterable[Problem]) -> NoReturn:
    """Print why the input cannot be read, one line each, and end the command."""
    for problem in problems:
        click.echo(str(problem), err=True)
    sys.exit(EXIT_UNREADABLE)
