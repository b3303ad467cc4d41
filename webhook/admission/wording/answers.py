"""The forms that all answers share: how an answer names its object and its fields, and how it refuses.

- An object that cannot be read, or whose plan cannot be made, gets 422 `Invalid` with one self-contained cause for each
  problem: kubectl shows nothing else for that reason. `message` repeats them for the events of controllers.
- An object that the rules refuse gets 403 `Forbidden`, with the facts in `message`.

The facts of a refused attachment come from `cniplugin.access.judging.reasons`, because the node prints them as well.
`tests/golden` shows every message once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cniplugin.access.judging.reasons import TEXT_BYTES_MAX, cut
from cniplugin.netspec.errors import SpecError, describe, show
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.admission.model.kinds import template_steps
from webhook.admission.model.requests import AdmissionWarning, Cause, Decision, Request

MESSAGE_BYTES_MAX = 32_768
"""Of an `Invalid` message. A hostile object may have thousands of problems; the message counts those it leaves out."""
CAUSES_MAX = 20
NAME_MAX = 63
"""Characters of a name that a warning shows: a label has at most so many, a name may have 253."""


def template_path(request: Request) -> str:
    """Return the path of the pod template in the object of a request, with a dot at its end; "" for a pod itself."""
    if request.place is not None:
        return request.place.path
    kind = request.kind.kind
    return "" if kind in {"Pod", "Binding"} else "".join(f"{key}." for key in template_steps(kind))


def field_of(request: Request, error: SpecError) -> str:
    """Return the field of an object that a problem is about, as the API server writes paths."""
    if error.source in {NETWORKS, DEFAULT_NETWORK}:
        return annotation_field(request, error.source, error.path)
    return join_path(error.source or "spec.config", error.path)


def annotation_field(request: Request, annotation: str, path: str = "") -> str:
    """Return the field that holds a part of an annotation of the pod, or of the pod that a template makes."""
    if request.place is not None:
        return request.place.field(annotation, path)
    return join_path(f"{template_path(request)}metadata.annotations[{annotation}]", path)


def join_path(base: str, path: str) -> str:
    """Return the path of a field below another one; `path` may begin with an index, or be empty."""
    return f"{base}{'' if not path or path.startswith('[') else '.'}{path}"


def placed_name(request: Request) -> str:
    """Return the name of an object with its namespace: `blue/web-0`."""
    return f"{request.namespace}/{request.object_name}" if request.namespace else request.object_name


def who(request: Request) -> str:
    """Return the object as refusals name it: `pod blue/web-0`, `networkattachmentpolicy guardrails`."""
    return f"{request.kind.kind.lower()} {placed_name(request)}"


def user_of(request: Request) -> str:
    """Return the name of the requester, printable and shortened."""
    return show(request.user.name)[1:-1]


def shorten(name: str) -> str:
    """Return a name of at most NAME_MAX characters."""
    return name if len(name) <= NAME_MAX else f"{name[: NAME_MAX - 3]}..."


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Return rule ids, or names of policies, each once and without empty ones."""
    return tuple(dict.fromkeys(filter(None, names)))


def did_you_mean(name: str) -> str:
    """Return the fix for a near miss."""
    return f'did you mean "{name}"?'


def object_name(name: str, kind: str) -> SpecError:
    """The API server would refuse the name as well."""
    return SpecError(
        rule="object-name",
        source="metadata.name",
        value=name,
        detail=f"this cannot name a {kind}",
        allowed="lower case letters, digits, '-' and '.', at most 253 characters",
        section="NPWG v1.3 §3.3",
    )


def cause_of(request: Request, error: SpecError) -> Cause:
    """Return a problem as a cause; a syntax error shows its line as well."""
    lines = [describe(error), *(f"    {line}" for line in error.excerpt.split("\n") if line)]
    return Cause(field=field_of(request, error), message="\n".join(lines), rule=error.rule)


def invalid(request: Request, problems: Sequence[SpecError], *, warnings: Sequence[AdmissionWarning] = ()) -> Decision:
    """Refuse an object whose text breaks the standard, with all its problems in input order."""
    causes = [cause_of(request, error) for error in problems[:CAUSES_MAX]]
    if len(problems) > CAUSES_MAX:
        causes.append(Cause(field=causes[-1].field, message=f"and {len(problems) - CAUSES_MAX} more problems"))
    head = f'{request.kind.kind} "{request.object_name}" is invalid:'
    lines = [f"{cause.field}: {cause.message}" for cause in causes]
    text = f"{head} {lines[0]}" if len(lines) == 1 else "\n".join([head, *(f"* {line}" for line in lines)])
    return Decision(
        is_allowed=False,
        code=422,
        reason="Invalid",
        message=cut(text, MESSAGE_BYTES_MAX),
        causes=tuple(causes),
        warnings=tuple(warnings),
        rules=distinct(error.rule for error in problems),
        decided="built-in check",
    )


def forbid(head: str, facts: Mapping[str, str], *, causes: Iterable[tuple[str, str]], rule: str, by: str) -> Decision:
    """Refuse an object by one rule.

    `facts`: lines below the head by their label; empty ones are left out. `causes`: fields, each with its message.
    `by`: what decided.
    """
    lines = [head, *(f"  {f'{label}:':<8} {text}" for label, text in facts.items() if text)]
    return Decision(
        is_allowed=False,
        code=403,
        reason="Forbidden",
        message=cut("\n".join(lines), TEXT_BYTES_MAX),
        causes=tuple(Cause(field=field, message=text, reason=rule, rule=rule) for field, text in causes),
        rules=(rule,),
        decided=by,
    )


def refuse_for_now(message: str, cause: Cause, *, by: str) -> Decision:
    """Refuse an object because nadmit lacks something at this moment: the client may try again."""
    return Decision(
        is_allowed=False,
        code=503,
        reason="ServiceUnavailable",
        message=message,
        causes=(cause,),
        rules=(cause.rule,),
        decided=by,
    )


# Stage Observe


OBSERVED_MODE = "Observe"
"""As the modes Warn and Audit of policies in the records of trials."""


def observe(refusal: Decision, *, warns: bool) -> Decision:
    """Return the admission in place of a refusal. `warns`: whether users get a warning of it.

    Everything but the verdict stays, for the list of what would be refused. Warnings that the refusal has are kept.
    """
    text = _first_problem(refusal)
    more = len(refusal.causes) - 1
    remark = f" (and {more} more)" if more > 0 else ""
    rule = next(iter(refusal.rules), "")
    told = (AdmissionWarning("", f"would be refused{remark}: {text}", rule=rule),) if warns else ()
    return refusal._replace(
        is_allowed=True,
        is_observed=True,
        warnings=(*told, *refusal.warnings),
        trials=(f"{OBSERVED_MODE}: {text}", *refusal.trials),
    )


def _first_problem(refusal: Decision) -> str:
    """Return the first problem of a refusal in one line."""
    if refusal.causes:
        cause = refusal.causes[0]
        text = f"{cause.field}: {cause.message}" if cause.field else cause.message
    else:
        text = refusal.message
    return text.partition("\n")[0]
