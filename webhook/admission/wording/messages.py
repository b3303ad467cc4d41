"""Every word that a user of the webhook reads, and the code, reason and causes around it.

Checks hand over rule id, path and value; only this file speaks (the five facts of a refused attachment are in
`cniplugin.access.judging.reasons`, because the node prints them too). `tests/golden` shows every message once.

- An unreadable or impossible object: 422 `Invalid`, one self-contained cause per problem, because kubectl shows
  nothing else for that reason; `message` repeats them all for events of controllers.
- A refusal by the rules: 403 `Forbidden`, the text in `message`.
- Warnings: one line, ASCII, at most WARNING_MAX characters (the API server cuts at 256 and drops control characters).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cniplugin.access.judging import reasons
from cniplugin.access.judging.reasons import Refusal
from cniplugin.access.lints.lints import Lint
from cniplugin.access.model.decision import Config, Verdict
from cniplugin.netspec.errors import SpecError, describe, show
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.model.remark import Remark
from webhook.admission.model.requests import Cause, Decision, GroupKind, Request
from webhook.admission.plugins.findings import PluginFinding

WARNING_MAX = 256
MESSAGE_BYTES_MAX = 32_768
"""Of an `Invalid` message; hostile input may have thousands of problems, and the count is what remains to be said."""
CAUSES_MAX = 20
CLAIMS_SHOWN_MAX = 5
"""Claims that one message names."""

TEMPLATE_PATHS = {
    "CronJob": "spec.jobTemplate.spec.template.",
    "PodTemplate": "template.",
}
"""Where a kind keeps its pod template, if not under `spec.template.`."""


def template_path(kind: GroupKind) -> str:
    """Return the path of the pod's metadata inside an object of a kind; "" for a pod itself."""
    return "" if kind.kind in {"Pod", "Binding"} else TEMPLATE_PATHS.get(kind.kind, "spec.template.")


def who(request: Request) -> str:
    """Return the object as refusals name it: `pod blue/web-0`, `networkattachmentpolicy guardrails`."""
    return f"{request.kind.kind.lower()} {_placed_name(request)}"


def _placed_name(request: Request) -> str:
    return f"{request.namespace}/{request.object_name}" if request.namespace else request.object_name


# Unreadable or impossible objects


def invalid(request: Request, problems: Sequence[SpecError], *, warnings: Sequence[str] = ()) -> Decision:
    """Refuse an object whose text breaks the standard, with all its problems in input order."""
    causes = [_cause(request.kind, error) for error in problems[:CAUSES_MAX]]
    if len(problems) > CAUSES_MAX:
        causes.append(Cause(field=causes[-1].field, message=f"and {len(problems) - CAUSES_MAX} more problems"))
    return Decision(
        is_allowed=False,
        code=422,
        reason="Invalid",
        message=reasons.cut(_invalid_message(request, causes), MESSAGE_BYTES_MAX),
        causes=tuple(causes),
        warnings=tuple(warnings),
        rules=distinct(error.rule for error in problems),
        decided="built-in check",
    )


def unreadable(
    request: Request,
    problems: Sequence[SpecError],
    refusals: Sequence[Refusal],
    others: Sequence[SpecError],
    *,
    warnings: Sequence[str] = (),
) -> Decision:
    """Refuse an object whose annotations cannot be read, and tell what is wrong with the rest of them too."""
    refused_items = [
        SpecError(
            rule=refusal.verdict.code,
            source=DEFAULT_NETWORK if refusal.item is None else NETWORKS,
            path="" if refusal.item is None else f"[{refusal.item}]",
            item=refusal.item,
            detail=f"{refusal.reference}: {refusal.verdict.reason}",
            fix=refusal.verdict.fix,
        )
        for refusal in refusals
    ]
    everything = sorted([*problems, *refused_items, *others], key=input_order)
    return invalid(request, everything, warnings=warnings)


def input_order(error: SpecError) -> tuple[bool, int]:
    """Return what sorts by annotation and item; `sorted` keeps the order within an item."""
    return error.source == NETWORKS, -1 if error.item is None else error.item


def _invalid_message(request: Request, causes: Sequence[Cause]) -> str:
    head = f'{request.kind.kind} "{request.object_name}" is invalid:'
    lines = [f"{cause.field}: {cause.message}" for cause in causes]
    return f"{head} {lines[0]}" if len(lines) == 1 else "\n".join([head, *(f"* {line}" for line in lines)])


def _cause(kind: GroupKind, error: SpecError) -> Cause:
    """Return a problem as a cause; a syntax error shows its line, too."""
    lines = [describe(error), *(f"    {line}" for line in error.excerpt.split("\n") if line)]
    return Cause(field=field_of(kind, error), message="\n".join(lines), rule=error.rule)


