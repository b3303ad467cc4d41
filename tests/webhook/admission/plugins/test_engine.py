"""The walk over a configuration: paths, exemptions, unknown types, bounds, texts."""

from __future__ import annotations

import json
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from cniplugin.netspec.attachers import MULTUS
from cniplugin.netspec.errors import render
from tests.webhook.admission.plugins.checking import SCHEMAS, codes, findings_of
from webhook.admission.plugins.engine import ERRORS_MAX, WARNINGS_MAX
from webhook.admission.plugins.rules import host_local, ipam
from webhook.admission.plugins.schema import UNKNOWN_TYPES, Constraint, PluginChecks


def _settings(*, unknown_types: str = "Warn", exempt: frozenset[str] = frozenset()) -> PluginChecks:
    return PluginChecks(schemas=SCHEMAS, unknown_types=unknown_types, exempt=exempt)


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"type": "bridge", "vlan": 5000}, "vlan"),
        ({"plugins": [{"type": "loopback"}, {"type": "bridge", "vlan": 5000}]}, "plugins[1].vlan"),
        ({"type": "bridge", "vlanTrunk": [{"id": 1}, {"id": 5000}]}, "vlanTrunk[1].id"),
        ({"type": "bridge", "ipam": {"type": "host-local", "ranges": [[{"subnet": "a"}]]}}, "ipam.ranges[0][0].subnet"),
        ({"type": "bridge", "a.b": 1, "MTU": "x"}, "MTU"),
        ({"type": "ptp"}, "ipam"),
        ({"type": "tuning"}, ""),
        ({"plugins": [{"type": "tuning"}]}, "plugins[0]"),
    ],
)
def test_the_path_is_where_it_is_written(config: dict[str, object], path: str) -> None:
    assert path in {finding.path for finding in findings_of(config) if finding.is_error(MULTUS)}


def test_the_text_of_a_finding() -> None:
    (finding,) = findings_of({"cniVersion": "1.0.0", "type": "bridge", "vlan": 4095})
    assert render(finding.as_spec_error()) == (
        "vlan: NAD201: the plugin bridge takes 0 to 4094: 4095; "
        'it would fail with "invalid VLAN ID 4095 (must be between 0 and 4094)"'
    )


def test_a_long_value_is_shortened_in_the_refusal_too() -> None:
    (finding,) = findings_of({"cniVersion": "1.0.0", "type": "macvlan", "mode": 'x"\n' * 500})
    text = render(finding.as_spec_error())
    assert len(text) < 400
    assert text.isprintable()


@pytest.mark.parametrize(
    ("setting", "expected"), list(zip(UNKNOWN_TYPES, (["NAD107"], ["NAD108"], []), strict=True)), ids=str
)
def test_unknown_types(setting: str, expected: list[str]) -> None:
    checks = _settings(unknown_types=setting)
    assert [finding.code for finding in findings_of({"type": "x", "ipam": {"type": "x"}}, checks=checks)] == expected


def test_types_are_compared_with_known_ones_as_long_as_the_findings_are_shown() -> None:
    plugins = [{"type": f"ovn-k8s-cni-overla{number:02}"} for number in range(100)]
    checks = _settings(unknown_types="Refuse")
    findings = findings_of({"cniVersion": "1.0.0", "plugins": plugins}, checks=checks)
    suggested = [finding for finding in findings if finding.code == "NAD108" and "did you mean" in finding.fix]
    assert len(suggested) == WARNINGS_MAX


def test_neither_an_exempt_plugin_nor_its_ipam_is_checked() -> None:
    config = {"type": "bridge", "vlan": 5000, "ipam": {"type": "host-local"}}
    assert findings_of(config, checks=_settings(exempt=frozenset({"bridge"}))) == []


def test_an_exempt_ipam_is_not_checked() -> None:
    config = {"type": "bridge", "vlan": 5000, "capabilities": {"ips": True}, "ipam": {"type": "host-local"}}
    checks = _settings(exempt=frozenset({"host-local"}))
    assert [finding.code for finding in findings_of(config, checks=checks)] == ["NAD201"]


def test_ipam_of_a_plugin_that_does_not_run_it() -> None:
    assert codes({"type": "loopback", "ipam": {"type": "host-local"}}) == []


def test_errors_and_warnings_are_bounded_apart() -> None:
    warned = {"type": "bridge", **{f"{'vlan' if at % 2 else 'mtus'}_{at}": 1 for at in range(90)}}
    trunk = [{"id": 5000}] * (ERRORS_MAX + 50)
    findings = findings_of({**warned, "vlanTrunk": trunk})
    errors = [finding for finding in findings if finding.is_error(MULTUS)]
    assert (len(errors), len(findings) - len(errors)) == (ERRORS_MAX, WARNINGS_MAX)


