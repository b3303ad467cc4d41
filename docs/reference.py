"""Write the pages that are made from the program: `python docs/reference.py`, which `make golden` runs.

cli.md has the help of every command. metrics.md has every metric in the code, with its type, labels and help.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

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
    "mode": "`Observe`, `Warn`, `Audit`: what admitted the object",
    "netspec_revision": "the grammar of annotations that this version reads; "
    "[upgrade](install.md#upgrade) says in which order",
    "operation": "`CREATE`, `UPDATE`, `DELETE`, `CONNECT`",
    "path": "`/validate`, `/mutate`; of HTTP answers also those of stage Observe",
    "phase": "of the rotation of the authority: `Stable`, `Published`, `Shown`, `Switched`",
    "reason": "why a request was refused before its review: `path`, `method`, `overloaded`, `slow-body`, "
    "`connections`, `handshakes`, `pipeline`",
    "result": "`ok`, `error`; of writes of statuses also `conflict` and `gone`; of look-ups: `found`, `absent` and "
    "`failed` for each GET, `late` and `busy` for a review that gave up",
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


PAGES = {"cli.md": render_commands, "metrics.md": render_metrics}


if __name__ == "__main__":
    for page, render in PAGES.items():
        (DOCS / page).write_text(render())
