"""CNI configurations: vectors, rule ids, properties and hostile input (CNI 1.1 §1; NPWG v1.3 §3.4)."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.netspec import cniconfig, errors, versions
from cniplugin.netspec.cniconfig import CONFIG_BYTES_MAX, NetworkConfigList
from cniplugin.netspec.errors import SpecErrors, render
from tests.paths import VECTORS

DATA = json.loads((VECTORS / "cniconfig.json").read_text())
RULES = {
    "cni-args",
    "cni-capabilities",
    "cni-delegate",
    "cni-dns",
    "cni-flag",
    "cni-ipam",
    "cni-key-case",
    "cni-key-twin",
    "cni-name",
    "cni-object",
    "cni-plugins",
    "cni-reserved",
    "cni-type",
    "cni-type-and-plugins",
    "cni-type-path",
    "cni-version",
}


def text_of(case: dict[str, Any]) -> str:
    return str(case["text"]) if "text" in case else json.dumps(case["config"])


def problems_of(text: str, *, name: str = "net-a") -> list[list[str]]:
    with pytest.raises(SpecErrors) as caught:
        cniconfig.parse(text, name=name)
    assert all(render(error) for error in caught.value)
    return [[error.rule, error.path] for error in caught.value]


def shown(config: NetworkConfigList) -> dict[str, Any]:
    """Return the fields of a network that the vectors have."""
    return {
        "name": config.name,
        "written_name": config.written_name,
        "cni_version": config.cni_version,
        "is_list": config.is_list,
        "disable_check": config.disable_check,
        "disable_gc": config.disable_gc,
        "load_only_inlined": config.load_only_inlined,
        "types": [list(plugin.types) for plugin in config.plugins],
        "ipam_types": [plugin.ipam_type for plugin in config.plugins],
        "capabilities": sorted(config.capabilities),
    }


def test_vectors_are_found() -> None:
    assert len(DATA["accepted"]) == 27
    assert len(DATA["refused"]) == 75


def test_each_rule_has_a_vector() -> None:
    rules = {rule for case in DATA["refused"] for rule, _ in case["problems"]}
    assert {rule for rule in rules if rule.startswith("cni-")} == RULES


@pytest.mark.parametrize("case", DATA["accepted"], ids=lambda case: case["id"])
def test_accepted(case: dict[str, Any]) -> None:
    config = shown(cniconfig.parse(text_of(case), name=case["name"]))
    assert {field: config[field] for field in case["expect"]} == case["expect"]


@pytest.mark.parametrize("case", DATA["refused"], ids=lambda case: case["id"])
def test_refused(case: dict[str, Any]) -> None:
    assert problems_of(text_of(case), name=case["name"]) == case["problems"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"a","Type":"b"}', 'Type: keys are case-sensitive, yet plugins written in Go read this one in any letter case; write "type"'),
        ('{"type":"a","ipam":"x"}', 'ipam: wrong JSON type: "x"; allowed: an object'),
        ('{"type":"../a"}', 'type: the type is a path, which could run any program of the node: "../a"; allowed: the bare file name of a plugin'),
        ('{"type":"a","cniVersion":"2"}', 'cniVersion: no plugin speaks this version of CNI: "2"; allowed: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0'),
    ],
)  # fmt: skip
def test_message(text: str, message: str) -> None:
    with pytest.raises(SpecErrors) as caught:
        cniconfig.parse(text, name="net-a")
    assert [render(error) for error in caught.value] == [message]


def test_the_object_is_kept_as_written() -> None:
    text = '{"type":"a","z":9007199254740993,"a":[1,1.5,"é"],"name":"n","m":{"y":null,"b":true}}'
    config = cniconfig.parse(text, name="net-a")
    assert cniconfig.render(config) == text
    assert config.plugins[0].conf is config.conf


def test_the_name_is_filled_in_at_its_place_or_at_the_end() -> None:
    config = cniconfig.parse('{"name":"","type":"a"}', name="net-a")
    assert cniconfig.render(config) == '{"name":"net-a","type":"a"}'
    config = cniconfig.parse('{"plugins":[{"type":"a"}]}', name="net-a")
    assert cniconfig.render(config) == '{"plugins":[{"type":"a"}],"name":"net-a"}'
    assert config.plugins[0].conf == {"type": "a"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        "name",
        "cniVersion",
        "cniVersions",
        "type",
        "Type",
        "plugins",
        "disableCheck",
        "disableGC",
        "loadOnlyInlinedPlugins",
        "capabilities",
        "ipam",
        "dns",
        "args",
        "cni",
        "runtimeConfig",
        "prevResult",
        "delegate",
        "delegates",
        "master",
        "MASTER",
        "x",
        "X",
    ]
)
VALUES: st.SearchStrategy[object] = st.sampled_from(
    ["bridge", "1.0.0", "0.3.1", "a/b", "", "true", True, None, 1, [], {}]
)
CONFIG_LIKE = st.recursive(
    VALUES | JSON, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=12
)


@st.composite
def plugins(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a plugin with the keys of the standard and some of its own."""
    plugin: dict[str, Any] = {"type": draw(st.from_regex(r"[a-z][-a-z0-9.]{0,9}", fullmatch=True))}
    plugin |= draw(st.dictionaries(st.from_regex(r"x-[a-z]{1,5}", fullmatch=True), JSON_TEXT, max_size=3))
    plugin |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "capabilities": st.dictionaries(st.sampled_from(["ips", "mac", "bandwidth"]), st.booleans()),
                "ipam": st.fixed_dictionaries({}, optional={"type": st.just("static"), "n": st.integers()}),
                "master": st.just("eth0"),
            },
        )
    )
    return plugin


