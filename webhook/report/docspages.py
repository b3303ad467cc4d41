"""The pages of docs/ that `make golden` writes from data: messages.md and touches.md.

messages.md explains every code, as `nadmit explain` does. touches.md lists what the keys of each plugin touch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cniplugin.access.content.facts import KINDS
from webhook.admission.model.ruleids import RULES
from webhook.admission.plugins.outcomes import ERROR, SEEN
from webhook.admission.plugins.schema import Key, PluginSchema, ReadKey, Touch
from webhook.plugindata.codes import load_codes
from webhook.plugindata.touches import load_files

from . import effects
from .effects import BOTH, WORDS
from .explained import NETWORK_NAME, POD_NAME, Explained, example_parts, explain
from .ruletexts import load_rules
from .titles import TITLES

CODE_GROUPS = {
    "NAD1": "keys and types",
    "NAD2": "values and limits",
    "NAD3": "IPAM and addresses",
    "NAD4": "order, chaining, capabilities",
    "NAD5": "surprises",
    "NAD6": "pods and their networks",
}
"""The first digit of a code means its subject."""

MESSAGES_HEAD = """\
# Messages
```console
$ nadmit explain NAD303       # the text of one code or rule
$ nadmit explain              # all of them, with their titles
$ nadmit explain bridge       # what nadmit knows of a plugin
```

