"""Draw decision.svg, add.svg and overview.svg of docs/: `python docs/flows.py`, which `make golden` runs.

decision.svg is the order in which the webhook decides about a pod (`cniplugin.access.judging.judge`, and
`webhook.admission.evaluate`). add.svg is what happens on the node when a pod starts (`cniplugin.commands`).
overview.svg is for the README. The background is white, so all can be read on a dark page as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).resolve().parent

LINE, CHARACTER = 17, 7.0
"""Height of a line; width of a character at most, on average. `tests/docs/test_pictures.py` compares with it."""
GAP = 16
NO, YES, PLAIN, NOTE = "#fbe3df", "#e2f2e3", "#eef1f6", "#fdf6dc"
BLUE, RED, GREEN = "#1f5fbf", "#b3261e", "#2e7d32"

HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">
<style>.bold {{ font-weight: bold; }} .code {{ font-family: monospace; font-size: 12px; }} .small {{ fill: #555;
font-size: 11px; }}</style>
<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">\
<path d="M0,0 L8,4 L0,8 z" fill="#555"/></marker></defs>
<rect width="{width}" height="{height}" fill="#fff"/>
"""


class Step(NamedTuple):
    """One question of the decision. `refusals` are rules and codes; "" as `passes` means: on to the next question."""

    question: str
    text: Sequence[str]
    refusals: Sequence[str] = ()
    refused_if: str = "yes"
    on: str = "no"


FIRST = (
    Step(
        "Can both annotations be read?",
        ("By the grammar of the standard, and within", "the limits of the configuration"),
        ("json-syntax, mac-value, ...", "limit-networks, limit-values"),
        "no",
        "yes",
    ),
)
EACH = (
    Step("Does a Deny rule match?", ("Of any policy. The order never matters",), ("DenyRule",)),
    Step(
        "Does an Allow rule select the pair?",
        ("Pod and network; then one of these rules must", "accept all that the pod asks for there"),
        ("NotWithinRule, ConsentMissing",),
        "yes, and none accepts",
    ),
    Step(
        "Does the posture permit it?",
        ("Open, Isolated, Consent or Strict",),
        ("PostureIsolated, PostureConsent,", "PostureStrict, ..."),
        "no",
        "yes",
    ),
    Step("Would Multus refuse it?", ("Only if multusGate is set; not on the node",), ("MultusGate",)),
    Step(
        "Is the configuration unsafe?",
        ("Programs by path, keys of the runtime,", "plugins that delegate"),
        ("BuiltinUnsafeConfig",),
    ),
    Step("Does the level forbid it?", ("The level of the definition's namespace",), ("DefinitionLevel",)),
)
ALL = (
    Step(
        "Can the whole plan be made?",
        ("The networks exist, names and requests", "agree, the plugins take what is asked"),
        ("network-not-found, NAD601, ...",),
        "no",
        "yes",
    ),
    Step(
        "Are there enough devices?",
        ("What /mutate has put into the pod, beside", "what its networks need"),
        ("resource-shortfall",),
        "no",
        "yes",
    ),
)
QUESTION, REFUSED, LEFT = 350, 290, 56
BETWEEN, TITLE = 150, 30


