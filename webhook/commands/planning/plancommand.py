"""`nadmit plan`: what a change of definitions, policies, settings, namespaces or workloads would do to pods."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from webhook.admission.model.kinds import CLUSTER_SCOPED, NAMESPACE, NETWORK, POD, POLICY, POLICY_CONFIG, WORKLOADS
from webhook.admission.model.requests import User
from webhook.admission.view.decisioncontext import IN_USE_MODES, WARN
from webhook.commands import objectfiles
from webhook.commands.judging import NOBODY
from webhook.commands.options import (
    EXIT_REFUSED,
    STDIN,
    STDIN_NAME,
    Command,
    add_options,
    complete_paths,
    config_option,
    fail,
    fail_unreadable,
    paint,
    rules_options,
)
from webhook.configuration.filesource import read_file
from webhook.kube.apierrors import ClusterError
from webhook.report.changeplan import planjson, planmarkdown, plantext
from webhook.report.changeplan.planned import ChangePlan, compare, counted_of
from webhook.report.diagnosis.objectset import controller_of
from webhook.trees import builder, environments, gathering, manifests
from webhook.trees.documents import Document
from webhook.trees.problems import ManifestError, Problem

from . import livestate
from .changesteps import Change, ConfigSource, settings_text
from .plannedstate import Judging, Key, PodJudge, Settings, key_of, settings_of

FORMS = ("text", "json", "markdown")
BREAKS, CHANGES, NOTHING = FAIL_ON = ("breaks", "changes", "nothing")
KINDS = {
    **dict.fromkeys(("net-attach-def", "networkattachmentdefinition", "network-attachment-definition"), NETWORK),
    **dict.fromkeys(("networkattachmentpolicy", "networkattachmentpolicies", "nap"), POLICY),
    "networkattachmentpolicyconfig": POLICY_CONFIG,
    **dict.fromkeys(("namespace", "ns"), NAMESPACE),
    "pod": POD,
    **{one.kind.lower(): one for one in sorted(WORKLOADS)},
}
"""Kinds that --delete can name without a file."""
SOMEBODY = "nadmit-plan"
"""The author of whom only groups are known. NB: rules about labels of namespaces do not count for NOBODY."""
ONE_AS_IT_RUNS = "1 pod is judged as it runs, because what makes it was not read: it keeps what was once put into it"
MORE_AS_THEY_RUN = (
    "{} are judged as they run, because what makes them was not read: they keep what was once put into them"
)
PROGRESS_MIN = 500
"""Distinct pods above which judging takes so long that a progress bar helps."""

_OPTIONS = (
    click.option(
        "--delete",
        "deleted",
        multiple=True,
        metavar="FILE|KIND/[NAMESPACE/]NAME",
        help="Objects that go away: those of a file or a tree, or one such as net-attach-def/blue/lan, "
        "networkattachmentpolicy/guard, deployment/blue/web or namespace/blue; may be repeated.",
    ),
    click.option(
        "--prune",
        is_flag=True,
        help="With --manifests: objects of that tree that FILEs do not have go away.",
    ),
    *objectfiles.source_options(", with pods, workloads, networks and policies", "what FILEs are compared with"),
    click.option(
        "--config-map",
        metavar="NAMESPACE/NAME",
        default="nadmit-system/nadmit-webhook",
        show_default=True,
        help="The ConfigMap with the NadmitConfiguration of the cluster, which FILEs may change; --config replaces it.",
    ),
    click.option(
        "--network-in-use",
        type=click.Choice(IN_USE_MODES),
        default=WARN,
        show_default=True,
        help="As in `nadmit serve`: what happens when somebody changes or deletes a network that pods use.",
    ),
    click.option(
        "--as",
        "user_name",
        metavar="USER",
        help="Who applies the FILEs, as kubectl's --as. Without it, rules about authors are not judged.",
    ),
    click.option("--as-group", "groups", metavar="GROUP", multiple=True, help="A group of that user; may be repeated."),
    click.option(
        "-o",
        "--output",
        type=click.Choice(FORMS),
        default="text",
        show_default=True,
        help="json: one object; docs/plan.schema.json is its schema. markdown: a comment for a pull request.",
    ),
    click.option(
        "--fail-on",
        type=click.Choice(FAIL_ON),
        default=BREAKS,
        show_default=True,
        help="End with 1 if something would be refused or find its network gone (breaks), or also if something would "
        "get other networks or be admitted again (changes).",
    ),
)


def _options(command: Command) -> Command:
    return add_options(command, _OPTIONS)


@click.command("plan", short_help="Say what a change would do to pods, before it is applied.")
@click.argument("paths", nargs=-1, metavar="[FILE...]", shell_complete=complete_paths)
@_options
@config_option
@rules_options
def plan(*, paths: tuple[str, ...], output: str, fail_on: str, **options: Any) -> None:
    """Say what `kubectl apply` of FILEs would do to running pods, stopped machines and templates of workloads.

    FILEs have what changes: definitions, access policies and their configuration, namespaces with their labels, a
    NadmitConfiguration, workloads. A FILE is read as by `nadmit check`: a file, a directory, a kustomization, a chart,
    or "-". They are compared with the cluster, or with copies (-f, --manifests).

    Each pod is judged twice, as if it were created again before and after the change: by the webhook, which may change
    or refuse it, and by the plan that a node would make. Pods count for the workload that makes them, and each
    template is judged once. A change that the webhook would refuse comes first; it is left out of the rest.

    It needs list on definitions, access policies and namespaces. Each other right that is missing is named in a line
    "unread", and the plan says less.

    \b
    Examples:
      nadmit plan lan.yaml
      nadmit plan deploy/ --delete net-attach-def/blue/old
      nadmit plan -o markdown deploy/ > comment.md
      kubectl get pods,deploy,rs,net-attach-def,ns -A -o yaml > now.yaml; nadmit plan -f now.yaml lan.yaml
      nadmit plan --manifests ../base/deploy --prune deploy      two trees of a repository

    \b
    Exit codes:
      0  nothing breaks
      1  something would be refused or find its network gone; see --fail-on
      2  a file or the cluster cannot be read, or an option is wrong
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    _check_options(paths, options)
    change, base = _carry_out(paths, options)
    found = _plan(change, base)
    click.echo(_render(found, output), nl=output != "markdown")
    fails = {BREAKS: found.is_breaking, CHANGES: found.is_changing, NOTHING: False}
    sys.exit(EXIT_REFUSED if fails[fail_on] else 0)


