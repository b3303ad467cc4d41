"""The DRA drivers: files of the project, drivers that admins describe, and the part that the node knows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.attach.podclaims import DEFINITION_KEYS
from tests.webhook.admission.dra.claimobjects import (
    BY_CLAIM,
    CNI,
    SRIOV,
    claim,
    device_class,
    opaque,
    pod,
    review,
    vf,
)
from webhook.admission.dra.drivers import KNOWN_DRIVERS
from webhook.admission.dra.parameters import Parameters, read_parameters
from webhook.configuration.parsing import read
from webhook.configuration.texts import ConfigurationError
from webhook.driverdata.admindrivers import read_drivers
from webhook.driverdata.driverfiles import FOLDER, load_drivers

KEYS = st.sampled_from(
    sorted({key for driver in load_drivers().values() for key in (*driver.keys, "apiVersion", "kind", "Config", "x")})
)
MINE: dict[str, Any] = {
    "driver": "nic.example.com",
    "reading": "folding",
    "keys": {"network": {"type": "object", "keys": {"name": {"type": "string"}, "in": {"type": "string"}}}},
    "definition": {"name": "network.name", "namespace": "network.in"},
}


def test_the_files_are_right() -> None:
    written = [json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))]
    assert len(written) == 3
    assert read_drivers(written).mistakes == []
    assert {driver.driver for driver in load_drivers().values()} == {one["driver"] for one in written}
    assert all(one["source"] for one in written)


def test_the_node_knows_the_drivers_that_name_definitions() -> None:
    known = {
        driver.driver: (driver.definition.name, driver.definition.namespace, driver.interface)
        for driver in load_drivers().values()
        if driver.definition is not None
    }
    assert known == DEFINITION_KEYS
    assert all(load_drivers()[name].precedence == "merge" for name in DEFINITION_KEYS)


@pytest.mark.parametrize(
    ("change", "steps", "text"),
    [
        ({"driver": ""}, (0, "driver"), "it is empty"),
        ({"reading": "fold"}, (0, "reading"), 'did you mean "folding"?'),
        ({"definitions": {}}, (0, "definitions"), 'did you mean "definition"?'),
        ({"definition": {"name": "x"}}, (0, "definition", "name"), "keys has no such key: x"),
        ({"definition": {"name": "network"}}, (0, "definition", "name"), "network is of type object"),
        ({"definition": None}, (0,), "the driver attaches nothing"),
        ({"keys": {"a": {"type": "array"}}, "definition": None, "cni": "a"}, (0, "keys", "a"), "an array needs items"),
        ({"interface": "network.name.x"}, (0, "interface"), "keys has no such key"),
    ],
)
def test_mistakes_of_an_admin(change: dict[str, Any], steps: tuple[object, ...], text: str) -> None:
    found = read_drivers([{**MINE, **change}]).mistakes
    assert (found[0].steps, text in found[0].text) == (steps, True), found


def test_a_driver_twice() -> None:
    (mistake,) = read_drivers([MINE, MINE]).mistakes
    assert (mistake.steps, "keep one of them" in mistake.text) == ((1, "driver"), True)


def configuration(**section: object) -> bytes:
    head = {"apiVersion": "config.nadmit.io/v1alpha1", "kind": "NadmitConfiguration"}
    return json.dumps({**head, "drivers": section}).encode()


def test_a_driver_of_an_admin_is_judged() -> None:
    drivers = read(configuration(schemas=[MINE]), where="f").to_value({}).drivers
    assert drivers is not None
    for key in ("network", "NetWork", "networ\u212a"):
        asked = claim(opaque({key: {"name": "secret", "in": "infra"}}, driver="nic.example.com"))
        assert not review(asked, drivers=drivers).is_allowed
        assert not review(pod(BY_CLAIM), asked, device_class(), drivers=drivers).is_allowed
        assert review(asked).is_allowed
    assert review(claim(opaque({"network": {"name": "lan"}}, driver="nic.example.com")), drivers=drivers).is_allowed
    twice = {"network": {"name": "lan"}, "Network": {"name": "secret", "in": "infra"}}
    assert review(claim(opaque(twice, driver="nic.example.com")), drivers=drivers).rules == ("driver-key",)
    assert not review(claim(opaque(vf("secret", "infra"))), drivers=drivers).is_allowed


def test_an_exempt_driver_is_not_read() -> None:
    drivers = read(configuration(exempt=[SRIOV]), where="f").to_value({}).drivers
    assert drivers is not None
    assert review(claim(opaque(vf("secret", "infra"))), drivers=drivers).is_allowed
    assert not review(claim(opaque({}, driver=CNI)), drivers=drivers).is_allowed


def test_an_admins_driver_replaces_ours() -> None:
    newer = {"driver": SRIOV, "keys": {"nad": {"type": "string"}}, "definition": {"name": "nad"}}
    drivers = read(configuration(schemas=[newer]), where="f").to_value({}).drivers
    assert drivers is not None
    assert review(claim(opaque({"nad": "lan", "kind": "VfConfigV2"})), drivers=drivers).is_allowed


def test_a_mistake_in_the_configuration_has_its_place() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(configuration(schemas=[{**MINE, "interface": "x"}], exempt=["a", "a"]), where="f.yaml")
    text = "\n".join(map(str, caught.value.problems))
    assert "drivers.schemas[0].interface: keys has no such key: x" in text
    assert "drivers.exempt: a is listed twice" in text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
"""Values whose keys are often those of a driver."""


@pytest.mark.parametrize("name", sorted(load_drivers()))
@given(text=st.one_of(JSON.map(json.dumps), st.text(max_size=40)))
def test_no_parameters_raise(name: str, text: str) -> None:
    """Parameters with a problem attach nothing."""
    parameters, problems = read_parameters(text, load_drivers()[name])
    assert not problems or parameters == Parameters()
    assert all(problem.rule.startswith(("driver-", "json-")) for problem in problems)


def test_the_webhook_that_fails_closed_is_for_these_drivers() -> None:
    assert tuple(sorted(load_drivers())) == KNOWN_DRIVERS
