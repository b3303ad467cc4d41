"""The section `limits`, from its text to what reviews use, changed while the server runs."""

from __future__ import annotations

import pytest

from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits
from webhook.configuration.current import CurrentConfiguration
from webhook.configuration.parsing import ConfigurationError, read

HEAD = b"apiVersion: config.nadmit.io/v1alpha1\nkind: NadmitConfiguration\n"


def limits_of(text: bytes) -> ReviewLimits:
    return read(HEAD + text, where="f").to_value({}).limits


def test_the_defaults() -> None:
    assert limits_of(b"") == limits_of(b"limits: {}\n") == DEFAULTS == ReviewLimits()


def test_every_field() -> None:
    text = (
        b"limits: {networksPerPod: 1, valuesPerPod: 2, containersPerPod: 3, definitionBytes: 4, definitionItems: 5, "
        b"policyValues: 6}\n"
    )
    assert limits_of(text) == ReviewLimits(1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0", "the number is out of range: 0; allowed: 1 to 10000000"),
        ("10000001", "the number is out of range: 10000001; allowed: 1 to 10000000"),
        ('"64"', 'wrong type: "64"; allowed: a whole number, without quotes'),
        ("1.5", "wrong type: 1.5; allowed: a whole number, without quotes"),
        ("true", "wrong type: true; allowed: a whole number, without quotes"),
    ],
)
def test_a_mistake_has_its_place(value: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        limits_of(f"limits:\n  networksPerPod: {value}\n".encode())
    (problem,) = raised.value.problems
    assert str(problem) == f"f:4:3: limits.networksPerPod: {words}"


def test_an_unknown_field() -> None:
    with pytest.raises(ConfigurationError, match="networksPerPod"):
        limits_of(b"limits: {networkPerPod: 3}\n")


def test_they_change_while_the_server_runs() -> None:
    current = CurrentConfiguration(now=lambda: 0.0, own_schemas={})
    assert current.value.limits == DEFAULTS
    current.update(HEAD + b"limits: {networksPerPod: 128}\n", source="f")
    assert current.value.limits.networks_per_pod == 128
    assert current.describe()["configuration"]["limits"]["networksPerPod"] == 128