def field_of(kind: GroupKind, error: SpecError) -> str:
    """Return where a problem is in an object, as the API server writes paths."""
    if error.source in {NETWORKS, DEFAULT_NETWORK}:
        base = f"{template_path(kind)}metadata.annotations[{error.source}]"
    else:
        base = error.source or "spec.config"
    if not error.path:
        return base
    return f"{base}{error.path}" if error.path.startswith("[") else f"{base}.{error.path}"


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Return rule ids, or names of policies, each once; "" is none."""
    return tuple(dict.fromkeys(filter(None, names)))


def config_type(value: object) -> SpecError:
    """`spec.config` is no string: the commonest slip of a YAML author."""
    return SpecError(
        rule="cni-config-type",
        value=value,
        detail="spec.config is not a string",
        allowed="a string that holds JSON",
        fix="write it as a block: config: |",
        section="NPWG v1.3 §3.2",
    )


def object_name(name: str, kind: str) -> SpecError:
    """A name that the API server would refuse too."""
    return SpecError(
        rule="object-name",
        source="metadata.name",
        value=name,
        detail=f"this cannot name a {kind}",
        allowed="lower case letters, digits, '-' and '.', at most 253 characters",
        section="NPWG v1.3 §3.3",
    )


# Refused attachments


def refused(
    request: Request,
    refusals: Sequence[Refusal],
    *,
    judged: int,
    also: Sequence[SpecError],
    warnings: Sequence[str] = (),
) -> Decision:
    """Refuse attachments by the access rules; `also` are other problems of the same object."""
    placed = [error.replace(path=field_of(request.kind, error)) for error in also]
    return Decision(
        is_allowed=False,
        code=403,
        reason="Forbidden",
        message=reasons.render(refusals, who=who(request), judged=judged, also=placed),
        causes=(
            *(_refusal_cause(request.kind, refusal) for refusal in refusals[:CAUSES_MAX]),
            *(_cause(request.kind, error) for error in also[:CAUSES_MAX]),
        ),
        warnings=tuple(warnings),
        rules=distinct([*(refusal.verdict.code for refusal in refusals), *(error.rule for error in also)]),
        decided=refusals[0].verdict.decided,
        policies=distinct(refusal.verdict.policy for refusal in refusals),
    )


def _refusal_field(kind: GroupKind, refusal: Refusal) -> str:
    if refusal.field:
        return refusal.field
    base = f"{template_path(kind)}metadata.annotations"
    if refusal.item is None:
        return f"{base}[{DEFAULT_NETWORK}]"
    return f"{base}[{NETWORKS}][{refusal.item}]"


def _refusal_cause(kind: GroupKind, refusal: Refusal) -> Cause:
    verdict = refusal.verdict
    text = f"{refusal.reference}: {verdict.reason}; decided by {verdict.decided}; {verdict.fix}"
    return Cause(field=_refusal_field(kind, refusal), message=text, reason=verdict.code, rule=verdict.code)


def would_be_refused(request: Request, refusal: Refusal, config: Config) -> str:
    """Warn of a refusal that a setting turns into a warning."""
    return warning(
        f"network access: {who(request)} to {refusal.reference} would be denied by "
        f"{refusal.verdict.decider}; ask {config.whom_to_ask}"
    )


def trial(request: Request, refusal: Refusal, config: Config) -> str:
    """Warn of what a policy of mode Warn would refuse."""
    return warning(reasons.render_trial(refusal, config, who=who(request)))


def trial_record(mode: str, refusal: Refusal) -> str:
    """Return what a policy on trial would refuse, for records."""
    return f"{mode}: {refusal.reference}: {refusal.verdict.code} by {refusal.verdict.decider}"


def binding_refused(request: Request, keys: Sequence[str]) -> Decision:
    """Refuse network annotations on a Binding: they would be merged over the pod's own (side door 8)."""
    return Decision(
        is_allowed=False,
        code=403,
        reason="Forbidden",
        message=(
            f"network access denied: binding {request.namespace}/{request.object_name} "
            f"may not carry {', '.join(keys)}\n"
            "  reason:  annotations of a Binding replace the pod's own after the pod was checked\n"
            "  decided: built-in check of bindings\n"
            "  fix:     set the annotation on the pod; the scheduler's Binding needs none"
        ),
        causes=tuple(
            Cause(
                field=f"metadata.annotations[{key}]",
                message="not allowed on a Binding",
                reason="BuiltinBindingAnnotation",
            )
            for key in keys
        ),
        rules=("BuiltinBindingAnnotation",),
        decided="built-in check of bindings",
    )


