"""The recipes of the admin's manual, docs/access.md, are the policy tests in examples/policies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from click.testing import CliRunner

from cniplugin.netspec.selection import NETWORKS
from tests.paths import ROOT
from webhook.cli import nadmit
from webhook.commands.policytests.running import Run, run
from webhook.commands.policytests.testfiles import Case, PolicyTest, find_tests
from webhook.trees.problems import Problem

PAGE = (ROOT / "docs" / "access.md").read_text()
FOLDER = ROOT / "examples" / "policies"
HEADS = {("pod", "asks for", "answer"): "pod", ("user (groups)", "writes in blue", "answer"): "definition"}
POD = re.compile(r"(?P<namespace>[a-z]+)(?::(?P<account>[a-z-]+))?(?: (?P<key>[a-z]+)=(?P<value>\w+))?")
USER = re.compile(r"(?P<name>\w+) \((?P<group>[\w:-]+)\)")
EXPECTED = {"yes": "allow", "no": "deny", "warns": "warn"}
TITLES = [
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


class Recipe(NamedTuple):
    """One recipe of the page: its YAML, and the lines of its tables with the kind of each table."""

    title: str
    text: str
    lines: tuple[tuple[str, tuple[str, str, str]], ...]

    @property
    def folder(self) -> Path:
        return FOLDER / re.sub("[^a-z]+", "-", self.title.lower().replace("'", ""))


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


def recipes() -> Iterator[Recipe]:
    section = PAGE.partition("## Recipes\n")[2].partition("\n## ")[0]
    for part in section.split("\n### ")[1:]:
        title, _, body = part.partition("\n")
        yield Recipe(title, blocks(body), tuple(rows(body)))


RECIPES = list(recipes())


def read(recipe: Recipe) -> PolicyTest:
    problems: list[Problem] = []
    (found,) = find_tests([str(recipe.folder / "test.yaml")], problems)
    assert problems == []
    return found


def test_every_recipe_is_there() -> None:
    assert [recipe.title for recipe in RECIPES] == TITLES
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == {recipe.folder.name for recipe in RECIPES}
    shown = sum(PAGE.count(f" | {answer}") for answer in ("yes |", "no: ", "warns |"))
    assert sum(len(recipe.lines) for recipe in RECIPES) == shown == 48


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_the_page_shows_the_policy_that_is_tested(recipe: Recipe) -> None:
    assert (recipe.folder / "policy.yaml").read_text() == recipe.text


def test_the_page_shows_the_cluster_of_the_tests() -> None:
    assert (FOLDER / "cluster.yaml").read_text() == blocks(
        PAGE.partition("## The cluster of the recipes")[2].partition("\n## ")[0]
    )


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_each_line_of_the_tables_is_a_test(recipe: Recipe) -> None:
    """And the other way around: a line says who asks for what, the verdict, and of a refusal the code."""
    found = read(recipe)
    problems: list[Problem] = []
    done: Run = run([found], problems, wants=lambda _name: True)
    assert problems == []
    assert [result.failure for result in done.results] == [""] * len(recipe.lines)
    for (kind, (who, what, answer)), case, result in zip(recipe.lines, found.cases, done.results, strict=True):
        asked = of_pod(case) if kind == "pod" else of_definition(case)
        assert asked == (subject_of_pod(who) if kind == "pod" else subject_of_user(who), plain(what)), case.name
        verdict, _, code = answer.partition(": ")
        assert EXPECTED[verdict] == case.expect
        assert f"({code})" in result.decided or not code, result.decided
        assert len("\n".join(result.answer).encode()) <= 1024


def subject_of_pod(who: str) -> tuple[Any, ...]:
    pod = POD.fullmatch(who)
    assert pod, who
    return pod["namespace"], pod["account"] or "default", {pod["key"]: pod["value"]} if pod["key"] else {}


def subject_of_user(who: str) -> tuple[Any, ...]:
    user = USER.fullmatch(who)
    assert user, who
    return user["name"], (user["group"],), "blue"


def of_pod(case: Case) -> tuple[tuple[Any, ...], Any]:
    metadata = case.object["metadata"]
    account = case.object["spec"]["serviceAccountName"]
    return (metadata["namespace"], account, metadata["labels"]), plain(metadata["annotations"][NETWORKS])


def of_definition(case: Case) -> tuple[tuple[Any, ...], Any]:
    subject = (case.user, case.groups, case.object["metadata"]["namespace"])
    return subject, plain(case.object["spec"]["config"])


def plain(text: str) -> Any:
    return json.loads(text) if text[:1] in "[{" else text


def test_the_command_of_the_page() -> None:
    done = CliRunner().invoke(nadmit, ["test", "--coverage", str(FOLDER)])
    assert (done.exit_code, done.output) == (0, "48 tests in 9 files, 0 failed\n")


def test_the_cluster_of_the_recipes_is_one_that_plugins_accept() -> None:
    """A reader who tries the recipes begins with this cluster."""
    result = CliRunner().invoke(nadmit, ["check", str(FOLDER / "cluster.yaml")])
    assert result.stdout == "8 objects in 1 file (7 judged), 0 problems, 0 warnings\n"


def test_every_policy_of_the_page_is_yaml() -> None:
    for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        assert all(isinstance(value, dict) for value in yaml.safe_load_all(text))
