"""Options that several commands share, the values that they make, and how commands print."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from cniplugin.access.model.decision import NETWORK_STATUS_MODES, POSTURES, Config, Rules
from cniplugin.netspec.attachers import ATTACHERS, MULTUS
from cniplugin.netspec.names import ALLOWED_LABEL, is_label
from webhook.admission.model.kinds import NETWORK_NAMESPACE
from webhook.admission.view.decisioncontext import Cluster, CompiledRules
from webhook.trees.problems import ManifestError, Problem

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from webhook.admission.plugins.schema import PluginChecks, PluginSchema
    from webhook.admission.view.decisioncontext import Configuration

DISTRIBUTION = "nadmit"
EXIT_REFUSED = 1
EXIT_UNREADABLE = 2

STDIN = "-"
STDIN_NAME = "<stdin>"
"""The name of standard input among files: in arguments, and in messages."""

RULES_FIELDS = (
    "posture",
    "global_namespaces",
    "workload_templates",
    "network_status_mode",
    "status_writers",
    "status_writer_groups",
    "contact",
)
"""Fields of `access.model.values.Config` that are options; `rules_options` makes a parameter of each."""

Command = TypeVar("Command", bound=Callable[..., Any])


def rules_options(command: Command) -> Command:
    """Add the options about access rules; `rules_of` makes a value of them."""
    return add_options(command, _RULES_OPTIONS)


def attachment_rules_options(command: Command) -> Command:
    """Add the options of `rules_options` that decide about attachments of pods."""
    return add_options(command, _ATTACHMENT_OPTIONS)


def add_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    """Add options in the order of the help."""
    for option in reversed(options):
        command = option(command)
    return command


def rules_of(options: Mapping[str, Any]) -> Rules:
    """Return the rules of the options of `rules_options`; other options are ignored."""
    return Rules(config=Config(**{name: options[name] for name in RULES_FIELDS if name in options}))


def rules_in_force(options: Mapping[str, Any], cluster: Cluster) -> Rules:
    """Return the rules of a cluster's policies; the options apply if the cluster has no configuration object."""
    return CompiledRules(rules_of(options).config)(cluster)


