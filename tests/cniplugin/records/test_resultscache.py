"""The records of libcni and Multus, as they write them, and damaged."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.records.journal import Entry, Journal, parse, render
from cniplugin.records.resultscache import (
    Recorded,
    load_containers,
    load_live,
    load_multus,
    load_results,
    remove_multus,
)

CONFIG = '{"cniVersion": "1.0.0", "name": "net-a", "plugins": [{"type": "bridge"}, {"type": "portmap"}]}'
RESULT = {"cniVersion": "1.0.0", "ips": [{"address": "10.1.1.2/24"}]}
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
CACHED = {
    "kind": "cniCacheV1",
    "containerId": "c1",
    "config": base64.b64encode(CONFIG.encode()).decode(),
    "ifName": "net1",
    "networkName": "net-a",
    "netns": "/run/netns/x",
    "cniArgs": [["IgnoreUnknown", "true"], ["K8S_POD_NAME", "p"]],
    "capabilityArgs": PORTS,
    "result": RESULT,
}
ENTRY = Entry(
    reference="net-a",
    ifname="net1",
    config=CONFIG,
    capability_args=PORTS,
    args="IgnoreUnknown=true;K8S_POD_NAME=p",
    state="attached",
    result=RESULT,
)
DELEGATE = {
    "Conf": {"name": "net-a", "type": "bridge", "ipam": {}, "dns": {}},
    "ConfList": {"dns": {}},
    "Name": "default/net-a",
    "IsFilterV4Gateway": True,
    "IsFilterV6Gateway": False,
    "Bytes": base64.b64encode(CONFIG.encode()).decode(),
}


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def put(path: Path, value: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return str(path)


def results(directory: Path) -> Recorded:
    return load_results(str(directory), "c1", runtime_ifname="eth0")


def multus(directory: Path) -> Recorded:
    return load_multus(str(directory), "c1", runtime_ifname="eth0", args="K=v")


# libcni, rules 26 to 29


def test_an_attachment_is_found_with_all_that_delete_needs(tmp_path: Path) -> None:
    put(tmp_path / "net-a-c1-net1", CACHED)
    put(tmp_path / "cbr0-c1-eth0", {**CACHED, "ifName": "eth0", "networkName": "cbr0"})
    first = ENTRY.replace(reference="cbr0", ifname="eth0", is_default=True)
    assert results(tmp_path) == Recorded(entries=(first, ENTRY))


def test_absent_members_are_absent(tmp_path: Path) -> None:
    kept = {key: CACHED[key] for key in ("kind", "containerId", "config", "ifName", "networkName")}
    put(tmp_path / "net-a-c1-net1", kept)
    assert results(tmp_path).entries == (ENTRY.replace(capability_args={}, args="", result=None),)


def test_no_directory_is_nothing(tmp_path: Path) -> None:
    assert results(tmp_path / "none") == Recorded()


def test_the_content_says_whose_file_it_is(tmp_path: Path) -> None:
    put(tmp_path / "a-c1-b-c9-net1", {**CACHED, "networkName": "a-c1-b", "containerId": "c9"})
    put(tmp_path / "a-c9-c1-net1", {**CACHED, "networkName": "a-c9"})
    put(tmp_path / "net-a-c12-net1", b"rubbish of another container")
    assert results(tmp_path) == Recorded(entries=(ENTRY.replace(reference="a-c9"),))


@pytest.mark.parametrize("kind", ["nadmit", "multus", "multus-shim"])
def test_the_runtimes_entry_of_a_delegating_plugin_is_left_out(tmp_path: Path, kind: str) -> None:
    for index, config in enumerate(({"name": "n", "type": kind}, {"name": "n", "plugins": [{"type": kind}]})):
        put(tmp_path / f"n-c1-eth{index}", {**CACHED, "config": encode(json.dumps(config))})
    put(tmp_path / "x-c1-net1", {**CACHED, "config": encode('{"plugins": [1, null]}')})
    assert [json.loads(entry.config) for entry in results(tmp_path).entries] == [
        {"plugins": [1, None], "name": "net-a"}
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "cniCacheV2"},
        {"kind": None},
        {"ifName": ""},
        {"ifName": 1},
        {"networkName": None},
        {"config": None},
        {"config": "not base64"},
        {"config": encode("[]")},
        {"config": encode("{")},
        {"config": encode("[" * 100_000)},
        {"config": base64.b64encode(b'{"a": "\xff"}').decode()},
    ],
)
def test_a_file_without_data_for_delete_is_listed(tmp_path: Path, change: dict[str, Any]) -> None:
    path = put(tmp_path / "net-a-c1-net1", {**CACHED, **change})
    assert results(tmp_path) == Recorded(unusable=(path,))


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b"\xff", b"[" * 100_000, json.dumps(RESULT).encode()])
def test_rubbish_is_listed(tmp_path: Path, content: bytes) -> None:
    path = put(tmp_path / "net-a-c1-net1", content)
    put(tmp_path / "net-b-c1-net2", {**CACHED, "ifName": "net2", "networkName": "net-b"})
    found = results(tmp_path)
    assert found.unusable == (path,)
    assert [entry.ifname for entry in found.entries] == ["net2"]


def test_a_directory_in_the_place_of_a_file_is_listed(tmp_path: Path) -> None:
    (tmp_path / "net-a-c1-net1").mkdir()
    assert results(tmp_path) == Recorded(unusable=(str(tmp_path / "net-a-c1-net1"),))


@pytest.mark.parametrize("value", [7, [7], [["a"]], [["a", 1]], {"a": "b"}])
def test_wrong_details_count_as_absent(tmp_path: Path, value: object) -> None:
    put(tmp_path / "net-a-c1-net1", {**CACHED, "cniArgs": value, "capabilityArgs": "x", "result": [1]})
    assert results(tmp_path).entries == (ENTRY.replace(capability_args={}, args="", result=None),)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(CACHED)), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(CACHED)), json_values))
def test_found_attachments_can_be_journaled(change: dict[str, Any]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        put(Path(directory, "results", "net-a-c1-net1"), {**CACHED, **change})
        put(Path(directory, "c1"), [DELEGATE, {**DELEGATE, **change}, change])
        found = multus(Path(directory))
        journal = Journal(container_id="c1", netns="", runtime_ifname="eth0", entries=found.entries)
        assert parse(render(journal)) == journal


# Multus


def test_delegates_are_named_as_multus_names_them(tmp_path: Path) -> None:
    put(tmp_path / "c1", [DELEGATE, DELEGATE, {**DELEGATE, "ifnameRequest": "data"}, {**DELEGATE, "Name": ""}])
    found = multus(tmp_path)
    assert found.unusable == ()
    assert [entry.ifname for entry in found.entries] == ["eth0", "net1", "data", "net3"]
    assert [entry.is_default for entry in found.entries] == [True, False, False, False]
    assert [entry.reference for entry in found.entries] == ["default/net-a"] * 3 + ["net-a"]
    assert {(entry.config, entry.args, entry.state) for entry in found.entries} == {(CONFIG, "K=v", "attempted")}


def test_requests_of_the_element_become_capability_arguments(tmp_path: Path) -> None:
    asked = {
        "macRequest": "02:00:00:00:00:01",
        "ipRequest": ["10.1.1.7/24"],
        "infinibandGUIDRequest": "24:8a:07:03:00:8d:ae:2f",
        "deviceID": "0000:03:02.0",
        "default-route": ["10.1.1.1"],
    }
    put(tmp_path / "c1", [{**DELEGATE, **asked}])
    (entry,) = multus(tmp_path).entries
    assert entry.capability_args == {
        "mac": "02:00:00:00:00:01",
        "ips": ["10.1.1.7/24"],
        "infinibandGUID": "24:8a:07:03:00:8d:ae:2f",
        "deviceID": "0000:03:02.0",
    }
    assert entry.default_route == {"gateways": ["10.1.1.1"]}
    assert entry.device == "0000:03:02.0"


def test_device_information_that_multus_made_is_on_record(tmp_path: Path) -> None:
    caps = {"deviceID": "d1", "CNIDeviceInfoFile": "/run/devinfo/cni/default-net-a-c1_net1"}
    put(tmp_path / "c1", [DELEGATE, {**DELEGATE, "deviceID": "d1"}])
    put(tmp_path / "results" / "net-a-c1-net1", {**CACHED, "capabilityArgs": caps})
    found = [entry.device_info_file for entry in multus(tmp_path).entries]
    assert found == [None, "/run/devinfo/cni/default-net-a-c1_net1"]


def test_port_mappings_come_from_the_results_beside_it(tmp_path: Path) -> None:
    put(tmp_path / "c1", [DELEGATE, {**DELEGATE, "deviceID": "d1"}, DELEGATE])
    put(tmp_path / "results" / "net-a-c1-net1", CACHED)
    put(tmp_path / "results" / "net-z-c1-extra", {**CACHED, "ifName": "extra", "networkName": "net-z"})
    found = multus(tmp_path)
    assert [entry.ifname for entry in found.entries] == ["eth0", "net1", "net2", "extra"]
    assert found.entries[1] == ENTRY.replace(reference="default/net-a", device="d1")
    assert found.entries[2].capability_args == {}


def test_without_a_cache_the_results_count(tmp_path: Path) -> None:
    assert multus(tmp_path) == Recorded()
    put(tmp_path / "results" / "net-a-c1-net1", CACHED)
    assert multus(tmp_path) == Recorded(entries=(ENTRY,))


def test_a_damaged_cache_is_listed_and_the_results_count(tmp_path: Path) -> None:
    whole = json.dumps([DELEGATE, DELEGATE]).encode()
    put(tmp_path / "results" / "net-a-c1-net1", CACHED)
    for length in range(len(whole)):
        path = put(tmp_path / "c1", whole[:length])
        assert multus(tmp_path) == Recorded(entries=(ENTRY,), unusable=(path,))


@pytest.mark.parametrize("bad", [None, 1, {}, {"Bytes": "%"}, {"Bytes": encode("[]")}, {"ifnameRequest": 3}])
def test_a_bad_delegate_is_listed_and_the_others_count(tmp_path: Path, bad: object) -> None:
    path = put(tmp_path / "c1", [DELEGATE, bad, DELEGATE])
    found = multus(tmp_path)
    assert [entry.ifname for entry in found.entries] == ["eth0", "net2"]
    assert found.unusable == (path,)


def test_a_bad_delegate_is_found_in_the_results(tmp_path: Path) -> None:
    put(tmp_path / "c1", [DELEGATE, {}])
    put(tmp_path / "results" / "net-a-c1-net1", CACHED)
    found = multus(tmp_path)
    assert found.entries[1:] == (ENTRY,)
    assert found.unusable == ()


# Live containers, for GC


def test_all_attachments_of_live_containers_are_known(tmp_path: Path) -> None:
    put(tmp_path / "c1", [DELEGATE, DELEGATE])
    put(tmp_path / "c2", [DELEGATE, {**DELEGATE, "ifnameRequest": "data"}])
    put(tmp_path / "dead", [DELEGATE, DELEGATE])
    put(tmp_path / "results" / "net-a-c3-net7", {**CACHED, "containerId": "c3", "ifName": "net7"})
    attachments = [
        ("c1", "eth0"),
        ("c2", "eth0"),
        ("c3", "eth0"),
        ("none", "eth0"),
        ("../c1", "eth0"),
        ("x" * 300, "eth0"),
    ]
    live, unusable = load_live(str(tmp_path), attachments)
    assert list(live) == [("c1", "eth0"), ("c1", "net1"), ("c2", "eth0"), ("c2", "data"), ("c3", "net7")]
    assert unusable == []


def test_what_is_unclear_about_live_containers_is_listed(tmp_path: Path) -> None:
    bad = put(tmp_path / "c1", b"[")
    put(tmp_path / "dead", b"[")
    result = put(tmp_path / "results" / "net-a-c2-net1", b"{")
    live, unusable = load_live(str(tmp_path), [("c1", "eth0"), ("c1", "eth1"), ("c2", "eth0")])
    assert (live, unusable) == ({}, [bad, result])


def test_a_directory_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to("results")
    assert load_live(str(tmp_path), [("c1", "eth0")]) == ({}, [f"{tmp_path}/results"])
    (tmp_path / "loop").symlink_to("loop")
    _, unusable = load_live(f"{tmp_path}/loop", [("c1", "eth0")])
    assert unusable == [f"{tmp_path}/loop/c1", f"{tmp_path}/loop/results"]


def test_the_containers_of_all_records(tmp_path: Path) -> None:
    cache = put(tmp_path / "c1", [DELEGATE])
    put(tmp_path / "c2", {"no": "list"})
    put(tmp_path / "not a container", [DELEGATE])
    result = put(tmp_path / "results" / "net-a-c3-net1", {**CACHED, "containerId": "c3"})
    put(tmp_path / "results" / "net-a-c4-net1", b"{")
    put(tmp_path / "results" / "net-a-c5-net1", {**CACHED, "containerId": "../c5"})
    assert list(load_containers(str(tmp_path))) == [(cache, "c1"), (result, "c3")]
    assert list(load_containers(f"{tmp_path}/none")) == []


def test_the_records_of_a_detached_container_go(tmp_path: Path) -> None:
    put(tmp_path / "c1", [DELEGATE])
    put(tmp_path / "results/net-a-c1-net1", CACHED)
    other = put(tmp_path / "c2", [DELEGATE]), put(tmp_path / "results/net-a-c2-net1", {**CACHED, "containerId": "c2"})
    alike = put(tmp_path / "results/a-c1-b-c2-net1", {**CACHED, "containerId": "c2"})
    assert list(remove_multus(str(tmp_path), "c1")) == []
    assert sorted(str(path) for path in tmp_path.rglob("*") if path.is_file()) == sorted([*other, alike])
    assert list(remove_multus(str(tmp_path), "c1")) == []


@pytest.mark.parametrize("damaged", ["c1", "results/net-b-c1-net2"])
def test_records_stay_with_one_that_cannot_be_read(tmp_path: Path, damaged: str) -> None:
    paths = [put(tmp_path / name, value) for name, value in (("c1", [DELEGATE]), ("results/net-a-c1-net1", CACHED))]
    paths.append(put(tmp_path / damaged, b"{"))
    assert list(remove_multus(str(tmp_path), "c1")) == []
    assert all(Path(path).exists() for path in paths)


def test_a_record_that_cannot_be_removed_is_reported(tmp_path: Path) -> None:
    path = put(tmp_path / "c1", [DELEGATE])

    def unlink(seen: str) -> None:
        assert seen == path
        raise PermissionError(13, "Permission denied", seen)

    (line,) = remove_multus(str(tmp_path), "c1", unlink=unlink)
    assert line == f"{path}: the record of Multus cannot be removed: Permission denied"