def decision() -> str:
    """Return docs/decision.svg."""
    parts: list[str] = []
    y, width = GAP, LEFT + QUESTION + BETWEEN + REFUSED + GAP
    steps = [*FIRST, *EACH, *ALL]
    tops: dict[str, tuple[int, int]] = {}
    for step in steps:
        if step in (EACH[0], ALL[0]):
            title = "for each network" if step is EACH[0] else "for all networks together"
            parts.append(_text(LEFT + 150, y + 12, title, "small"))
            y += TITLE
        height = LINE * (1 + len(step.text)) + 14
        tops[step.question] = y, height
        parts.append(_box(LEFT, y, QUESTION, [step.question, *step.text], PLAIN))
        middle = y + height // 2
        lines = [*step.refusals]
        box = LINE * len(lines) + 14
        right = LEFT + QUESTION + BETWEEN
        parts.append(_arrow(LEFT + QUESTION, middle, right, middle))
        parts.append(_text(LEFT + QUESTION + 8, middle - 6, step.refused_if, "small"))
        parts.append(_box(right, middle - box // 2, REFUSED, lines, NO, is_code=True))
        below = 26 + (TITLE if step in (FIRST[-1], EACH[-1]) else 0)
        parts.append(_arrow(LEFT + 40, y + height, LEFT + 40, y + height + below))
        parts.append(_text(LEFT + 48, y + height + 17, step.on, "small"))
        y += height + 26
    parts.append(_box(LEFT, y, QUESTION, ["admitted"], YES))
    parts.append(
        _box(
            LEFT + QUESTION + BETWEEN,
            y,
            REFUSED,
            ["refused in stage Ignore and Fail", "In stage Observe: admitted, and listed"],
            NO,
        )
    )
    accepted = tops[EACH[1].question][0] + tops[EACH[1].question][1] // 2
    multus = tops[EACH[3].question][0] + tops[EACH[3].question][1] // 2
    parts.append(
        f'<path d="M{LEFT},{accepted} H{LEFT - 24} V{multus} H{LEFT}" fill="none" stroke="#555"'
        f' marker-end="url(#end)"/>\n<text class="small" transform="translate({LEFT - 30},{multus - 14}) rotate(-90)">'
        "yes, and one accepts</text>\n"
    )
    return HEAD.format(width=width, height=y + LINE * 2 + 14 + GAP) + "".join(parts) + "</svg>\n"


def _box(x: int, y: int, width: int, lines: Sequence[str], fill: str, *, is_code: bool = False) -> str:
    """Return a box with lines of text, the first in bold."""
    height = LINE * len(lines) + 14
    parts = [f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" fill="{fill}" stroke="#888"/>\n']
    for index, line in enumerate(lines):
        style = "code" if is_code else "bold" if index == 0 else ""
        parts.append(_text(x + 10, y + 20 + LINE * index, line, style))
    return "".join(parts)


def _text(x: int, y: int, text: str, style: str) -> str:
    return f'<text{f" class={chr(34)}{style}{chr(34)}" if style else ""} x="{x}" y="{y}">{escape(text)}</text>\n'


def _arrow(x: int, y: int, to_x: int, to_y: int, colour: str = "#555") -> str:
    return f'<line x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}" stroke="{colour}" marker-end="url(#end)"/>\n'


LANES = ("kubelet and runtime", "nadmit, one process", "API server", "records on the node", "other CNI plugins")


class Call(NamedTuple):
    """A message from one lane to another; the same lane twice is a step of its own."""

    start: int
    end: int
    text: str


ADD = (
    Call(0, 1, "ADD: container, network namespace, pod"),
    Call(1, 3, "lock the container; free what an earlier try left"),
    Call(1, 2, "get the pod, its networks, the policies"),
    Call(1, 1, "may the pod use each network? the webhook's own rules"),
    Call(1, 1, "make the plan: names, addresses, order"),
    Call(1, 3, "write the whole plan, before anything is attached"),
    Call(1, 4, "ADD of the default network, then of each network"),
    Call(1, 1, "move the default route, if the pod asks for it"),
    Call(1, 2, "write network-status, and one event"),
    Call(1, 0, "result of the default network"),
)
FAILED = (
    Call(4, 1, "one of them fails"),
    Call(1, 4, "DEL of everything in the records, last one first"),
    Call(1, 2, "an event with the reason"),
    Call(1, 0, "error: the kubelet tries again"),
)
LANE, ROW = 220, 34


def add() -> str:
    """Return docs/add.svg."""
    rows = len(ADD) + len(FAILED) + 2
    width, top = GAP * 2 + LANE * len(LANES), GAP + 32
    bottom = top + ROW * rows
    parts: list[str] = []
    for index, lane in enumerate(LANES):
        x = _middle(index)
        parts.append(f'<line x1="{x}" y1="{top}" x2="{x}" y2="{bottom}" stroke="#bbb"/>\n')
        parts.append(_box(x - 90, GAP, 180, [lane], PLAIN))
    y = top
    for number, call in enumerate(ADD, 1):
        y += ROW
        parts += _call(call, y, f"{number}. {call.text}", BLUE)
    y += ROW
    parts.append(_box(GAP, y - 12, width - 2 * GAP, ["If a step fails, everything is taken back:"], NOTE))
    y += 12
    for call in FAILED:
        y += ROW
        parts += _call(call, y, call.text, RED)
    return HEAD.format(width=width, height=bottom + GAP) + "".join(parts) + "</svg>\n"


def _middle(lane: int) -> int:
    return GAP + LANE * lane + LANE // 2


def _call(call: Call, y: int, text: str, colour: str) -> Iterator[str]:
    x, to = _middle(call.start), _middle(call.end)
    if call.start == call.end:
        yield f'<path d="M{x},{y - 10} h14 v14 h-14" fill="none" stroke="{colour}" marker-end="url(#end)"/>\n'
        yield _label(x + 22, y + 2, text)
        return
    yield _arrow(x, y, to, y, colour)
    yield _label(min(x, to) + 10, y - 8, text)


def _label(x: int, y: int, text: str) -> str:
    """Return a text on white, because it crosses the lines of lanes."""
    back = f'<rect x="{x - 2}" y="{y - 12}" width="{CHARACTER * len(text):.0f}" height="15" fill="#fff"/>\n'
    return back + _text(x, y, text, "")


def overview() -> str:
    """Return docs/overview.svg: where nadmit is in the way of a pod."""
    column, wide, apart = 220, 290, 50
    second = GAP + column + apart
    third = second + wide + apart
    width, height = third + wide + GAP, 300
    files, admission, start = GAP, 96, 176
    parts = [
        _box(GAP, files, column, ["files, in CI", "YAML, kustomizations, charts"], PLAIN),
        _arrow(GAP + column, files + 24, second, files + 24),
        _box(second, files, wide, ["nadmit check", "finds the line, without a cluster"], YES),
        _box(GAP, admission, column, ["kubectl apply", "a pod, a network, a policy"], PLAIN),
        _arrow(GAP + column, admission + 24, second, admission + 24),
        _box(second, admission, wide, ["the webhook judges it", "a refusal says who decided, and the fix"], YES),
        _arrow(second + wide, admission + 24, third, admission + 24),
        _box(third, admission, wide, ["admitted", "with what its networks need"], PLAIN),
        _box(GAP, start, column, ["a pod starts", "the runtime sends a CNI ADD"], PLAIN),
        _arrow(GAP + column, start + 24, second, start + 24),
        _box(second, start, wide, ["the node plugin", "judges again, then attaches"], YES),
        _arrow(second + wide, start + 24, third, start + 24),
        _box(third, start, wide, ["eth0, net1, net2, ...", "by the CNI plugins of the networks"], PLAIN),
        _text(GAP, height - 30, "The same code reads, plans and judges in all three green boxes", "bold"),
    ]
    return HEAD.format(width=width, height=height) + "".join(parts) + "</svg>\n"


PICTURES = {"decision.svg": decision, "add.svg": add, "overview.svg": overview}


if __name__ == "__main__":
    for picture, draw in PICTURES.items():
        (DOCS / picture).write_text(draw())
