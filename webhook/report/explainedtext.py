"""Codes for a terminal: the list of all, and one explained."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator

from webhook.admission.plugins.codes import CODES

from .explained import OTHER_POD_NAME, Explained, explain
from .titles import TITLES, page_of

WIDTH = 100
Paint = Callable[[str, str], str]
"""(text, role) -> text with colour. Roles: `error`, `warning`, `place`."""


def render_list(paint: Paint) -> str:
    """Return a line for each code, and for each other rule."""
    codes = [
        f"{paint(name, 'place')}  {paint(f'{code.severity:7}', code.severity)}  {code.title}"
        for name, code in CODES.items()
    ]
    width = max(map(len, TITLES))
    rules = [f"{paint(f'{rule:{width}}', 'place')}  {title}" for rule, title in TITLES.items()]
    return "\n".join([*codes, "", "Other rules:", *rules])


def render(names: Iterable[str], paint: Paint) -> str:
    """Return all that there is to know about codes and rules, an empty line between them."""
    return "\n\n".join(
        "\n".join(_lines(explain(name), paint) if name in CODES else _rule_lines(name, paint)) for name in names
    )


def _rule_lines(rule: str, paint: Paint) -> Iterator[str]:
    yield f"{paint(f'{rule}:', 'place')} {TITLES[rule]}"
    page = page_of(rule)
    yield f"The message says where, what is allowed and what to do{f'; {page} says more' if page else ''}."


def _lines(one: Explained, paint: Paint) -> Iterator[str]:
    yield f"{paint(f'{one.code}:', 'place')} {paint(f'{one.severity}:', one.severity)} {one.title}"
    yield from textwrap.wrap(one.meaning, WIDTH)
    yield ""
    yield from _block("example:" if not one.pod else "example, network net:", one.config)
    if one.other_pod:
        yield from _block(f"networks of a pod that runs, {OTHER_POD_NAME}:", one.other_pod)
    if one.pod:
        yield from _block("networks of a pod that is created:", one.pod)
    yield from _block("kubectl says:", one.said)
    yield from _block("fix:", "\n".join(textwrap.wrap(one.fix, WIDTH)))


def _block(head: str, text: str) -> Iterator[str]:
    """NB: what can be copied is not wrapped."""
    yield head
    yield textwrap.indent(text, "  ")