JSON_TEXT = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def networks(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a network in either form."""
    common = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["", "n", "A.b-c_d"]),
                "cniVersion": st.sampled_from(["", *versions.VERSIONS]),
                "cniVersions": st.lists(st.sampled_from([*versions.VERSIONS, "1.2.0"])),
                "disableCheck": st.sampled_from([True, False, "true", "FALSE"]),
            },
        )
    )
    rest = draw(plugins() | st.fixed_dictionaries({"plugins": st.lists(plugins(), min_size=1, max_size=3)}))
    return {**rest, **common} if draw(st.booleans()) else {**common, **rest}


@pytest.mark.slow
@given(networks())
def test_rendering_and_reading_again_changes_nothing(network: dict[str, Any]) -> None:
    config = cniconfig.parse(json.dumps(network), name="net-a")
    again = cniconfig.parse(cniconfig.render(config), name="net-a")
    assert again.replace(written_name=config.written_name) == config
    assert again.written_name == again.name == config.name
    assert cniconfig.render(again) == cniconfig.render(config)


@pytest.mark.slow
@given(networks())
def test_the_order_of_keys_and_every_value_survive(network: dict[str, Any]) -> None:
    rendered = json.loads(cniconfig.render(cniconfig.parse(json.dumps(network), name="net-a")))
    named = network if network.get("name") else {**network, "name": "net-a"}
    assert json.dumps(rendered) == json.dumps(named)


@pytest.mark.slow
@given(networks())
def test_the_version_is_the_highest_of_those_named(network: dict[str, Any]) -> None:
    """CNI 1.1 §1: runtimes MUST select the highest supported version."""
    written = [network.get("cniVersion"), *network.get("cniVersions", [])]
    highest = max((version for version in written if version in versions.VERSIONS), default="0.1.0")
    assert cniconfig.parse(json.dumps(network), name="net-a").cni_version == highest


def is_total(text: str) -> bool:
    """Say whether `text` is read, or refused with an explanation."""
    try:
        config = cniconfig.parse(text, name="net-a")
    except SpecErrors as errors:
        return all(error.rule and error.detail and render(error) for error in errors)
    return config.name != "" and bool(config.plugins)


@given(st.text() | st.text('{}[]":,0.eE-truefalsn\\ u').map(lambda text: '{"type":"a",' + text))
def test_every_text_is_read_or_explained(text: str) -> None:
    assert is_total(text)


@pytest.mark.slow
@given(CONFIG_LIKE | st.dictionaries(KEYS, CONFIG_LIKE, max_size=8))
def test_every_value_is_read_or_explained(value: object) -> None:
    assert is_total(json.dumps(value))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a" * 10_000_000, "json-size"),
        ('{"type":"a","x":"' + "é" * (CONFIG_BYTES_MAX // 2) + '"}', "json-size"),
        ('{"type":"a","delegate":' * 100 + "1" + "}" * 100, "json-depth"),
        ("[" * 1_000_000, "json-depth"),
        ('{"type":"a","x":"\\ud800"}', "json-encoding"),
        ('{"type":"\ud800"}', "json-encoding"),
        ('{"type":"a","x":' + "9" * 5000 + "}", "json-number"),
        ('{"type":"a","x":1e999}', "json-number"),
        ('\ufeff{"type":"a"}', "json-syntax"),
    ],
)
def test_hostile_text(text: str, rule: str) -> None:
    assert problems_of(text)[0][0] == rule


def test_problems_are_bounded() -> None:
    assert len(problems_of('{"plugins":[' + "0," * 700_000 + "0]}")) == errors.PROBLEMS_MAX


def test_deepest_nesting_of_delegates_is_read() -> None:
    depth = 63
    config = cniconfig.parse('{"type":"a","delegate":' * depth + '{"type":"b"}' + "}" * depth, name="net-a")
    assert config.plugins[0].types == ("a",) * depth + ("b",)


@pytest.mark.parametrize(
    "item", ["{},", '{"Type":"a","TYPE":"b"},', '{"type":"a","ipam":{"type":"/"}},', "0,", '"\u017f",']
)
def test_time_is_linear(item: str) -> None:
    """Eight times the text takes about eight times as long: 40 leaves room for noise, 64 would be quadratic."""

    def seconds(count: int) -> float:
        text = '{"plugins":[' + (item * count)[:-1] + "]}"
        start = time.process_time()
        assert is_total(text)
        return time.process_time() - start

    small, large = (min(seconds(count) for _ in range(3)) for count in (500, 4000))
    assert large < 40 * small
