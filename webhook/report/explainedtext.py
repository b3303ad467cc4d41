"""Codes for a terminal: the list of all, and one explained."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator

from webhook.admission.plugins.codes import CODES

from .explained import OTHER_POD_NAME, Explained

WIDTH = 100
Paint = Callable[[str, str], str]
"""(text, role) -> text with colour. Roles: `error`, `warning`, `place`."""


def render_list(paint: Paint) -> str:
    """Return a line for each code."""
    return "\n".join(
        f"{paint(name, 'place')}  {paint(f'{code.severity:7}', code.severity)}  {code.title}"
        for name, code in CODES.items()
    )


def render(explained: Iterable[Explained], paint: Paint) -> str:
    """Return all that there is to know about codes, an empty line between them."""
    return "\n\n".join("\n".join(_lines(one, paint)) for one in explained)


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
