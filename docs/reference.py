"""Write the pages that are made from the program: `python docs/reference.py`, which `make golden` runs.

cli.md has the help of every command. metrics.md has every metric in the code, with its type, labels and help.
policy-fields.md has the fields of the kinds of access policies.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import yaml

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent

CLI_HEAD = """\
# Command line
`make golden` writes this page from the commands. Each of them prints the same with `--help`.

```console
$ nadmit check deploy/                  # the problems in a tree of YAML
$ nadmit explain NAD303                 # what a code of a message means
$ nadmit can-attach -n blue infra/storage --cluster
```

Exit codes mean the same everywhere: 0 fine, 1 refused or failed, 2 unreadable input or a wrong option. Where a command
has more to say about its exit codes, its text does.
"""

NODE_HEAD = """\
## On the node
The program of the [node plugin](node.md) is also called `nadmit`. It is another program, and has commands of its own:
"""

METRICS_HEAD = """\
# Metrics
`make golden` writes this page from the code.

```console
$ kubectl -n nadmit-system port-forward deployment/nadmit-webhook 8080
$ curl -s localhost:8080/metrics
```

The plain port of `nadmit serve` has them in the text format of Prometheus. The alerts and the dashboard in
`manifests/components/monitoring` use them; [install.md](install.md#alerts) says what each alert means.

| metric | type | labels | what it counts or shows | if the server has |
| --- | --- | --- | --- | --- |"""

LABELS_HEAD = """
## Labels
Values come from closed lists. A value that a client chooses never becomes a label: an unknown kind, operation or rule
counts as `other`. No label has the name of an object or of a namespace.

| label | values |
| --- | --- |"""

FIELDS_HEAD = """\
# Fields of access policies
`make golden` writes this page from the kinds in `manifests/crds`.

```console
$ kubectl explain nap.spec.attachments         # the same in a cluster
$ nadmit check policies/                       # a wrong field, with its line and what was meant
```

[access.md](access.md) says what the fields mean together. Both kinds are of `access.nadmit.io/v1alpha1`, and
cluster-scoped.
"""

FIELDS_TABLE = "| field | type | default | |\n| --- | --- | --- | --- |"

FIELD_TEXTS = {
    "spec.description": "For people; nadmit does not read it",
    "spec.posture": "What decides if no rule is about a pod and a network: [posture](access.md#the-default-posture)",
    "spec.workloadTemplates": "What happens to a workload whose pods access rules would refuse",
    "spec.attachments.limits.interface.names": "The names; a trailing `*` matches a prefix",
    "spec.definitions.default": "What happens to a definition that no rule is about",
    "spec.definitions.exemptUsers": "Users that may write any definition",
    "spec.definitions.exemptGroups": "Groups that may write any definition",
    "spec.definitions": "Who may write definitions, and what they may use",
    "spec.node": "What the node plugin does while it cannot read the policies",
    "spec.node.onUnavailable": "Use the last rules that were read, refuse, or attach without asking",
    "spec.node.snapshotMaxAgeSeconds": "How old the last rules may be",
    "spec.multusGate.namespaceIsolation": "As in the configuration of Multus",
    "spec.multusGate.globalNamespaces": "As in the configuration of Multus",
    "spec.messages": "What refusals say",
    "spec.messages.contact": "Whom to ask, if the policy does not say so",
    "spec.messages.maxListed": "How many networks a refusal lists",
    "name": "Refusals and tests name the rule by it",
    "action": "What the rule does with what it selects",
    "namespaces": "Names of namespaces; a trailing `*` matches a prefix",
    "namespaceSelector": "By labels of the namespace: `matchLabels`, `matchExpressions`",
    "podSelector": "By labels of the pod: `matchLabels`, `matchExpressions`",
    "selector": "By labels of the NetworkAttachmentDefinition: `matchLabels`, `matchExpressions`",
    "names": "Names of definitions; a trailing `*` matches a prefix",
    "addresses": "Addresses and ranges that the definition hands out",
    "macs": "Beginnings of hardware addresses that the definition sets",
    "message": "A sentence to add to the refusal",
    "ips": "Permit static addresses. `{}`: any",
    "cidrs": "The addresses must be in one of these",
    "max": "How many addresses",
    "mac": "Permit a hardware address. `{}`: any",
    "infinibandGuid": "Permit a GUID. `{}`: any",
    "prefixes": "It must begin with one of these",
    "bandwidth": "Permit rates. `{}`: any",
    "maxIngressBitsPerSecond": "The highest rate inwards",
    "maxEgressBitsPerSecond": "The highest rate outwards",
    "required": "Whether the pod must set the rates",
    "portMappings": "Permit host ports. `{}`: any",
    "protocols": "The protocols",
    "defaultRoute": "Permit `default-route`. `{}`: by any gateway",
    "gateways": "The gateways",
    "cniArgs": "Permit `cni-args`. `{}`: any",
    "extraKeys": "Permit keys with a dot, which the standard leaves to others. `{}`: any",
    "keys": "These keys only",
    "interface": "Permit a name of the interface. `{}`: any",
    "ipamClaim": "Permit `ipam-claim-reference`",
    "deviceID": "Permit a device by its ID",
    "users": "Names of users",
    "groups": "Names of groups",
}
"""What a field means whose schema does not say it: by its path, or by its name."""

KINDS_OF_METRICS = {
    "Counter": "counter",
    "CounterMetricFamily": "counter",
    "_counter": "counter",
    "Gauge": "gauge",
    "GaugeMetricFamily": "gauge",
    "Histogram": "histogram",
    "HistogramMetricFamily": "histogram",
}
"""Function that makes a metric -> its type."""

NEEDS = {
    "PolicyStatusMetrics": "`--write-status`",
    "ReportMetrics": "`--reports`",
    "Registrar": "`--webhook-configuration`",
    "RotationMetrics": "`--tls-secret`",
}
"""Class that makes a metric -> the option without which a server does not have it."""

LABELS = {
    "code": "HTTP status of an answer. 499: the client left",
    "decision": "`allow`, `warn`, `deny`; `would-deny`: admitted in stage Observe",
    "kind": "of reviews: the kind of the object; of caches: `networks`, `namespaces`, `policies`, `policyconfigs`, "
    "`pods` (those that use networks), `resourceclaims`, `resourceclaimtemplates`, `deviceclasses`; "
    "of the registration: `MutatingWebhookConfiguration`, `ValidatingWebhookConfiguration`",
    "level": "of a finding: `error`, `warning`, `info`",
    "mode": "`Observe`, `Warn`, `Audit`: what admitted the object",
    "netspec_revision": "the grammar of annotations that this version reads; "
    "[upgrade](install.md#upgrade) says in which order",
    "operation": "`CREATE`, `UPDATE`, `DELETE`, `CONNECT`",
    "path": "`/validate`, `/mutate`; of HTTP answers also those of stage Observe",
    "phase": "of the rotation of the authority: `Stable`, `Published`, `Shown`, `Switched`",
    "reason": "why a request was refused before its review: `path`, `method`, `overloaded`, `slow-body`, "
    "`connections`, `handshakes`, `pipeline`",
    "result": "`ok`, `error`; of writes of statuses also `conflict` and `gone`; of look-ups: `found`, `absent` and "
    "`failed` for each GET, `late` and `busy` for a review that gave up; of passes over reports also `ended`; of "
    "changes of reports: `created`, `changed`, `deleted`, `conflict` (another client was first), `refused`",
    "rule": "the rule or code of a [message](messages.md)",
    "stage": "`Observe`, `Ignore`, `Fail`; 1 for the stage in force",
    "step": "a step of the rotation of the authority or of the path token",
    "version": "of the program",
    "what": "`status`, `event`",
}
"""Label -> its values."""


def render_commands() -> str:
    """Return docs/cli.md."""
    sys.path.insert(0, str(ROOT))
    from cniplugin.install import commandline  # noqa: PLC0415 - of this tree
    from webhook.cli import nadmit  # noqa: PLC0415 - as above

    parts = [CLI_HEAD]
    for name, text in _helps(nadmit, "nadmit", None):
        parts.append(f"## {name}\n```text\n{text}\n```\n")
    parts.append(f"{NODE_HEAD}\n```text\n{commandline.help_text().rstrip()}\n```\n")
    return "\n".join(parts)


def _helps(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    """Yield the name and the help of a command and of those below it."""
    settings = {**command.context_settings, "terminal_width": 100, "max_content_width": 100}
    context = click.Context(command, parent, info_name=name.rpartition(" ")[2], **settings)
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from _helps(found, f"{name} {below}", context)


class Metric(NamedTuple):
    """A metric, as the text format names it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str
    needs: str


def metrics() -> list[Metric]:
    """Return every metric that the code makes, by name."""
    return sorted(metric for path in sorted((ROOT / "webhook").rglob("*.py")) for metric in _of_module(path))


def _of_module(path: Path) -> Iterator[Metric]:
    text = path.read_text()
    if '"nadmit_' not in text:
        return
    for room in ast.parse(text).body:
        needs = NEEDS.get(room.name, "") if isinstance(room, ast.ClassDef) else ""
        for call in ast.walk(room):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in KINDS_OF_METRICS:
                found = _of_call(call, KINDS_OF_METRICS[call.func.id], needs)
                if found is not None:
                    yield found


def _of_call(call: ast.Call, kind: str, needs: str) -> Metric | None:
    """Return the metric of a call; None if the call hands on a name that it was given."""
    named = {word.arg: word.value for word in call.keywords}
    if not call.args or not isinstance(call.args[0], ast.Constant):
        return None
    name, text = (str(ast.literal_eval(argument)) for argument in call.args[:2])
    labels = named.get("labels", call.args[2] if len(call.args) > 2 else ast.Tuple(elts=[]))
    full = f"{name}_total" if kind == "counter" else name
    return Metric(full, kind, tuple(ast.literal_eval(labels)), text, needs)


def render_metrics() -> str:
    """Return docs/metrics.md. Raises KeyError if a label has no row."""
    found = metrics()
    rows = [f"| `{one.name}` | {one.kind} | {', '.join(one.labels)} | {one.text} | {one.needs} |" for one in found]
    used = sorted({label for one in found for label in one.labels})
    rows += [LABELS_HEAD, *(f"| {label} | {LABELS[label]} |" for label in used)]
    return "\n".join([METRICS_HEAD, *rows]) + "\n"


def render_fields() -> str:
    """Return docs/policy-fields.md. Raises KeyError if neither a schema nor `FIELD_TEXTS` says what a field means."""
    parts = [FIELDS_HEAD]
    for plural in ("networkattachmentpolicies", "networkattachmentpolicyconfigs"):
        kind = yaml.safe_load((ROOT / f"manifests/crds/{plural}.yaml").read_text())["spec"]
        (version,) = kind["versions"]
        schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        parts += [f"## {kind['names']['kind']}", FIELDS_TABLE, *_fields("spec", schema), ""]
    return "\n".join(parts)


def _fields(path: str, schema: dict[str, Any]) -> Iterator[str]:
    """Yield the rows of the fields of an object. Selectors of labels are those of Kubernetes."""
    for name, field in schema.get("properties", {}).items():
        place, inner = f"{path}.{name}", field
        kind = _type(field)
        if "items" in field:
            inner, kind = field["items"], f"list of {_type(field['items'])}"
        text = FIELD_TEXTS.get(place.replace("[]", "")) or field.get("description") or FIELD_TEXTS[name]
        default = field.get("default")
        shown = "" if default in (None, {}) else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        shown = shown.replace("'", "")
        yield f"| `{place.removeprefix('spec.')}` | {kind} | {shown} | {' '.join(text.split()).rstrip('.')} |"
        if "matchLabels" not in inner.get("properties", {}):
            yield from _fields(f"{place}[]" if "items" in field else place, inner)


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    return "number or text" if schema.get("x-kubernetes-int-or-string") else str(schema["type"])


PAGES = {"cli.md": render_commands, "metrics.md": render_metrics, "policy-fields.md": render_fields}


if __name__ == "__main__":
    for page, render in PAGES.items():
        (DOCS / page).write_text(render())
