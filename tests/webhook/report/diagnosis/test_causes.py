"""Staged failures have their cause named, and what is not known is said to be not known."""

from __future__ import annotations

import copy
import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from tests.paths import ROOT
from webhook.cli import nadmit
from webhook.plugindata import refusals
from webhook.report.diagnosis import cnicauses, cnimessages
from webhook.report.diagnosis.causes import CAUSES, FACTS, FINE, STAGES, UNKNOWN, Failure
from webhook.report.titles import codes_by_upper

from .cases import CASES, RECORDINGS, Case, both, objects_of, without_definitions, words
from .reported import OF_RUNTIMES, REPORTED, Reported

PAGE = ROOT / "docs" / "why.md"
SCHEMA_FILE = ROOT / "docs" / "why.schema.json"
SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text())


def ask(case: Case, folder: Path, *options: str) -> tuple[int, str]:
    file = folder / "objects.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects_of(case)}))
    result = CliRunner().invoke(nadmit, ["why", "-n", case.namespace, case.target, "-f", str(file), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, result.stdout


def test_cases_have_different_names() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_cause_is_named(case: Case, tmp_path: Path) -> None:
    code, output = ask(case, tmp_path, "-o", "json")
    answer = json.loads(output)
    jsonschema.validate(answer, SCHEMA)
    assert answer["cause"] == case.cause
    stage = CAUSES[case.cause].stage
    assert code == {FINE: 0, UNKNOWN: 3}.get(stage, 1)
    assert (answer["fine"], answer["known"]) == (stage == FINE, stage != UNKNOWN)
    assert case.explain == "" or case.explain in answer["explain"]
    if case.network is not None:
        failure = answer["failure"]
        assert (failure["network"], failure["item"], failure["plugin"]) == (case.network, case.item, case.plugin)
    assert FACTS["value"] not in answer["message"]


ONE_EACH = list({case.cause: case for case in CASES}.values())


@pytest.mark.parametrize("case", ONE_EACH, ids=[case.id for case in ONE_EACH])
def test_the_text_has_the_same_cause_and_a_fix(case: Case, tmp_path: Path) -> None:
    _, output = ask(case, tmp_path)
    head, *facts = output.splitlines()
    cause = CAUSES[case.cause]
    assert f": {cause.stage}: " in head or ": refused: " in head
    assert (f"  cause:   {case.cause}" in facts) == (cause.stage != FINE)
    assert any(line.startswith("  fix:") for line in facts) == bool(cause.fix)


def test_every_recording_is_used() -> None:
    files = {str(path.relative_to(RECORDINGS).with_suffix("")) for path in RECORDINGS.rglob("*.yaml")}
    assert files
    assert files == {case.recording for case in CASES}


def test_recordings_name_no_machine() -> None:
    for path in RECORDINGS.rglob("*.yaml"):
        assert re.findall(r"/tmp|/work|/root/|127\.0\.0\.1|docker\.io", path.read_text()) == [], path
        assert yaml.safe_load(path.read_text())["kind"] == "List"


def test_causes_can_be_told() -> None:
    facts = dict.fromkeys(FACTS, "x")
    for name, cause in CAUSES.items():
        assert cause.stage in STAGES
        assert cause.title.format_map(facts)
        assert bool(cause.fix.format_map(facts)) or cause.stage == FINE, name


OF_OTHER_OBJECTS = {"definition-refused", "nobody-may", "network-fine", "no-pods", "events-unread"}
"""Causes of networks, of workloads without pods, and of missing rights, which `tests/webhook/commands/why` stages."""


def test_every_cause_is_staged() -> None:
    assert CAUSES.keys() - {case.cause for case in CASES} == OF_OTHER_OBJECTS


def test_the_rows_of_words_name_causes() -> None:
    assert {row.cause for row in (*cnicauses.ROWS, *cnicauses.RUNTIME_ROWS)} <= CAUSES.keys()


@pytest.mark.parametrize("one", REPORTED, ids=[one.words[:60] for one in REPORTED])
def test_words_of_bug_reports(one: Reported) -> None:
    assert cnicauses.find(Failure(one.words))[0] == one.cause


@pytest.mark.parametrize("one", OF_RUNTIMES, ids=[one.words[:60] for one in OF_RUNTIMES])
def test_words_of_runtimes(one: Reported) -> None:
    assert cnicauses.find_of_runtime(one.words) == one.cause


def test_every_row_of_words_is_staged_or_reported() -> None:
    notes = [
        item.get("message") or item.get("note") or "" for case in CASES for item in objects_of(case) if is_event(item)
    ]
    failures = [cnimessages.split(text).failure.text for text in notes]
    used = {_row_of(text, cnicauses.ROWS) for text in (*failures, *(one.words for one in REPORTED))}
    assert set(cnicauses.ROWS) - used == set()
    assert set(cnicauses.RUNTIME_ROWS) == {_row_of(one.words, cnicauses.RUNTIME_ROWS) for one in OF_RUNTIMES} - {None}


def is_event(item: dict[str, Any]) -> bool:
    return item["kind"] == "Event" and item.get("reason") in cnimessages.REASONS


def _row_of(text: str, rows: tuple[cnicauses.Row, ...]) -> cnicauses.Row | None:
    return next((row for row in rows if row.words.search(text)), None)


def test_words_of_a_plugin_are_explained_by_codes_that_exist() -> None:
    assert all(case.explain.upper() in codes_by_upper() for case in CASES if case.explain)


# The page


def test_golden_schema_has_every_cause() -> None:
    """`make golden` writes the lists of causes and stages anew."""
    wanted = copy.deepcopy(SCHEMA)
    wanted["properties"]["cause"]["enum"] = list(CAUSES)
    wanted["properties"]["stage"]["enum"] = list(STAGES)
    text = json.dumps(wanted, indent=2) + "\n"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        SCHEMA_FILE.write_text(text)
    assert SCHEMA_FILE.read_text() == text


TABLE = "## The causes\n"


def test_golden_table_of_causes() -> None:
    """`make golden` writes the table anew."""
    head, _, _ = PAGE.read_text().partition(TABLE)
    wanted = f"{head}{TABLE}{_table()}"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        PAGE.write_text(wanted)
    assert PAGE.read_text() == wanted


def _table() -> str:
    words = {key: key.upper() for key in FACTS}
    rows = [
        f"| `{name}` | {cause.stage} | {_cell(cause.title.format_map(words))} | {_cell(cause.fix.format_map(words))} |"
        for name, cause in CAUSES.items()
    ]
    return "\n".join(["| cause | stage | what it means | fix |", "| --- | --- | --- | --- |", *rows, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


QUOTED = ("multus/tiny-b", "webhook/missing")


@pytest.mark.parametrize("name", QUOTED)
def test_the_page_quotes_what_is_printed(name: str, tmp_path: Path) -> None:
    case = next(one for one in CASES if one.id == name)
    page = " ".join(PAGE.read_text().split())
    lines = _facts(ask(case, tmp_path)[1])
    assert len(lines) > 4
    assert [line for line in lines if line not in page] == []


def _facts(output: str) -> list[str]:
    """Return the facts, each in one line."""
    facts: list[str] = []
    for line in output.splitlines():
        if line.startswith(" " * 11):
            facts[-1] += f" {line.strip()}"
        else:
            facts.append(" ".join(line.split()))
    return facts


def test_the_page_tells_the_share() -> None:
    """Every case is checked above, so the share follows from their number."""
    page = " ".join(PAGE.read_text().split())
    staged = [case for case in CASES if CAUSES[case.cause].stage != FINE]
    named = [case for case in staged if CAUSES[case.cause].stage != UNKNOWN]
    real = [case for case in named if case.source == "real"]
    assert f"{len(named)} of {len(staged)} staged failures" in page
    assert f"{len(real)} of them are recordings" in page
    known, total = words_known()
    assert f"{known} of {total} error texts" in page


def words_known() -> tuple[int, int]:
    """Return how many of the plugins' own error texts are recognised by their words alone, and how many there are."""
    texts = {quote for content in refusals.load_files() for quote in refusals.quotes_of(content)}
    assert len(texts) > 100
    return sum(cnicauses.find(Failure(text))[0] != "attachment-failed" for text in texts), len(texts)


def test_the_words_of_a_plugin_of_which_the_data_has_them(tmp_path: Path) -> None:
    """Without the definition, so that the webhook's verdict does not help."""
    base = next(one for one in CASES if one.id == "multus/badsubnet")
    said = 'plugin type="bond" failed (add): bonding requires at least two links, we have 0'
    case = base._replace(change=both(words(said), without_definitions))
    answer = json.loads(ask(case, tmp_path, "-o", "json")[1])
    assert (answer["cause"], answer["webhookNow"]) == ("config-refused", None)
