"""Findings in the decision about a NetworkAttachmentDefinition."""

from __future__ import annotations

import json
import re
from pathlib import Path

from cniplugin.netspec.netattachdef import RESOURCE_NAME
from tests.paths import ROOT
from tests.webhook.admission.plugins.checking import CHECKS, SCHEMAS
from tests.webhook.admission.world import RULES, cluster, definition, request
from webhook.admission.evaluate import evaluate
from webhook.admission.model.kinds import NETWORK
from webhook.admission.model.requests import Decision, Object
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.configuration.schemafiles import load_directory


def _decide(config: str, *, plugins: PluginChecks | None = CHECKS, resource: str | None = None) -> Decision:
    annotations = {RESOURCE_NAME: resource} if resource else {}
    asked = request(Object(name="lan", config=config, annotations=annotations), kind=NETWORK)
    return evaluate(asked, DecisionContext(cluster(), RULES, Configuration(injection=None, plugins=plugins)))


def test_an_error_refuses_with_its_code_as_the_rule() -> None:
    decision = _decide('{"cniVersion":"1.0.0","type":"bridge","vlan":4095}')
    assert (decision.code, decision.reason, decision.rules) == (422, "Invalid", ("NAD201",))
    assert [cause.field for cause in decision.causes] == ["spec.config.vlan"]
    assert decision.causes[0].message.startswith("NAD201: the plugin bridge takes 0 to 4094: 4095; it would fail with")


def test_a_surprise_is_a_warning_with_its_code() -> None:
    decision = _decide('{"cniVersion":"1.0.0","type":"bridge","isGatway":true}')
    assert decision.verdict == "warn"
    assert tuple(map(str, decision.warnings)) == (
        'spec.config.isGatway: NAD104: the plugin bridge does not read this key; did you mean "isGateway"?',
    )


def test_a_refusal_has_warnings_beside_its_errors() -> None:
    decision = _decide('{"cniVersion":"1.0.0","type":"bridge","isGatway":true,"vlan":4095}')
    assert (decision.rules, len(decision.warnings)) == (("NAD201",), 1)


def test_the_resource_name_gives_a_device() -> None:
    assert _decide('{"cniVersion":"1.0.0","type":"sriov"}').verdict == "warn"
    assert _decide('{"cniVersion":"1.0.0","type":"sriov"}', resource="example.com/vf").verdict == "allow"


def test_a_mistake_in_the_envelope_has_one_finding() -> None:
    assert _decide('{"type":"bridge","VLAN":4095}').rules == ("cni-key-case",)


def test_without_schemas_there_are_no_findings() -> None:
    assert _decide('{"cniVersion":"1.0.0","type":"bridge","vlan":4095}', plugins=None).verdict == "allow"
    assert (
        evaluate(
            definition('{"cniVersion":"1.0.0","type":"bridge","vlan":4095}'), DecisionContext(cluster(), RULES)
        ).verdict
        == "allow"
    )


def test_an_empty_configuration_has_no_plugins() -> None:
    assert len(_decide("").warnings) == 1


def test_a_long_configuration_is_checked() -> None:
    config = json.dumps({"cniVersion": "1.0.0", "type": "bridge", "vlan": 4095, "description": "x" * 60_000})
    assert _decide(config).rules == ("NAD201",)


def test_other_checks_have_other_findings() -> None:
    """Findings are cached with the checks that made them."""
    config = '{"type":"remembered"}'
    assert _decide(config).warnings
    assert not _decide(config, plugins=PluginChecks(schemas=SCHEMAS, unknown_types="Off")).warnings
    assert _decide(config, plugins=PluginChecks(schemas=SCHEMAS, unknown_types="Refuse")).rules == ("NAD108",)


def test_the_schema_in_the_manual_can_be_read(tmp_path: Path) -> None:
    manual = (ROOT / "docs" / "plugins.md").read_text()
    example = re.search(r"```yaml\n(.*?)```", manual, re.DOTALL)
    assert example
    (tmp_path / "my-plugin.yaml").write_text(example[1])
    schema = load_directory(tmp_path)["my-plugin"]
    decision = _decide(
        '{"cniVersion":"1.0.0","type":"my-plugin","mode":"slow","speed":5}',
        plugins=PluginChecks(schemas={"my-plugin": schema}),
    )
    assert decision.rules == ("NAD103", "NAD204")


def test_the_manual_lists_every_plugin() -> None:
    manual = (ROOT / "docs" / "plugins.md").read_text()
    known = re.search(r"^Known: (.*?)\.$", manual, re.DOTALL | re.MULTILINE)
    assert known
    assert set(re.findall(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", known[1])) - {"and"} == set(SCHEMAS)
