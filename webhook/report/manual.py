"""docs/messages.md: every code explained, from the same data as `nadmit explain`. `make golden` writes it."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.admission.plugins.codes import CODES, ERROR

from .explained import NETWORK_NAME, POD_NAME, Explained, explain

GROUPS = {
    "NAD1": "keys and types",
    "NAD2": "values and limits",
    "NAD3": "IPAM and addresses",
    "NAD4": "order, chaining, capabilities",
    "NAD5": "surprises",
    "NAD6": "pods and their networks",
}
"""What the first digit stands for; see `codes`."""

HEAD = """\
# Messages about plugins
What the webhook and `nadmit check` say about the configurations of CNI plugins, and about pods that ask something of
them. Each message has a code, which never changes its meaning, and is the rule in the log, in metrics, JSON and SARIF.
`nadmit explain CODE` prints what stands here; [plugins.md](plugins.md) says what is judged, and how to describe plugins
of your own. This page is written by `make golden`.

An **error** refuses the object: the plugin itself would fail with it, on every node, or (`NAD407`) the
network would promise pods what it never does. A **warning** does not.
"""


def render() -> str:
    """Return the page."""
    explained = [explain(code) for code in CODES]
    return "\n".join([HEAD, *_contents(explained), *(line for one in explained for line in _section(one))])


def _contents(explained: list[Explained]) -> Iterator[str]:
    yield "| code | severity | |"
    yield "| --- | --- | --- |"
    for one in explained:
        yield f"| [{one.code}](#{one.code.lower()}) | {one.severity} | {one.title} |"
    yield ""


def _section(one: Explained) -> Iterator[str]:
    if one.code == next(code for code in CODES if code[:4] == one.code[:4]):
        yield f"## {one.code[:4]}xx: {GROUPS[one.code[:4]]}"
        yield ""
    yield f"### {one.code}"
    yield f"**{one.severity.capitalize()}: {one.title}.** {one.meaning}"
    yield ""
    yield from _example(one)
    yield f"{'Fix' if one.severity == ERROR else 'What to do'}: {one.fix}"
    yield ""


def _example(one: Explained) -> Iterator[str]:
    if one.pod:
        yield from _block("json", one.config, f"A network `{NETWORK_NAME}`:")
        if one.other_pod:
            yield from _block("json", one.other_pod, "The networks of a pod that runs:")
        yield from _block("json", one.pod, "The networks of a pod that is created:")
    else:
        yield from _block("json", one.config, "")
    yield from _block("console", f"$ kubectl create -f {POD_NAME if one.pod else NETWORK_NAME}.yaml\n{one.said}", "")


def _block(language: str, text: str, head: str) -> Iterator[str]:
    if head:
        yield f"{head}\n"
    yield f"```{language}\n{text}\n```\n"
