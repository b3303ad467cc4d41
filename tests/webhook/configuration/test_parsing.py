"""Texts to values: every field, and one mistake in every field."""

from __future__ import annotations

import re

import pytest
import yaml

from cniplugin.netspec.netattachdef import RESOURCE_NAME
from webhook.admission.model.injection import Injection
from webhook.admission.view.decisioncontext import Configuration
from webhook.configuration.parsing import PROBLEMS_MAX, read
from webhook.configuration.sections import NadmitConfiguration, defaults
from webhook.configuration.texts import BYTES_MAX, ConfigurationError
from webhook.plugindata.pluginfiles import load_schemas

from .texts import HEAD, OFF

WHOLE = f"""{HEAD}injection:
  enabled: true
  mode: honor
  podNetworkInformation: true
  hugepages: true
  resourceNameKeys: [example.com/resource, k8s.v1.cni.cncf.io/resourceName]
  annotationsByLabel:
    example.com/uplink: {{k8s.v1.cni.cncf.io/networks: uplinks/fast}}
plugins:
  unknownTypes: Refuse
  exempt: [secret-sauce]
"""
KEY = "not a key of a label or annotation"
A_KEY = (
    "allowed: [PREFIX/]NAME, such as example.com/uplink: the prefix a DNS name, the name at most 63 letters, digits, "
    "'-', '_' and '.', starting and ending with a letter or digit"
)
FIELDS = "allowed: enabled, mode, podNetworkInformation, hugepages, resourceNameKeys, annotationsByLabel"


