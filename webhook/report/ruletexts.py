"""The texts about rules without a code, from `_rules.yaml`: `nadmit explain`, SARIF and docs/messages.md show them.

An example is a file of objects in which `nadmit check` finds the rule, or `nadmit scan` if it says so. Most are about
the pod `web` in namespace `blue` and its network `net`, so that the file has only what differs:

| key | meaning |
| --- | --- |
| `cause`, `fix` | why, and what to do |
| `command` | what finds the rule in the example: `check`, or `scan` |
| `yaml` | the example, as it is |
| `pod` | the networks annotation of the pod |
| `config` | `spec.config` of the network; `default` for a good one |
| `more` | further objects |
| `options`, `configuration` | options of the command, and its NadmitConfiguration |
| `context` | the objects that are there already (`--manifests`) |
| `says` | for a rule that no file shows: a line of the program that names it |
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec
import yaml

FILE = Path(__file__).with_name("_rules.yaml")

GOOD = (
    '{"cniVersion": "1.0.0", "type": "bridge", "capabilities": {"ips": true, "mac": true}, "ipam": {"type": '
    '"host-local", "subnet": "10.1.0.0/16"}}'
)
"""The configuration of the network in examples about pods."""


class RuleText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The texts about one rule; see the module."""

    cause: str
    fix: str
    command: str = "check"
    yaml: str = ""
    pod: str | None = None
    config: str = ""
    more: str = ""
    options: tuple[str, ...] = ()
    configuration: str = ""
    context: str = ""
    says: str = ""

    @property
    def example(self) -> str:
        """The objects of the example as YAML; "" if no file shows the rule."""
        parts = [self.yaml] if self.yaml else []
        if self.pod is not None:
            parts.append(_pod(self.pod))
        if self.pod is not None or self.config:
            parts.append(_network("net", "blue", GOOD if self.config in ("", "default") else self.config))
        if self.pod is not None and "infra/lan" in self.pod:
            parts.append(_network("lan", "infra", GOOD))
        return "---\n".join(part for part in (*parts, self.more) if part)


def _pod(annotation: str) -> str:
    return (
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: blue\n  annotations:\n"
        f"    k8s.v1.cni.cncf.io/networks: {_quote(annotation)}\n"
    )


def _network(name: str, namespace: str, config: str) -> str:
    return (
        "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  config: {_quote(config)}\n"
    )


def _quote(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


@cache
def load_rules() -> Mapping[str, RuleText]:
    """Return the texts by rule. The file is read once, and only by those who show texts."""
    return msgspec.convert(yaml.load(FILE.read_bytes(), Loader=yaml.CSafeLoader), dict[str, RuleText])