def _check_options(paths: Sequence[str], options: dict[str, Any]) -> None:
    if not paths and not options["deleted"]:
        raise click.UsageError("Give FILEs, or --delete; nadmit plan --help has examples.")
    if options["prune"] and options["directory"] is None:
        raise click.UsageError("--prune belongs to --manifests.")
    if options["config_map"].count("/") != 1:
        raise click.BadParameter(
            f"{options['config_map']!r} is not a ConfigMap; allowed: NAMESPACE/NAME", param_hint="--config-map"
        )


# Reading


def _carry_out(paths: Sequence[str], options: dict[str, Any]) -> tuple[Change, livestate.Base]:
    """Return the change, carried out on the base."""
    is_copy = objectfiles.is_copy(options)
    notes: list[str] = []
    documents = _gather(paths, notes)
    deleted = [key for one in options["deleted"] for key in _deleted(one, notes)]
    own = {"plugin_schemas": options["plugin_schemas"], "attached_by": options["attached_by"]}
    given: Path | None = options["config"]
    try:
        settings = settings_of(None if given is None else read_file(given), str(given), **own)
    except ManifestError as error:
        fail_unreadable(error.problems)
    pods = {(one.namespace, one.name) for one in documents if one.kind == "Pod" and not controller_of(one.object)}
    base = livestate.Base(settings.value.workloads, pods | {key[2:] for key in deleted if key[1] == "Pod"})
    where, _, name = options["config_map"].partition("/")
    if is_copy:
        deleted += _read_copies(options, base, {key_of(one) for one in documents}, (where, name))
    else:
        _read_cluster(options["kubeconfig"], base, None if given is not None else (where, name))
    if given is None:
        settings = _settings_in_force(base, settings, own)
    groups = (*options["groups"], *NOBODY.groups)
    judging = Judging(
        given=options,
        network_namespace=options["network_namespace"],
        network_in_use=options["network_in_use"],
        user=User(options["user_name"] or (SOMEBODY if options["groups"] else NOBODY.name), groups),
        is_author_known=options["user_name"] is not None or bool(options["groups"]),
    )
    change = Change(base.state, settings, judging, ConfigSource(own, (where, name)))
    change.notes = notes
    return _applied(change, documents, deleted), base


def _applied(change: Change, documents: Sequence[Document], deleted: Sequence[Key]) -> Change:
    change.first_webhook()
    change.apply(documents)
    change.delete(deleted)
    return change