The messages of the webhook and of `nadmit check`. First those about configurations of CNI plugins, and about what pods
ask of their networks; [rules without a code](#rules-without-a-code) are below. Each message has a code, whose meaning
never changes. The code is the rule in the log, in metrics, in JSON and in SARIF. `nadmit explain CODE` prints the same
text. [plugins.md](plugins.md) says what is checked, and how to describe plugins of your own. `make golden` writes this
page.

What would happen on the node decides the severity. An **error** refuses the object: the pod would not start, would
not get what it asks for, or may not have it. A **warning** allows it. "On the node" says what happens if the mistake
passes, under nadmit and under Multus, and how that was seen:

{seen}
"""


def render_messages() -> str:
    """Return docs/messages.md."""
    explained = [explain(name) for name in load_codes()]
    head = MESSAGES_HEAD.format(seen="\n".join(f"- {word}: {meaning}" for word, meaning in SEEN.items()))
    return "\n".join([head, *_contents(explained), *_sections(explained), *_rules()])


def _contents(explained: list[Explained]) -> Iterator[str]:
    yield "| code | severity | |"
    yield "| --- | --- | --- |"
    for one in explained:
        yield f"| [{one.name}](#{one.name.lower()}) | {one.severity} | {one.code.title} |"
    yield ""


def _sections(explained: list[Explained]) -> Iterator[str]:
    group = ""
    for one in explained:
        if one.name[:4] != group:
            group = one.name[:4]
            yield f"## {group}xx: {CODE_GROUPS[group]}"
            yield ""
        yield f"### {one.name}"
        yield f"**{one.severity.capitalize()}: {one.code.title}.** {one.code.meaning}"
        yield ""
        yield one.on_the_node
        yield ""
        yield from _example(one)
        yield f"{'Fix' if one.severity == ERROR else 'What to do'}: {one.code.fix}"
        yield ""


RULES_HEAD = """\
## What rules refuse, and what would happen
Rules without a code. A rule that is not in the table refuses nothing, or is about objects that are neither pods nor
definitions.

| rule | about | severity | on the node, if it passed | seen |
| --- | --- | --- | --- | --- |"""

TEXTS_HEAD = """
## Rules without a code
As `nadmit explain RULE` prints them: the cause, an example in which `nadmit check` finds the rule, and the fix."""


def _rules() -> Iterator[str]:
    """Yield the table and the texts of the rules without a code."""
    yield RULES_HEAD
    for rule in sorted(RULES, key=str.casefold):
        for one in effects.judged(rule):
            what = " / ".join(dict.fromkeys(WORDS[one.outcome.effect(attacher)] for attacher in BOTH))
            yield f"| [`{rule}`](#{rule.lower()}) | {one.subject} | {one.severity} | {what} | {one.outcome.seen} |"
    yield TEXTS_HEAD
    for rule, text in sorted(load_rules().items(), key=lambda item: item[0].casefold()):
        yield f"\n### {rule}"
        yield f"**{TITLES[rule][:1].upper()}{TITLES[rule][1:]}.** {text.cause}\n"
        for head, lines in example_parts(text):
            yield f"{head[:1].upper()}{head[1:]}\n\n```{'text' if text.says else 'yaml'}\n{lines}\n```\n"
        yield f"Fix: {text.fix}"
    yield ""


def _example(one: Explained) -> Iterator[str]:
    yield from _block("json", one.config, f"A network `{NETWORK_NAME}`:" if one.pod else "")
    if one.other_pod:
        yield from _block("json", one.other_pod, "The networks of a pod that runs:")
    if one.other_network:
        yield from _block("json", one.other_network, "The configuration of another definition:")
    if one.pod:
        yield from _block("json", one.pod, "The networks of a pod that is created:")
    yield from _block("console", f"$ kubectl create -f {POD_NAME if one.pod else NETWORK_NAME}.yaml\n{one.output}", "")


def _block(language: str, text: str, head: str) -> Iterator[str]:
    if head:
        yield f"{head}\n"
    yield f"```{language}\n{text}\n```\n"


FIELDS = {
    "interface": "masters",
    "device": "masters",
    "network": "masters",
    "vlan": "vlans",
    "pkey": "pkeys",
    "host-path": "hostPaths",
    "sysctl": "sysctls",
    "program": "pluginTypes, ipamTypes, unknownTypes",
    "address": "addresses",
    "mac": "macs",
    "pool": "pools",
}
"""The fields of rules that limit each kind; the other kinds have no field."""

PARTS = {"address-net": "address", "address-first": "address", "address-last": "address", "trunk": "vlan"}
"""Kinds in the files that are a part of a kind of facts."""

TOUCHES_HEAD = """# What the keys of CNI plugins touch
```console
$ nadmit explain bridge       # the same of one plugin, and its keys
```

`make golden` writes this page from `webhook/plugindata`. [access.md](access.md) says how rules use it.

Rules on attachments (`networks`) and on definitions (`config`) judge what a NetworkAttachmentDefinition touches on the
node and of other networks. A key counts in every spelling that the plugin reads, at every depth: Go reads keys in any
letter case, and reads U+017F as s and U+212A as k. A key that no plugin reads does not count. Of a plugin that is not
in the table, only the keys in the last row count.

A plugin with a star is opaque: it does more than its keys say, because it asks a daemon or hands a changed
configuration on. The field `unknownTypes` and the levels treat it as a plugin that nadmit does not know. The keys in
its own row and those in the last row count.

| kind | field of rules | what it is |
| --- | --- | --- |
"""

ALWAYS = """
Of every plugin, `type`, `ipam.type` and nested delegates are programs, and `master`, `vlan`, `vlanId`, `vlanTrunk` and
`trunk` count as well, because programs share a configuration. `ipam.KEY` is a key that the IPAM plugin reads.

| plugin | keys |
| --- | --- |
"""

UNKNOWN = (
    *("master", "bridge", "device", "deviceID", "pciBusID", "hwaddr", "kernelpath"),
    *("links[].name", "physicalNetworkName"),
)


def render_touches() -> str:
    """Return docs/touches.md."""
    kinds = [f"| {kind} | {_code(FIELDS.get(kind, ''))} | {text} |" for kind, text in KINDS.items()]
    files = sorted(load_files(), key=lambda file: file.type)
    rows = [row for file in files if (row := _row(file))]
    unknown = ", ".join(map(_code, UNKNOWN))
    rows.append(f"| any other | interface: {unknown}; vlan: `vlan`, `vlanId`, `vlanTrunk`, `trunk` |")
    return TOUCHES_HEAD + "\n".join(kinds) + "\n" + ALWAYS + "\n".join(rows) + "\n"


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", ")) if names else ""


def _row(file: PluginSchema) -> str:
    inside = "ipam." if file.kind == "ipam" else ""
    by_kind: dict[str, list[str]] = {}
    as_ipam = _walk(file.as_ipam.keys, "ipam.") if file.as_ipam is not None else ()
    for kind, text in (*_walk(file.keys, inside), *_walk(file.also_reads, inside), *_walk(file.beside, ""), *as_ipam):
        by_kind.setdefault(kind, []).append(text)
    listed = "; ".join(f"{kind}: {', '.join(keys)}" for kind, keys in by_kind.items())
    star = r" \*" if file.opaque else ""
    names = ", ".join(f"{name}{star}" for name in (file.type, *file.also))
    return f"| {names} | {listed} |" if listed or file.opaque else ""


def _walk(keys: Mapping[str, Key] | Mapping[str, ReadKey], path: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the path of every key that touches something."""
    for name, key in keys.items():
        touches, where = key.touches, f"{path}{name}"
        inner: Key | ReadKey = key
        while isinstance(inner, Key) and inner.items is not None:
            where += "[]" if inner.type == "array" else ""
            inner = inner.items
        kind = touches.kind if isinstance(touches, Touch) else touches
        if kind is not None and kind not in ("trunk", "gateway"):
            yield PARTS.get(kind, kind), f"`{where}`" + ("" if name == "name" and not path else _default(touches))
        more = _default(touches) if kind is None else ""
        yield from ((below, f"{text}{more}") for below, text in _walk(inner.keys, f"{where}."))


def _default(touches: object) -> str:
    """Return the remark about a key: its default, or when it does not count."""
    if isinstance(touches, Touch) and touches.in_container:
        return f" (not where `{touches.in_container}` is true)"
    if not isinstance(touches, Touch) or touches.default is None:
        return ""
    meant = {"": "the interface of the default route", "{name}": "the network's name"}.get(
        touches.default, f"`{touches.default}`"
    )
    when = " and ".join(f"`{key}` is `{value}`" for key, value in touches.default_when.items())
    return f" (unset: {meant}{f', if {when}' if when else ''})"
