"""The outcomes that were seen by "run": the real plugins fail, or attach, as the tables of outcomes say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cniplugin.netspec import annotation, cniconfig
from cniplugin.netspec.attachers import STRICT
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.versions import VERSION_WHEN_ABSENT
from tests.webhook.admission.plugins.checking import SCHEMAS, findings_of
from tests.webhook.admission.plugins.real.comparing import FIRST, VERSION, Case, load
from tests.webhook.admission.plugins.real.node import Conf, Node, installed
from webhook.admission.model.ruleids import OUTCOMES
from webhook.admission.plugins.outcomes import CODES, subject_of
from webhook.admission.plugins.schema import PluginChecks
from webhook.plugindata.codes import load_codes

pytestmark = [pytest.mark.root, pytest.mark.slow]

REFUSED = {case.code: case for (plugin, _), case in reversed(load("refused").items()) if installed(plugin)}
"""A refused network for each code."""
STRICT_CHECKS = PluginChecks(schemas=SCHEMAS, attached_by=STRICT)
"""The pods of these tests ask for nothing. Else IPAM static may get an address in CNI_ARGS, and has no finding."""
HOST_LOCAL = {"type": "host-local", "subnet": "10.1.0.0/24"}
OUTSIDE = {"address": "10.1.0.5/24", "gateway": "10.2.0.1"}
ROUTE = {"dst": "10.9.0.1/16"}


def _seen_by_run(code: str) -> bool:
    return CODES[code].seen.startswith("run") and subject_of(code) == "definition"


CERTAIN = [code for code in CODES if _seen_by_run(code) and CODES[code].multus != "differs"]
DIFFERS: dict[str, tuple[Conf | None, Conf | None]] = {
    "NAD107": ({"type": "my-plugin"}, None),
    "NAD310": (None, {"type": "macvlan", "master": "uplink", "ipam": {**HOST_LOCAL, "rangeStart": "10.1.0.255"}}),
    "NAD312": (
        {"type": "bridge", "isGateway": True, "ipam": {"type": "static", "addresses": [OUTSIDE], "routes": [{"dst": "0.0.0.0/0"}]}},
        {"type": "macvlan", "master": "uplink", "ipam": {"type": "static", "addresses": [OUTSIDE]}},
    ),
    "NAD406": ({"type": "host-device"}, None),
    "NAD505": ({"type": "bridge", "ipam": {"type": "static"}}, None),
    "NAD506": ({"type": "macvlan", "master": "uplink", "ipam": {**HOST_LOCAL, "routes": [ROUTE]}}, None),
}  # fmt: skip
"""Code -> a network that fails and one that starts, None where only other plugins show it."""


def _example(code: str) -> Case:
    """Return the example of a code for the links of the test's node, or a refused network of its vectors."""
    conf = json.loads(json.dumps(load_codes()[code].example).replace('"eth1"', '"uplink"'))
    plugins = conf.get("plugins", [conf])
    if any(not installed(plugin["type"]) for plugin in plugins):
        return REFUSED[code]
    absent = VERSION_WHEN_ABSENT if code == "NAD114" else VERSION  # most examples are not about the version
    return Case(plugins=plugins, version=conf.get("cniVersion", absent), code=code)


@pytest.mark.parametrize("code", CERTAIN)
def test_the_example_has_the_outcome(node: Node, code: str) -> None:
    case = _example(code)
    outcome = node.attach(case.plugins, given=case.given, version=case.version)
    assert outcome.is_accepted == (CODES[code].multus != "fails"), outcome


def test_every_code_that_differs_is_shown() -> None:
    assert sorted(DIFFERS) == [code for code in CODES if _seen_by_run(code) and CODES[code].multus == "differs"]


@pytest.mark.parametrize(
    ("code", "conf", "starts"),
    [(code, conf, starts) for code, pair in DIFFERS.items() for starts, conf in enumerate(pair) if conf],
)
def test_the_outcome_differs(node: Node, code: str, conf: Conf, starts: int) -> None:
    assert code in {finding.code for finding in findings_of({"cniVersion": VERSION, **conf}, checks=STRICT_CHECKS)}
    if not installed(conf["type"]):
        return
    outcome = node.attach([conf], given={}, version=VERSION)
    assert outcome.is_accepted == bool(starts), outcome


PORT = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}
BANDWIDTH = {"type": "bandwidth", "capabilities": {"bandwidth": True}}
ASKED: dict[str, tuple[Conf, str, Any]] = {
    "bandwidth-burst": (BANDWIDTH, "bandwidth", {"ingressBurst": 1000}),
    "bandwidth-empty": (BANDWIDTH, "bandwidth", {}),
    "number-range": (PORTMAP, "portMappings", [{**PORT, "hostPort": -1}]),
    "port-missing": (PORTMAP, "portMappings", [{"hostPort": 8080, "protocol": "tcp"}]),
    "port-protocol": (PORTMAP, "portMappings", [{**PORT, "protocol": "quic"}]),
    "port-host-ip": (PORTMAP, "portMappings", [{**PORT, "hostIP": "here"}]),
    "port-mappings-empty": (PORTMAP, "portMappings", []),
}
"""Rule of the annotation -> plugin, key and value of the request."""


@pytest.mark.parametrize("rule", ASKED)
def test_what_a_pod_asks_for(node: Node, rule: str) -> None:
    plugin, key, value = ASKED[rule]
    effect = OUTCOMES["pod"][rule].multus
    if effect != "attaches":
        with pytest.raises(SpecErrors) as refused:
            annotation.parse(json.dumps([{"name": "net", key: value}]), namespace="blue")
        assert rule in {error.rule for error in refused.value.errors}
    outcome = node.attach([FIRST, plugin], given={key: value}, version=VERSION)
    assert outcome.is_accepted == (effect != "fails"), outcome


WRITTEN: dict[str, list[Conf]] = {
    "cni-args": [{"type": "bridge", "args": "x"}],
    "cni-reserved": [{"type": "bridge", "prevResult": "x"}, {"type": "macvlan", "runtimeConfig": "x"}],
    "cni-version": [{"type": "bridge", "cniVersion": "9.9.9"}, {"type": "macvlan", "cniVersion": "0.5.0"}],
}
"""Rule of the configuration -> networks that break it."""


@pytest.mark.parametrize(("rule", "conf"), [(rule, conf) for rule, confs in WRITTEN.items() for conf in confs])
def test_what_a_definition_has(node: Node, rule: str, conf: Conf) -> None:
    with pytest.raises(SpecErrors) as refused:
        cniconfig.build(dict(conf), name="net")
    assert rule in {error.rule for error in refused.value.errors}
    assert OUTCOMES["definition"][rule].multus == "fails"
    assert not node.attach([conf], given={}, version=conf.get("cniVersion", VERSION)).is_accepted


OF_SEVERAL_NETWORKS = {"default-route-families"}
"""Rules about the networks of a pod together: `tests/node/api/test_default_route.py` runs these."""


def test_every_rule_that_was_seen_by_run_is_shown() -> None:
    seen = {
        rule
        for outcomes in OUTCOMES.values()
        for rule, outcome in outcomes.items()
        if outcome.seen.startswith("run") and rule not in CODES
    }
    assert seen == {*ASKED, *WRITTEN, *OF_SEVERAL_NETWORKS}
