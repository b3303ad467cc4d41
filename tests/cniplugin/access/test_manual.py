"""Each recipe of the admin's manual, docs/access.md, has the effect that its tables list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import yaml
from click.testing import CliRunner

from cniplugin.access.model.decision import Config
from cniplugin.netspec.selection import NETWORKS
from tests.paths import ROOT
from webhook.admission.evaluate import evaluate
from webhook.admission.model.requests import Decision
from webhook.admission.view.decisioncontext import CompiledRules, DecisionContext
from webhook.cli import nadmit
from webhook.review import wire
from webhook.snapshot.snapshot import Snapshot
from webhook.trees import builder, documents

PAGE = (ROOT / "docs" / "access.md").read_text()
HEADS = {("pod", "asks for", "answer"): "pod", ("user (groups)", "writes in blue", "answer"): "definition"}
POD = re.compile(r"(?P<namespace>[a-z]+)(?::(?P<account>[a-z-]+))?(?: (?P<key>[a-z]+)=(?P<value>\w+))?")
USER = re.compile(r"(?P<name>\w+) \((?P<group>[\w:-]+)\)")


class Line(NamedTuple):
    """One line of a table: the recipe's title and YAML, the kind of the table, and its cells."""

    title: str
    text: str
    kind: str
    who: str
    what: str
    answer: str


def blocks(section: str) -> str:
    return "\n---\n".join(re.findall(r"```yaml\n(.*?)```", section, re.DOTALL))


def rows(section: str) -> Iterator[tuple[str, tuple[str, str, str]]]:
    kind = ""
    for line in section.splitlines():
        cells = tuple(cell.strip() for cell in line.strip().strip("|").split(" | ")) if line.startswith("|") else ()
        if cells in HEADS:
            kind = HEADS[cells]
        elif len(cells) == 3 and kind and not cells[0].startswith("---"):
            yield kind, (cells[0], cells[1].strip("`"), cells[2])


def lines() -> Iterator[Line]:
    recipes = PAGE.partition("## Recipes\n")[2].partition("\n## ")[0]
    for section in recipes.split("\n### ")[1:]:
        title, _, body = section.partition("\n")
        for kind, cells in rows(body):
            yield Line(title, blocks(body), kind, *cells)


LINES = list(lines())
CLUSTER = blocks(PAGE.partition("## The cluster of the recipes")[2].partition("\n## ")[0])


def snapshot(text: str) -> Snapshot:
    problems: list[Any] = []
    made = builder.build(documents.parse(f"{CLUSTER}\n---\n{text}", file="access.md", problems=problems), problems)
    assert problems == []
    for policy in made.policies.policies:
        assert policy.problems == (), policy.name
    assert made.policies.config_problems == ()
    return made


def decide(line: Line) -> Decision:
    cluster = snapshot(line.text)
    return evaluate(
        wire.decode(json.dumps(review(line)).encode()), DecisionContext(cluster, CompiledRules(Config())(cluster))
    )


def review(line: Line) -> dict[str, Any]:
    return {"apiVersion": wire.API_VERSION, "kind": wire.KIND, "request": request(line)}


def request(line: Line) -> dict[str, Any]:
    user: dict[str, Any]
    if line.kind == "pod":
        pod = POD.fullmatch(line.who)
        assert pod, line.who
        labels = {pod["key"]: pod["value"]} if pod["key"] else {}
        metadata = {"name": "web", "annotations": {NETWORKS: line.what}, "labels": labels}
        thing = {"metadata": metadata, "spec": {"serviceAccountName": pod["account"] or "default"}}
        kind, user, namespace = {"group": "", "version": "v1", "kind": "Pod"}, {"username": "x"}, pod["namespace"]
    else:
        author = USER.fullmatch(line.who)
        assert author, line.who
        thing = {"metadata": {"name": "made"}, "spec": {"config": line.what}}
        kind = {"group": "k8s.cni.cncf.io", "version": "v1", "kind": "NetworkAttachmentDefinition"}
        user, namespace = {"username": author["name"], "groups": [author["group"]]}, "blue"
    return {
        "uid": "u",
        "kind": kind,
        "operation": "CREATE",
        "namespace": namespace,
        "name": thing["metadata"]["name"],
        "userInfo": user,
        "object": thing,
    }


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.title}: {line.who} {line.what[:40]}")
def test_each_line_of_each_recipe(line: Line) -> None:
    decision = decide(line)
    answer, _, code = line.answer.partition(": ")
    assert {"yes": "allow", "no": "deny", "warns": "warn"}[answer] == decision.verdict, decision
    if code:
        assert decision.rules == (code,)
        assert len(decision.message.encode()) <= 1024


def test_every_recipe_is_there_and_tried() -> None:
    titles = [
        "Isolate tenants",
        "Share one network with one team",
        "Reserve VLANs and masters",
        "Let tenants write their own networks",
        "Forbid default-route takeover",
        "Limit static IPs",
        "Trial run",
        "The owner's consent",
        "Break-glass",
    ]
    assert list(dict.fromkeys(line.title for line in LINES)) == titles
    assert len(LINES) == PAGE.count(" | yes |") + PAGE.count(" | no: ") + PAGE.count(" | warns |")


def test_the_cluster_of_the_recipes_is_one_that_plugins_accept() -> None:
    """A reader who tries the recipes begins with this cluster."""
    result = CliRunner().invoke(nadmit, ["check", "-"], input=CLUSTER)
    assert result.stdout == "8 objects in 1 file (7 judged), 0 problems, 0 warnings\n"


def test_every_policy_of_the_page_is_yaml() -> None:
    for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        assert all(isinstance(value, dict) for value in yaml.safe_load_all(text))
