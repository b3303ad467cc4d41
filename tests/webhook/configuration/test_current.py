"""What is in force and what is told about it, as texts come one after the other."""

from __future__ import annotations

import hashlib
import json

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.fakes.clock import Clock
from webhook.admission.view.nadmitconfiguration import Configuration
from webhook.configuration.current import SHOWN_PROBLEMS_MAX, InForce
from webhook.configuration.parsing import PROBLEMS_MAX, ConfigurationError
from webhook.plugindata.loader import load_schemas
from webhook.telemetry.configuration import ConfigurationMetrics

from .texts import BAD, HEAD, HONOR, OFF, TOP_UP


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def in_force(clock: Clock) -> InForce:
    return InForce(now=clock, own_schemas={})


def mode(in_force: InForce) -> str:
    return "off" if in_force.current.injection is None else in_force.current.injection.mode


def samples(in_force: InForce) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(ConfigurationMetrics(in_force))
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name.removeprefix("nadmit_configuration_"): float(value) for name, value in map(str.split, lines)}


def test_the_defaults_hold_before_anything_is_said(in_force: InForce) -> None:
    assert in_force.current.injection == Configuration().injection
    assert samples(in_force) == {
        "last_reload_successful": 1,
        "last_reload_success_timestamp_seconds": 0,
        "hash": 0,
        'reloads_total{result="ok"}': 0,
        'reloads_total{result="error"}': 0,
    }


def test_a_right_text_takes_the_place_of_another(in_force: InForce, clock: Clock) -> None:
    in_force.load(HONOR, source="f")
    first = in_force.current
    clock.now = 5
    assert in_force.offer(OFF, source="f") == "accepted"
    assert mode(in_force) == "off"
    assert first.injection is not None  # who had read it keeps it
    assert in_force.offer(OFF, source="f") == "same"
    assert samples(in_force)["last_reload_success_timestamp_seconds"] == 5
    assert samples(in_force)['reloads_total{result="ok"}'] == 2
    assert samples(in_force)["hash"] == int(hashlib.sha256(OFF).hexdigest()[:12], 16)


def test_a_wrong_text_changes_nothing_but_what_is_told(in_force: InForce, clock: Clock) -> None:
    in_force.load(HONOR, source="f")
    current = in_force.current
    clock.now = 5
    assert in_force.offer(BAD, source="f") == "refused"
    assert in_force.offer(BAD, source="f") == "same"
    assert in_force.current is current
    told = samples(in_force)
    assert told["last_reload_successful"] == 0
    assert told["last_reload_success_timestamp_seconds"] == 0
    assert told['reloads_total{result="error"}'] == 1


def test_the_old_text_again_ends_the_refusal_and_is_in_force_since_it_came(in_force: InForce, clock: Clock) -> None:
    in_force.load(HONOR, source="f")
    current = in_force.current
    in_force.offer(BAD, source="f")
    clock.now = 9
    assert in_force.offer(HONOR, source="f") == "accepted"
    assert in_force.current is current
    assert in_force.describe()["since"] == "1970-01-01T00:00:00Z"
    assert in_force.describe()["refused"] is None
    assert samples(in_force)["last_reload_successful"] == 1


def test_a_start_fails_with_a_wrong_text(in_force: InForce) -> None:
    with pytest.raises(ConfigurationError):
        in_force.load(BAD, source="f")
    assert in_force.state.refused is None


def test_without_a_text_the_defaults(in_force: InForce, caplog: pytest.LogCaptureFixture) -> None:
    in_force.load(HONOR, source="f")
    assert in_force.offer_defaults(why="there is no f") == "accepted"
    assert in_force.offer_defaults(why="there is no f") == "same"
    assert in_force.current.injection == Configuration().injection
    assert (in_force.describe()["source"], in_force.describe()["sha256"]) == ("defaults: there is no f", None)


def test_what_was_good_before_stands_in_and_the_refusal_stays(in_force: InForce) -> None:
    in_force.offer(BAD, source="f")
    assert not in_force.fall_back(BAD, source="g")
    assert in_force.current.injection == Configuration().injection
    assert in_force.fall_back(HONOR, source="g")
    assert mode(in_force) == "honor"
    assert in_force.describe()["source"] == "g"
    assert samples(in_force)["last_reload_successful"] == 0


def test_a_source_that_cannot_be_read(in_force: InForce) -> None:
    in_force.load(HONOR, source="f")
    in_force.note_unreadable("f: cannot be read")
    assert samples(in_force)["last_reload_successful"] == 0
    assert in_force.describe()["unreadable"] == "f: cannot be read"
    assert mode(in_force) == "honor"
    assert in_force.offer(HONOR, source="f") == "same"
    assert in_force.describe()["unreadable"] is None
    assert samples(in_force)["last_reload_successful"] == 1


def test_what_is_unreadable_and_then_wrong_is_refused_still(in_force: InForce) -> None:
    in_force.load(HONOR, source="f")
    in_force.offer(BAD, source="f")
    in_force.note_unreadable("f: cannot be read")
    assert in_force.offer(BAD, source="f") == "same"
    assert samples(in_force)["last_reload_successful"] == 0


def test_it_is_shown_as_one_would_write_it(in_force: InForce) -> None:
    in_force.load(TOP_UP, source="f")
    in_force.offer(BAD, source="f")
    shown = in_force.describe()
    assert json.loads(json.dumps(shown)) == shown
    assert shown == {
        "configuration": {
            "apiVersion": "config.nadmit.io/v1alpha1",
            "kind": "NadmitConfiguration",
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
            "limits": {
                "networksPerPod": 64,
                "valuesPerPod": 4096,
                "containersPerPod": 512,
                "definitionBytes": 65_536,
                "definitionItems": 1024,
                "policyValues": 16_384,
            },
        },
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


def test_a_thousand_mistakes_are_not_all_told(in_force: InForce) -> None:
    text = HEAD + "".join(f"a{number}: 1\n" for number in range(1000))
    in_force.offer(text.encode(), source="f")
    problems = in_force.describe()["refused"]["problems"]
    assert len(problems) == SHOWN_PROBLEMS_MAX + 1
    assert problems[-1] == f"{PROBLEMS_MAX + 1 - SHOWN_PROBLEMS_MAX} more"
