"""Every rule has a cause, a fix and an example, and the command that it names finds the rule in its example."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from webhook.cli import nadmit
from webhook.report.ruletexts import RuleText, load_rules
from webhook.report.stockrules import STOCK_RULES
from webhook.report.titles import TITLES

TEXTS = load_rules()
SHOWN = {rule: text for rule, text in TEXTS.items() if not text.says}


def test_every_rule_has_a_text() -> None:
    assert TEXTS.keys() == TITLES.keys()


@pytest.mark.parametrize("rule", TEXTS)
def test_a_text_is_a_sentence_for_people(rule: str) -> None:
    text = TEXTS[rule]
    assert text.cause.endswith(".")
    assert text.fix
    assert bool(text.example) != bool(text.says), "an example, or what the program says"


def run(text: RuleText, *more: str) -> list[str]:
    Path("example.yaml").write_text(text.example)
    words = [*text.options, *more]
    if text.context:
        Path("context").mkdir()
        Path("context/all.yaml").write_text(text.context)
        words += ["--manifests", "context"]
    if text.configuration:
        head = "apiVersion: config.nadmit.io/v1alpha1\nkind: NadmitConfiguration\n"
        Path("config.yaml").write_text(head + text.configuration)
        words += ["--config", "config.yaml"]
    words += ["example.yaml"] if text.command == "check" else ["-f", "example.yaml"]
    done = CliRunner().invoke(nadmit, [text.command, "-o", "json", *words], prog_name="nadmit")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return [finding["rule"] for finding in json.loads(done.stdout)["findings"]]


@pytest.mark.parametrize("rule", SHOWN)
def test_an_example_has_its_rule(rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert rule in run(TEXTS[rule])


@pytest.mark.parametrize("rule", STOCK_RULES)
def test_an_example_of_a_scan_has_nothing_worse(rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An example is for one rule; what follows besides is information, or the same at another object."""
    monkeypatch.chdir(tmp_path)
    assert set(run(TEXTS[rule])) - {rule} <= {"network-unused", "host-local-nodes"}