def test_the_comparisons_of_unknown_keys_are_bounded() -> None:
    assert codes({"cniVersion": "1.0.0", "type": "bridge", **{f"q{at}": 1 for at in range(101)}, "vlam": 1}) == []
    assert codes({"cniVersion": "1.0.0", "type": "bridge", **{f"q{at}": 1 for at in range(50)}, "vlam": 1}) == [
        "NAD104"
    ]


def test_a_huge_configuration_has_a_warning() -> None:
    config = {"type": "bridge", "vlan": 5000, "vlanTrunk": [{"id": 5}, None] * 10_000}
    assert codes(config)[0] == "NAD201"
    assert codes({**config, "vlan": 5})[-1] != "NAD201"
    assert codes({"type": "bridge", "vlanTrunk": [{"id": 5}] * 20_000}) == ["NAD110"]


def test_a_key_that_cannot_be_read_has_one_finding() -> None:
    assert codes({"cniVersion": "1.0.0", "type": "sriov", "deviceID": "x", "vlan": "5", "vlanQoS": 3}) == ["NAD101"]
    assert codes({"type": "macvlan", "ipam": {"type": "host-local", "ranges": "10.1.0.0/24"}}) == ["NAD101"]
    assert codes({"type": "macvlan", "ipam": {"type": "static", "addresses": "10.1.0.5/24"}}) == ["NAD101"]
    assert codes({"type": "macvlan", "ipam": {"type": "whereabouts", "range": 5}}) == ["NAD101"]
    nested = {"type": "userspace", "host": {"engine": 5, "netType": "interface"}}
    assert codes(nested) == ["NAD101"]


def test_nulls_in_lists() -> None:
    assert codes({"type": "macvlan", "ipam": {"type": "dhcp", "request": [None]}}) == []
    assert codes({"type": "macvlan", "ipam": {"type": "dhcp", "provide": [None]}}) == ["NAD202"]
    assert "NAD308" in codes({"type": "macvlan", "ipam": {"type": "host-local", "ranges": [None]}})
    ranges = [{"range": "10.1.0.0/24"}, None]
    assert codes({"type": "macvlan", "ipam": {"type": "whereabouts", "ipRanges": ranges}}) == ["NAD103"]
    assert codes({"type": "macvlan", "ipam": {"type": "host-local", "ranges": [[None]]}}) == ["NAD103"]
    assert codes({"type": "macvlan", "ipam": {"type": "static", "addresses": [None]}}) == ["NAD103"]


def test_spacing_does_not_change_findings() -> None:
    config = {"type": "bridge", "vlan": 5000}
    assert findings_of(json.dumps(config, indent=8)) == findings_of(config)


def test_a_constraint_may_point_at_a_key_that_cannot_be_read() -> None:
    """Go cannot decode `uid`; the constraint about `gid` has its finding all the same."""
    config = {"type": "vpc-branch-eni", "interfaceType": "tap", "uid": 5}
    assert {"NAD101", "NAD205"} <= set(codes(config))
    pointing = Constraint(code="NAD205", when={"gid": "unset"}, detail="needs gid", at="uid")
    own = replace(SCHEMAS["vpc-branch-eni"], constraints=(pointing,))
    checks = PluginChecks(schemas={own.type: own})
    assert "NAD205" in [finding.code for finding in findings_of(config, checks=checks)]


@pytest.mark.plain
@pytest.mark.parametrize(
    ("module", "judge", "kind", "key", "item"),
    [
        (host_local, "_range_findings", "host-local", "ranges", [{"subnet": "10.1.0.1/24"}]),
        (ipam, "_option_findings", "dhcp", "provide", {"option": "x", "value": "y"}),
    ],
)
def test_items_are_not_judged_beyond_what_is_shown(
    module: ModuleType, judge: str, kind: str, key: str, item: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[object] = []
    original = getattr(module, judge)

    def count(*given: Any) -> Any:
        judged.append(given)
        return original(*given)

    monkeypatch.setattr(module, judge, count)
    config: dict[str, Any] = {"cniVersion": "1.0.0", "type": "macvlan", "master": "e"}
    config["ipam"] = {"type": kind, key: [item] * (ERRORS_MAX + 50)}
    assert len(findings_of(config)) == len(judged) == ERRORS_MAX