STATUS_RULE = "NetworkStatusProtected"


def status_refused(request: Request, keys: Sequence[str], config: Config) -> Decision:
    """Refuse a `network-status` of anybody but nodes and status writers (side door 20)."""
    if request.operation == "CREATE":
        what, fix = f"create {who(request)} with a network status", "leave the annotation out"
    else:
        what, fix = f"change the network status of {who(request)}", "leave the annotation as it is"
    return Decision(
        is_allowed=False,
        code=403,
        reason="Forbidden",
        message=(
            f"network access denied: user {show(request.user.name)[1:-1]} may not {what}\n"
            f"  reason:  the annotation {keys[0]} says what a node attached, and others rely on it\n"
            "  decided: built-in protection of network-status (networkStatusMode Deny)\n"
            "  allowed: nodes, network plugins of the pod's node (pods/status), statusWriters, statusWriterGroups\n"
            f"  fix:     {fix}, or ask {config.whom_to_ask} to add the user to statusWriters"
        ),
        causes=tuple(
            Cause(
                field=f"metadata.annotations[{key}]",
                message="only nodes and status writers may write it",
                reason=STATUS_RULE,
                rule=STATUS_RULE,
            )
            for key in keys
        ),
        rules=(STATUS_RULE,),
        decided="built-in protection of network-status",
    )


def status_remark(request: Request, keys: Sequence[str], config: Config) -> str:
    """Warn of the same, under mode Warn."""
    fix = "out" if request.operation == "CREATE" else "as it is"
    text = (
        f"metadata.annotations[{keys[0]}]: user {show(request.user.name)[1:-1]} sets the network status; only nodes "
        f"and status writers may; leave it {fix}, or ask {config.whom_to_ask} to add the user to statusWriters"
    )
    return Remark.of(warning(text), rule=STATUS_RULE)


def status_record(mode: str, request: Request, keys: Sequence[str]) -> str:
    """Return the same for records."""
    verb = "brought" if request.operation == "CREATE" else "changed"
    return f"{mode}: {STATUS_RULE}: {', '.join(keys)} {verb} by {show(request.user.name)[1:-1]}"


def status_dropped(key: str) -> str:
    """Warn of what /mutate takes out of a new pod."""
    return Remark.of(
        warning(
            f"metadata.annotations[{key}]: dropped: only nodes and status writers may write it, and a new pod has no "
            "networks yet; leave it out"
        ),
        rule=STATUS_RULE,
    )


def claims_unknown(request: Request, unknown: Sequence[tuple[str, str, str]]) -> Decision:
    """Refuse a pod for now: nobody knows what its claims attach. `unknown`: kind, namespace and name of each."""
    named = [f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}" for kind, namespace, name in unknown]
    more = f" and {len(named) - CLAIMS_SHOWN_MAX} more" if len(named) > CLAIMS_SHOWN_MAX else ""
    shown = ", ".join(named[:CLAIMS_SHOWN_MAX])
    reason = f"it is not known what these attach, and the API server did not answer in time: {shown}{more}"
    decided = "built-in check of claims"
    return Decision(
        is_allowed=False,
        code=503,
        reason="ServiceUnavailable",
        message=(
            f"network access denied for now: {who(request)}\n"
            f"  reason:  {reason}\n"
            f"  decided: {decided}\n"
            "  fix:     try again; create claims before the pods that name them, at most 16 new ones for one pod"
        ),
        causes=(Cause(field="spec.resourceClaims", message=reason, reason="ClaimUnknown", rule="claim-unknown"),),
        rules=("claim-unknown",),
        decided=decided,
    )


def networks_unread(request: Request) -> Decision:
    """Refuse an object for now: the definitions that it names could not be read in time."""
    reason = "its networks have large configurations, which could not be read in time"
    return Decision(
        is_allowed=False,
        code=503,
        reason="ServiceUnavailable",
        message=f"network access denied for now: {who(request)}: {reason}; try again, or name fewer networks",
        causes=(Cause(field="metadata.annotations", message=reason, reason="NetworksUnread", rule="networks-unread"),),
        rules=("networks-unread",),
        decided="built-in limit of time",
    )


# Definitions