def _gather(paths: Sequence[str], notes: list[str]) -> list[Document]:
    """Return the objects of paths. Ends the command if one of them cannot be read."""
    problems: list[Problem] = []
    documents: list[Document] = []
    try:
        if named := [path for path in paths if path != STDIN]:
            gathered = gathering.gather(named)
            problems += gathered.problems
            documents += gathered.documents
            notes += (f"{one.position}: {one.text}" for one in (*gathered.warnings, *gathered.remarks))
        if STDIN in paths:
            documents += manifests.read_bytes(sys.stdin.buffer.read(), file=STDIN_NAME, problems=problems)
    except ManifestError as error:
        fail_unreadable(error.problems)
    if problems:
        fail_unreadable(problems)
    if paths and not documents:
        for note in notes:
            click.echo(note, err=True)
        fail_unreadable([manifests.nothing_found(paths)])
    notes += _environments(documents, " ".join(paths))
    return documents


def _environments(documents: Sequence[Document], where: str) -> Iterator[str]:
    """Yield a note about directories side by side with the same objects, of which one is meant."""
    _, groups = environments.split(documents, list(map(builder.identity, documents)))
    for group in groups:
        names = ", ".join(group.names)
        yield f"{where} has environments side by side: {names}; the last one counts, so name the one that is meant"


def _deleted(given: str, notes: list[str]) -> list[Key]:
    """Return the objects that an option --delete names."""
    kind, slash, rest = given.partition("/")
    known = KINDS.get(kind.lower()) or KINDS.get(kind.lower().removesuffix("s"))
    if known is None or not slash or Path(given).exists():
        return [key_of(one) for one in _gather([given], notes)]
    namespace, _, name = rest.rpartition("/")
    needs_namespace = known not in CLUSTER_SCOPED
    if not name or "/" in namespace or bool(namespace) is not needs_namespace:
        form = f"{kind}/NAMESPACE/NAME" if needs_namespace else f"{kind}/NAME"
        raise click.BadParameter(f"{given!r} does not name an object; allowed: {form}", param_hint="--delete")
    return [(*known, namespace, name)]


def _read_copies(
    options: dict[str, Any], base: livestate.Base, kept: set[Key], config_map: tuple[str, str]
) -> list[Key]:
    """Read the base from files; return what --prune takes away."""
    tree = objectfiles.read((), options["directory"]) if options["directory"] is not None else []
    base.notes += _environments(tree, "--manifests")
    pruned = [key for key in map(key_of, tree) if key not in kept] if options["prune"] else []
    base.keep(key[2:] for key in pruned if key[1] == "Pod")
    documents = [*tree, *(objectfiles.read(options["files"], None) if options["files"] else [])]
    base.add_all(documents)
    base.finish()
    base.settings = next((text for one in documents if (text := settings_text(one, config_map)) is not None), None)
    if not base.state.made:
        base.notes.append("the copies have neither pods nor workloads, so nothing is known of who uses the networks")
    return pruned


def _read_cluster(kubeconfig: Path | None, base: livestate.Base, config_map: tuple[str, str] | None) -> None:
    try:
        livestate.read_cluster(kubeconfig, base, objectfiles.tell, config_map=config_map)
    except ClusterError as error:
        fail(str(error))


def _settings_in_force(base: livestate.Base, settings: Settings, own: dict[str, Any]) -> Settings:
    """Return the settings of the base. A text that cannot be read is not in force."""
    if base.settings is None:
        return settings
    try:
        return settings_of(base.settings, "the NadmitConfiguration of the base", **own)
    except ManifestError as error:
        base.notes.append(f"{error.problems[0]}: the webhook keeps an older text; here the defaults count")
        return settings


# The plan


def _plan(change: Change, base: livestate.Base) -> ChangePlan:
    judges = PodJudge(change.first_webhook()), PodJudge(change.webhook())
    effects = compare(change.before.made, change.state.made, judges, progress=_progress)
    notes = [*change.notes, *base.notes]
    alone = sum(one.running for one in change.before.made.values() if one.is_as_it_runs)
    if alone:
        notes.append(ONE_AS_IT_RUNS if alone == 1 else MORE_AS_THEY_RUN.format(counted_of(alone, "pod")))
    return ChangePlan(
        changes=tuple(change.changes),
        effects=effects.effects,
        kept=effects.kept,
        kept_pods=effects.kept_pods,
        new=effects.new,
        judged=effects.judged,
        notes=tuple(dict.fromkeys(notes)),
        unread=tuple(dict.fromkeys(base.unread)),
    )


def _progress(count: int) -> Iterable[int]:
    if count < PROGRESS_MIN or not sys.stderr.isatty():
        yield from range(count)
        return
    with click.progressbar(range(count), label="judging", file=sys.stderr) as shown:
        yield from shown


def _render(found: ChangePlan, output: str) -> str:
    if output == "json":
        return planjson.render_json(found)
    if output == "markdown":
        return planmarkdown.render_markdown(found)
    return plantext.render_text(found, paint)