def problems(text: str | bytes) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(ConfigurationError) as caught:
        read(data, where="f.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_every_field_has_a_value() -> None:
    value = read(WHOLE.encode(), where="f.yaml").to_value({})
    assert value.injection == Injection(
        mode="honor",
        exposes_netinfo=True,
        exposes_hugepages=True,
        resource_name_keys=("example.com/resource", RESOURCE_NAME),
        annotations_by_label={"example.com/uplink": {"k8s.v1.cni.cncf.io/networks": "uplinks/fast"}},
    )
    assert value.plugins is not None
    assert value.plugins.unknown_types == "Refuse"
    assert value.plugins.exempt == {"secret-sauce"}


def test_the_defaults_are_those_of_the_domain() -> None:
    assert read(HEAD.encode(), where="f.yaml") == defaults()
    value = defaults().to_value({})
    assert value.injection == Configuration().injection
    assert value.plugins is not None
    assert (value.plugins.schemas, value.plugins.unknown_types, value.plugins.exempt) == (
        load_schemas(),
        "Warn",
        frozenset(),
    )


def test_injection_can_be_off() -> None:
    assert read(OFF, where="f.yaml").to_value({}).injection is None


@pytest.mark.parametrize("model", [defaults(), read(WHOLE.encode(), where="f.yaml")])
def test_a_shown_configuration_can_be_read(model: NadmitConfiguration) -> None:
    assert read(yaml.safe_dump(model.shown()).encode(), where="f.yaml") == model


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("enabled: 'yes'", '5:3: injection.enabled: wrong type: "yes"; allowed: true or false'),
        ("mode: topup", '5:3: injection.mode: unknown value: "topup"; did you mean "topUp"? allowed: "topUp", "honor"'),
        ("mode: 7", '5:3: injection.mode: unknown value: 7; allowed: "topUp", "honor"'),
        ("podNetworkInformation: 1", "5:3: injection.podNetworkInformation: wrong type: 1; allowed: true or false"),
        (
            "hugepages:",
            "5:3: injection.hugepages: wrong type: null; allowed: true or false; leave the field out for its default",
        ),
        (
            "{hugepages: true, podNetworkInformation: false}",
            (
                "5:4: injection.hugepages: true needs podNetworkInformation, which is false: its volume "
                "carries the hugepages; switch that on, or this off"
            ),
        ),
        ("resourceNameKeys: a/b", '5:3: injection.resourceNameKeys: wrong type: "a/b"; allowed: a list'),
        ("resourceNameKeys: [a/b/c]", f'5:22: injection.resourceNameKeys[0]: {KEY}: "a/b/c"; {A_KEY}'),
        ("resourceNameKeys: [a, 7]", "5:25: injection.resourceNameKeys[1]: wrong type: 7; allowed: a string: quote it"),
        ("resourceNameKeys: [a, b, a]", "5:3: injection.resourceNameKeys: a is listed twice; keep one of them"),
        ("annotationsByLabel: []", "5:3: injection.annotationsByLabel: wrong type: a list; allowed: a mapping"),
        ("annotationsByLabel: {a b: {}}", f'5:24: injection.annotationsByLabel["a b"]: {KEY}: "a b"; {A_KEY}'),
        ("annotationsByLabel: {a: x}", '5:24: injection.annotationsByLabel.a: wrong type: "x"; allowed: a mapping'),
        ("annotationsByLabel: {a: {-: x}}", f'5:28: injection.annotationsByLabel.a.-: {KEY}: "-"; {A_KEY}'),
        (
            "annotationsByLabel: {a: {x: true}}",
            "5:28: injection.annotationsByLabel.a.x: wrong type: true; allowed: a string: quote it",
        ),
        (
            "annotationsByLabel: {a: {k8s.v1.cni.cncf.io/networks: 'a,,b'}}",
            (
                "5:24: injection.annotationsByLabel.a: k8s.v1.cni.cncf.io/networks cannot be read: [1]: the item is "
                "empty; remove the comma before or after it"
            ),
        ),
        (
            "annotationsByLabel: {a: {v1.multus-cni.io/default-network: 'a,b'}}",
            (
                "5:24: injection.annotationsByLabel.a: v1.multus-cni.io/default-network cannot be read: 2 networks are "
                "named, and a pod has one default network; allowed: one network"
            ),
        ),
        (
            "annotationsByLabel: {a: {k8s.v1.cni.cncf.io/network-status: '[]'}}",
            "5:24: injection.annotationsByLabel.a: nodes write k8s.v1.cni.cncf.io/network-status; leave it out",
        ),
        ("modes: topUp", f'5:3: injection.modes: no such field; did you mean "mode"? {FIELDS}'),
        ("pod_network_information: true", f"5:3: injection.pod_network_information: no such field; .*{FIELDS}"),
    ],
)
def test_one_mistake_is_one_line(section: str, message: str) -> None:
    (line,) = problems(f"{HEAD}\ninjection:\n  {section}\n")
    assert line == f"f.yaml:{message}" or re.fullmatch(f"f.yaml:{message}", line), line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml: it is empty; write at least apiVersion: config.nadmit.io/v1alpha1 and kind: NadmitConfiguration"),
        ("# nothing\n---\n", "f.yaml: it is empty; "),
        ("7", "f.yaml:1:1: wrong type: 7; allowed: a mapping"),
        (
            "kind: NadmitConfiguration\n",
            "f.yaml:1:1: apiVersion: it is missing; write apiVersion: config.nadmit.io/v1alp",
        ),
        ("apiVersion: config.nadmit.io/v1alpha1", "f.yaml:1:1: kind: it is missing; write kind: NadmitConfiguration"),
        (HEAD.replace("v1alpha1", "v1"), 'f.yaml:1:1: apiVersion: unknown value: "config.nadmit.io/v1"; did you mean'),
        (
            f"{HEAD}injektion: {{}}",
            'f.yaml:3:1: injektion: no such field; did you mean "injection"? allowed: apiVersion, ',
        ),
        (f"{HEAD}injection: []", "f.yaml:3:1: injection: wrong type: a list; allowed: a mapping"),
        (f"{HEAD}kind: x", 'f.yaml:3:1: the key "kind" occurs twice in one mapping; keep one of them'),
        (f"{HEAD}---\n{HEAD}", "f.yaml: 2 documents; allowed: one, keep the one that you mean"),
        ("injection: [", "f.yaml:2:1: not YAML: "),
        (b"kind: \xff", "f.yaml:1:7: not UTF-8: byte 0xff; save the file as UTF-8"),
        (" " * (BYTES_MAX + 1), f"f.yaml: {BYTES_MAX + 1} bytes; allowed: at most {BYTES_MAX}"),
    ],
)
def test_a_text_that_is_not_a_configuration(text: str | bytes, message: str) -> None:
    (line,) = problems(text)
    assert line.startswith(message)


def test_all_mistakes_are_reported_in_the_order_of_their_lines() -> None:
    lines = problems(f"{HEAD}plugin: {{}}\ninjection:\n  modes: a\n  hugepages: 7\n  enabled: 7\n")
    assert [line.split(" ")[0] for line in lines] == ["f.yaml:3:1:", "f.yaml:5:3:", "f.yaml:6:3:", "f.yaml:7:3:"]


def test_a_thousand_mistakes_are_not_all_located() -> None:
    lines = problems(HEAD + "".join(f"a{number}: 1\n" for number in range(1000)))
    assert len(lines) == PROBLEMS_MAX + 1
    assert lines[-1] == f"f.yaml: {1000 - PROBLEMS_MAX} more problems"


def test_annotations_that_no_object_could_have() -> None:
    """An alias expands to more of them than the text has bytes."""
    text = f"{HEAD}injection:\n  annotationsByLabel:\n    a: {{x: &text {'y' * 131_072}, z: *text}}\n"
    assert problems(text) == [
        (
            "f.yaml:5:5: injection.annotationsByLabel.a: 262146 bytes of annotations; allowed: at most 262144, as in any "
            "object"
        )
    ]


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "&a [*a]", "&a [x, x]\n" + "---\n" * 3])
def test_a_hostile_text_is_a_problem(text: str) -> None:
    assert problems(text)
