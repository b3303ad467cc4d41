"""The configuration in force and its metrics, while texts come one after the other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.fakes.clock import Clock
from webhook.admission.view.decisioncontext import Configuration
from webhook.configuration.current import SHOWN_PROBLEMS_MAX, CurrentConfiguration, default_value
from webhook.configuration.parsing import PROBLEMS_MAX
from webhook.configuration.sections import defaults
from webhook.configuration.texts import ConfigurationError
from webhook.plugindata.pluginfiles import load_schemas
from webhook.telemetry.metrics import ConfigurationMetrics

from .texts import BAD, HEAD, HONOR, OFF, TOP_UP


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def current(clock: Clock) -> CurrentConfiguration:
    return CurrentConfiguration(now=clock, own_schemas={})


def mode(current: CurrentConfiguration) -> str:
    return "off" if current.value.injection is None else current.value.injection.mode


def samples(current: CurrentConfiguration) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(ConfigurationMetrics(current))
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name.removeprefix("nadmit_configuration_"): float(value) for name, value in map(str.split, lines)}


def test_the_defaults_are_in_force_before_the_first_text(current: CurrentConfiguration) -> None:
    assert current.value.injection == Configuration().injection
    assert samples(current) == {
        "last_reload_successful": 1,
        "last_reload_success_timestamp_seconds": 0,
        "hash": 0,
        'reloads_total{result="ok"}': 0,
        'reloads_total{result="error"}': 0,
    }


@pytest.mark.parametrize("attached_by", ["multus", "nadmit"])
def test_the_defaults_are_those_of_an_empty_text(attached_by: str) -> None:
    own = {"mine": load_schemas()["bridge"]}
    value, of_models = default_value(own, attached_by), defaults().to_value(own, attached_by)
    assert replace(value, plugins=None) == replace(of_models, plugins=None)
    assert value.plugins is not None
    assert of_models.plugins is not None
    assert {field.name: getattr(value.plugins, field.name) for field in fields(value.plugins)} == {
        field.name: getattr(of_models.plugins, field.name) for field in fields(of_models.plugins)
    }


def test_a_right_text_replaces_another(current: CurrentConfiguration, clock: Clock) -> None:
    current.load(HONOR, source="f")
    first = current.value
    clock.now = 5
    assert current.update(OFF, source="f") == "accepted"
    assert mode(current) == "off"
    assert first.injection is not None  # a reader of the old value still has it
    assert current.update(OFF, source="f") == "same"
    assert samples(current)["last_reload_success_timestamp_seconds"] == 5
    assert samples(current)['reloads_total{result="ok"}'] == 2
    assert samples(current)["hash"] == int(hashlib.sha256(OFF).hexdigest()[:12], 16)


def test_a_wrong_text_changes_the_report_only(current: CurrentConfiguration, clock: Clock) -> None:
    current.load(HONOR, source="f")
    before = current.value
    clock.now = 5
    assert current.update(BAD, source="f") == "refused"
    assert current.update(BAD, source="f") == "same"
    assert current.value is before
    reported = samples(current)
    assert reported["last_reload_successful"] == 0
    assert reported["last_reload_success_timestamp_seconds"] == 0
    assert reported['reloads_total{result="error"}'] == 1


def test_the_old_text_again_ends_the_refusal_and_keeps_its_time(current: CurrentConfiguration, clock: Clock) -> None:
    current.load(HONOR, source="f")
    before = current.value
    current.update(BAD, source="f")
    clock.now = 9
    assert current.update(HONOR, source="f") == "accepted"
    assert current.value is before
    assert current.describe()["since"] == "1970-01-01T00:00:00Z"
    assert current.describe()["refused"] is None
    assert samples(current)["last_reload_successful"] == 1


def test_a_start_fails_with_a_wrong_text(current: CurrentConfiguration) -> None:
    with pytest.raises(ConfigurationError):
        current.load(BAD, source="f")
    assert current.state.refused is None


def test_without_a_text_the_defaults_are_in_force(
    current: CurrentConfiguration, caplog: pytest.LogCaptureFixture
) -> None:
    current.load(HONOR, source="f")
    assert current.use_defaults(why="there is no f") == "accepted"
    assert current.use_defaults(why="there is no f") == "same"
    assert current.value.injection == Configuration().injection
    assert (current.describe()["source"], current.describe()["sha256"]) == ("defaults: there is no f", None)


def test_the_last_good_text_is_in_force_and_the_new_one_stays_refused(current: CurrentConfiguration) -> None:
    current.update(BAD, source="f")
    assert not current.fall_back(BAD, source="g")
    assert current.value.injection == Configuration().injection
    assert current.fall_back(HONOR, source="g")
    assert mode(current) == "honor"
    assert current.describe()["source"] == "g"
    assert samples(current)["last_reload_successful"] == 0


def test_a_source_that_cannot_be_read(current: CurrentConfiguration) -> None:
    current.load(HONOR, source="f")
    current.note_unreadable("f: cannot be read")
    assert samples(current)["last_reload_successful"] == 0
    assert current.describe()["unreadable"] == "f: cannot be read"
    assert mode(current) == "honor"
    assert current.update(HONOR, source="f") == "same"
    assert current.describe()["unreadable"] is None
    assert samples(current)["last_reload_successful"] == 1


def test_a_refused_text_stays_refused_after_its_source_was_unreadable(current: CurrentConfiguration) -> None:
    current.load(HONOR, source="f")
    current.update(BAD, source="f")
    current.note_unreadable("f: cannot be read")
    assert current.update(BAD, source="f") == "same"
    assert samples(current)["last_reload_successful"] == 0


def test_the_configuration_is_shown_as_it_is_written(current: CurrentConfiguration) -> None:
    current.load(TOP_UP, source="f")
    current.update(BAD, source="f")
    shown = current.describe()
    assert json.loads(json.dumps(shown)) == shown
    assert shown == {
        "configuration": {
            "apiVersion": "config.nadmit.io/v1alpha1",
            "kind": "NadmitConfiguration",
            "hotplug": False,
            "injection": {
                "enabled": True,
                "mode": "topUp",
                "podNetworkInformation": True,
                "hugepages": False,
                "resourceNameKeys": ["k8s.v1.cni.cncf.io/resourceName"],
                "annotationsByLabel": {},
            },
            "plugins": {"unknownTypes": "Warn", "exempt": []},
            "drivers": {"exempt": []},
            "workloads": [],
            "limits": {
                "networksPerPod": 64,
                "valuesPerPod": 4096,
                "containersPerPod": 512,
                "definitionBytes": 65_536,
                "definitionItems": 1024,
                "policyValues": 16_384,
            },
            "observe": {"warnings": False},
        },
        "attachedBy": "multus",
        "pluginTypes": dict.fromkeys(sorted(load_schemas()), "nadmit"),
        "source": "f",
        "since": "1970-01-01T00:00:00Z",
        "sha256": hashlib.sha256(TOP_UP).hexdigest(),
        "refused": {
            "at": "1970-01-01T00:00:00Z",
            "sha256": hashlib.sha256(BAD).hexdigest(),
            "problems": [
                'f:3:13: injection.mode: unknown value: "honour"; did you mean "honor"? allowed: "topUp", "honor"'
            ],
        },
        "unreadable": None,
    }


def test_at_most_twenty_problems_are_reported(current: CurrentConfiguration) -> None:
    text = HEAD + "".join(f"a{number}: 1\n" for number in range(1000))
    current.update(text.encode(), source="f")
    problems = current.describe()["refused"]["problems"]
    assert len(problems) == SHOWN_PROBLEMS_MAX + 1
    assert problems[-1] == f"{PROBLEMS_MAX + 1 - SHOWN_PROBLEMS_MAX} more"