def _parse_namespaces(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    for name in names:
        if not is_label(name):
            raise click.BadParameter(f"{name!r} does not name a namespace; allowed: {ALLOWED_LABEL}")
    return names


def name_check(
    what: str, is_name: Callable[[str], bool] = is_label, allowed: str = ALLOWED_LABEL
) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Return a click callback that accepts the name of a kind of object; `what` is the kind in messages."""

    def check(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
        if value is not None and not is_name(value):
            raise click.BadParameter(f"{value!r} does not name {what}; allowed: {allowed}")
        return value

    return check


def parse_codes(_context: click.Context, _option: click.Parameter, value: Sequence[str]) -> frozenset[str]:
    """Return codes and rules, of which an option may list several (a click callback)."""
    from webhook.report.titles import codes_by_upper, no_such_code  # noqa: PLC0415 - most runs name none

    codes = [code.strip() for text in value for code in text.split(",") if code.strip()]
    for code in codes:
        if code.upper() not in codes_by_upper():
            raise click.BadParameter(no_such_code(code))
    return frozenset(codes_by_upper()[code.upper()] for code in codes)


def parse_url(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Return an address that can be registered (a click callback)."""
    if value is not None and (not value.startswith("https://") or any(mark in value for mark in "?#@")):
        raise click.BadParameter(f"{value!r} cannot be registered; allowed: https://HOST[:PORT][/PATH]")
    return value.rstrip("/") if value else value


def complete_paths(_context: click.Context, _argument: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a file or a directory (a callback of click)."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only shells need it

    return [CompletionItem(incomplete, type="file")]


def namespace_option(help_text: str) -> Callable[[Command], Command]:
    """Return the option --namespace of a command that can do without it."""
    return click.option("-n", "--namespace", metavar="NAME", callback=name_check("a namespace"), help=help_text)


def output_option(help_text: str) -> Callable[[Command], Command]:
    """Return the option --output of a command that prints text or JSON."""
    return click.option(
        "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help=help_text
    )


def config_option(command: Command) -> Command:
    """Add --config, --plugin-schemas and --attached-by, as the parameters `config`, `plugin_schemas`, `attached_by`."""
    return add_options(command, (*_CONFIG_OPTIONS, _ATTACHED_BY))


def schemas_option(command: Command) -> Command:
    """Add --config and --plugin-schemas alone, as the parameters `config` and `plugin_schemas`."""
    return add_options(command, _CONFIG_OPTIONS)


def configuration_of(config: Path | None, plugin_schemas: Path | None, attached_by: str) -> Configuration:
    """Return the configuration that the values of `config_option` name, for objects in files.

    In files, pod templates are found in every kind. Ends the command if a file cannot be used.
    """
    # NB: imported here, because some commands have neither YAML nor schemas.
    from webhook.admission.plugins.schema import PluginChecks  # noqa: PLC0415
    from webhook.admission.view.decisioncontext import Configuration  # noqa: PLC0415
    from webhook.driverdata.driverfiles import default_drivers  # noqa: PLC0415
    from webhook.plugindata.pluginfiles import load_schemas  # noqa: PLC0415

    own: Mapping[str, PluginSchema] = {}
    try:
        if plugin_schemas is not None:
            from webhook.configuration.schemafiles import load_directory  # noqa: PLC0415

            own = load_directory(plugin_schemas)
        if config is None:
            plugins = PluginChecks(schemas={**load_schemas(), **own}, attached_by=attached_by)
            drivers = default_drivers()
            return Configuration(plugins=plugins, drivers=drivers, attached_by=attached_by, finds_by_shape=True)
        from webhook.configuration.filesource import read_file  # noqa: PLC0415
        from webhook.configuration.parsing import read  # noqa: PLC0415

        return replace(read(read_file(config), where=str(config)).to_value(own, attached_by), finds_by_shape=True)
    except ManifestError as error:
        fail_unreadable(error.problems)


def plugin_checks_of(configuration: Configuration) -> PluginChecks:
    """Return how ranges are read: as the configuration says, or as plugins do if it switches their checks off."""
    from webhook.admission.plugins.schema import PluginChecks  # noqa: PLC0415 - as in `configuration_of`
    from webhook.plugindata.pluginfiles import load_schemas  # noqa: PLC0415 - as above

    return configuration.plugins or PluginChecks(schemas=load_schemas())


_POSTURE = click.option(
    "--posture",
    type=click.Choice(POSTURES),
    default="Isolated",
    show_default=True,
    help="Decides where no rule does, unless there is a NetworkAttachmentPolicyConfig. Isolated allows networks of "
    "the pod's own namespace and of the global ones. Consent also allows networks that their owner shares. Open allows "
    "every network, Strict none.",
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
    help="What to do with a Deployment, Job, ... whose pods the access rules would refuse.",
)
_NETWORK_STATUS_MODE = click.option(
    "--network-status-mode",
    type=click.Choice(NETWORK_STATUS_MODES),
    default=Config().network_status_mode,
    show_default=True,
    help="What to do with a network-status that neither a node nor a status writer wrote. Warn and Deny drop it from "
    "new pods.",
)
_PROTECT_NETWORK_STATUS, _NO_PROTECT_NETWORK_STATUS = (
    click.option(flag, "network_status_mode", flag_value=mode, hidden=True, type=str)
    for flag, mode in (("--protect-network-status", "Deny"), ("--no-protect-network-status", "Off"))
)
"""Deprecated spellings of the mode."""
_STATUS_WRITER = click.option(
    "--status-writer",
    "status_writers",
    multiple=True,
    metavar="USER",
    help="One more user that may write network-status, besides nodes and their network plugins, such as Multus; may be "
    "repeated.",
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
"""The options about writers of network-status."""
_CONTACT = click.option("--contact", metavar="TEXT", default="", help="Whom the user should ask after a refusal.")
network_namespace_option = click.option(
    "--network-namespace",
    metavar="NAME",
    default=NETWORK_NAMESPACE,
    show_default=True,
    callback=name_check("a namespace"),
    help="Where a bare name in the default-network annotation is looked up.",
)

_CONFIG_OPTIONS = (
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A NadmitConfiguration, YAML (docs/configuration.md); without it its defaults apply.",
    ),
    click.option(
        "--plugin-schemas",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Schemas of CNI plugins of your own, a file of JSON or YAML for each (docs/plugins.md).",
    ),
)
_ATTACHED_BY = click.option(
    "--attached-by",
    type=click.Choice(ATTACHERS),
    default=MULTUS,
    show_default=True,
    help="Who attaches pods on the nodes, unless the NadmitConfiguration says so. What one of them refuses or "
    "loses, the other may attach. nadmit-strict is the plugin of nadmit with strict in its configuration.",
)
_ATTACHMENT_OPTIONS = (_POSTURE, _GLOBAL_NAMESPACES, _CONTACT)
"""The options about attachments of pods."""

_RULES_OPTIONS = (
    _POSTURE,
    _GLOBAL_NAMESPACES,
    _WORKLOAD_TEMPLATES,
    *STATUS_OPTIONS,
    _CONTACT,
    network_namespace_option,
)


def paint(text: str, role: str) -> str:
    """Return a text in the colour of its role; `click.echo` removes the colour when it does not print to a terminal."""
    return click.style(text, **_STYLES[role])


_STYLES: dict[str, dict[str, Any]] = {
    "allowed": {"fg": "green"},
    "refused": {"fg": "red"},
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "note": {"fg": "cyan"},
    "place": {"bold": True},
    "added": {"fg": "green"},
    "removed": {"fg": "red"},
    "context": {},
}


def warn_unreadable(problems: Iterable[Problem]) -> None:
    """Print the parts of policies that cannot be read, one line each; the other parts count."""
    for problem in problems:
        click.echo(f"{problem.position}: {paint('warning:', 'warning')} {problem.text}", err=True)


def fail_unreadable(problems: Iterable[Problem]) -> NoReturn:
    """Print why the input cannot be read, one line each, and end the command."""
    for problem in problems:
        click.echo(str(problem), err=True)
    sys.exit(EXIT_UNREADABLE)


def fail(text: str) -> NoReturn:
    """Print why the command cannot answer, and end it."""
    click.echo(f"nadmit: {text}", err=True)
    sys.exit(EXIT_UNREADABLE)


def is_compiled() -> bool:
    """Return whether the modules of a review are machine code (docs/operations.md, "The compiled form")."""
    found = find_spec("cniplugin.netspec.names")
    return found is not None and not str(found.origin).endswith(".py")


def installed_version() -> str:
    """Return the version, "0+unknown" when the program runs from a tree that is not installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0+unknown"