def definition_refused(
    request: Request, verdict: Verdict, *, warnings: Sequence[str] = (), field: str = "spec.config"
) -> Decision:
    """Refuse a definition by the rules about who may write which, or by the level of its namespace.

    `field` has the configuration.
    """
    allowed = [f"  allowed: {verdict.allowed}"] if verdict.allowed else []
    user = show(request.user.name)[1:-1]
    what = f"{request.kind.kind} {_placed_name(request)}"
    lines = [
        f"network definition denied: user {user} may not write {what}",
        f"  reason:  {verdict.reason}",
        f"  decided: {verdict.decided}",
        *allowed,
        f"  fix:     {verdict.fix}",
    ]
    return Decision(
        is_allowed=False,
        code=403,
        reason="Forbidden",
        message=reasons.cut("\n".join(lines), reasons.TEXT_BYTES_MAX),
        causes=tuple(
            Cause(field=key, message=text, reason=verdict.code, rule=verdict.code)
            for key, text in (verdict.keys or ((field, verdict.reason),))[:CAUSES_MAX]
        ),
        warnings=tuple(warnings),
        rules=(verdict.code,),
        decided=verdict.decided,
        policies=distinct([verdict.policy]),
    )


def definition_trial(request: Request, verdict: Verdict, config: Config) -> str:
    """Warn of a definition that a policy of mode Warn would refuse."""
    return warning(
        f"network definition: {_placed_name(request)} by user {show(request.user.name)[1:-1]} "
        f"would be denied by {verdict.decider} (mode Warn): {verdict.reason}; "
        f"ask {verdict.contact or config.whom_to_ask}"
    )


def definition_trial_record(mode: str, verdict: Verdict) -> str:
    """Return what a policy on trial would refuse, for records."""
    return f"{mode}: {verdict.code} by {verdict.decider}"


def unattachable(verdict: Verdict) -> str:
    """Warn an exempt author of a definition that its namespace's level keeps pods from."""
    first, *more = (key for key, _ in verdict.keys)
    left = f" and {len(more)} more" if more else ""
    this, it = ("these", "them") if more else ("this", "it")
    return warning(
        f"no pod can attach to it at {verdict.decider}, because of {first}{left}: "
        f"list {this} in definitions.baseline, write an Allow rule for definitions that names {it}, or set another "
        "level"
    )


# Warnings


def warning(text: str) -> str:
    """Return a text as one warning: printable, one line, at most WARNING_MAX characters."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return line if len(line) <= WARNING_MAX else f"{line[: WARNING_MAX - 3]}..."


def remark(lint: Lint) -> str:
    """What works in a policy, and is seldom meant."""
    return warning(f"{lint.path}: {lint.text}")


def pools_unlimited() -> str:
    """Tenants share the listed interfaces with others, and nobody has said whose addresses are whose."""
    return warning(
        "spec.definitions.baseline: masters are listed and addresses are not: at level Baseline, definitions may hand "
        "out any pool of addresses on them; list the ranges that tenants have"
    )


def on_disk(name: str) -> str:
    """An empty `spec.config` runs a file of the node (side door 4)."""
    return warning(f'spec.config is empty: each node will use its own CNI configuration named "{name}"')


def name_differs(written: str, name: str) -> str:
    """NPWG v1.3 §3.4.3 strongly recommends equal names."""
    return warning(f'spec.config: name {show(written)} differs from the object\'s name "{name}"')


def dotted_name(name: str) -> str:
    """A name with a dot works in the JSON form only."""
    return warning(f'metadata.name: "{name}" has a dot: pods can only select it in the JSON form')


def plugin_remark(finding: PluginFinding, *, field: str = "spec.config") -> str:
    """What a plugin accepts and seldom means, or what only its node can tell; `field` has the configuration."""
    error = finding.as_spec_error()
    place = f"{field}{'' if not error.path or error.path.startswith('[') else '.'}{error.path}"
    return Remark.of(warning(f"{place}: {describe(error)}"), rule=finding.code)


def not_yet(error: SpecError) -> str:
    """A template may come before its networks; the pod is judged again."""
    hint = "" if error.fix == CREATE_IT else f"; {error.fix}"
    return warning(f"{error.detail}{hint}{' ' if hint.endswith('?') else '; '}pods will be refused until it exists")


def namespace_unknown(namespace: str) -> str:
    """Rules select namespaces by labels, and nobody knows those of this one."""
    text = (
        f'no manifest has namespace "{namespace[:63]}": it counts as one without labels, and access rules select '
        "namespaces by labels; add the Namespace with its labels"
    )
    return Remark.of(warning(text), rule="namespace-unknown")


CREATE_IT = "create it first"
"""The fix for a missing network that resembles none."""


def exists_as(names: Sequence[str]) -> str:
    """Return the fix for a missing network whose name exists where the pod may use it."""
    return f"it exists as {', '.join(names)}: write that"


def did_you_mean(name: str) -> str:
    """Return the fix for a near miss."""
    return f'did you mean "{name}"?'
