"""A decision as a kubectl user reads it (kubernetes 1.36: kubectl pkg/cmd/util/helpers.go, apiserver statuserror.go).

- Reason `Invalid`: `The KIND "NAME" is invalid: ` and the causes, without message, file name and name of the webhook.
- Any other reason: `Error from server (REASON): error when creating "FILE": admission webhook "NAME" denied the
  request: MESSAGE`. Without a reason there are no brackets.
- Warnings: `Warning: TEXT`, on stderr, each text once.

An allowed object is `pod/web-0 allowed`, where kubectl prints `created`, because nothing is created here.
"""

from __future__ import annotations

import json

from cniplugin.access.model.policyrules import GROUP
from cniplugin.netspec.netattachdef import KIND
from webhook.admission.dra.claims import KINDS
from webhook.admission.model.kinds import GroupKind
from webhook.admission.model.requests import Cause, Decision, Request

INJECTION = "pods.inject.nadmit.io"
"""The webhook that the manifests register for /mutate."""
_NAMES = {
    "Pod": "pods",
    "Binding": "bindings",
    KIND: "networks",
    **dict.fromkeys(KINDS, "claims"),
    "Namespace": "namespaces",
}


def webhook_name(kind: GroupKind) -> str:
    """Return the webhook that the manifests register for a kind."""
    name = "policies" if kind.group == GROUP else _NAMES.get(kind.kind, "workloads")
    return f"{name}.{GROUP}"


def resource_name(kind: GroupKind, name: str) -> str:
    """Return an object as kubectl names it: `pod/web-0`, `deployment.apps/web`."""
    group = f".{kind.group}" if kind.group else ""
    return f"{kind.kind.lower()}{group}/{name}"


def render(request: Request, decision: Decision, *, webhook_name: str, file: str | None = None) -> str:
    """Return the output of kubectl about an object, without the last line break and without warnings.

    `file`: the argument of `kubectl create -f`; None for commands that read no file.
    """
    if decision.is_allowed:
        return f"{resource_name(request.kind, request.object_name)} allowed"
    if decision.reason == "Invalid":
        return _render_invalid(request, decision.causes)
    reason = f" ({decision.reason})" if decision.reason else ""
    source = f"error when creating {_quote(file)}: " if file else ""
    return f"Error from server{reason}: {source}{_denied(decision, webhook_name)}"


def _denied(decision: Decision, webhook_name: str) -> str:
    """Return the message as the API server passes it on (ToStatusErr)."""
    head = f"admission webhook {_quote(webhook_name)} denied the request"
    explanation = decision.message or decision.reason
    return f"{head}: {explanation}" if explanation else f"{head} without explanation"


def _render_invalid(request: Request, causes: tuple[Cause, ...]) -> str:
    head = f"The {request.kind.kind} {_quote(request.object_name)} is invalid"
    lines = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    if not lines:
        return head
    if len(lines) == 1:
        return f"{head}: {lines[0]}"
    return "\n".join([f"{head}: ", *(f"* {line}" for line in lines)])


def render_warnings(decision: Decision, *, of: str = "") -> list[str]:
    """Return the lines that kubectl prints on stderr. The API server drops empty and repeated warnings.

    `of`: the object, for a command that prints the warnings of many; kubectl itself does not name it.
    """
    object_name = f"{of}: " if of else ""
    return [f"Warning: {object_name}{text}" for text in dict.fromkeys(map(str, decision.warnings)) if text]


def _quote(text: str) -> str:
    """Quote a name as Go's %q does."""
    return json.dumps(text, ensure_ascii=False)
