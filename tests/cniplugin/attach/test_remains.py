"""The traces of an attachment in host-local's files. Links are tried on real namespaces, in tests/node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cniplugin.attach import remains
from cniplugin.records.journal import Entry, Journal

RECORD = Journal(container_id="c1", netns="/run/netns/there-is-none", runtime_ifname="eth0")


def find(conf: object) -> list[str]:
    entry = Entry(reference="a/b", ifname="net1", config=json.dumps(conf), capability_args={})
    return list(remains.find(RECORD, entry))


def store(directory: Path, **files: str) -> None:
    directory.mkdir(parents=True)
    for name, text in files.items():
        (directory / name.replace("_", ".")).write_text(text)


@pytest.mark.parametrize("is_list", [False, True])
@pytest.mark.parametrize(
    ("text", "is_ours"),
    [
        ("c1\r\nnet1", True),
        ("c1\nnet1\n", True),
        ("c1", True),  # before version 0.7 of the plugins
        ("c1\r\nnet2", False),
        ("c10\r\nnet1", False),
        ("", False),
        ("10.1.1.2", False),
        ("c1\r\nnet1" + " " * 5000, False),
    ],
)
def test_addresses_of_host_local(tmp_path: Path, text: str, *, is_ours: bool, is_list: bool) -> None:
    store(tmp_path / "lan", **{"10_1_1_2": text})
    plugin: dict[str, Any] = {"type": "bridge", "ipam": {"type": "host-local", "dataDir": f"{tmp_path}/"}}
    conf = {"name": "lan", "plugins": [{"type": "tuning"}, plugin]} if is_list else {"name": "lan", **plugin}
    assert find(conf) == ([f"address 10.1.1.2 in {tmp_path}/lan"] if is_ours else [])


@pytest.mark.parametrize(
    "conf",
    [
        {"type": "flannel", "delegate": {"ipam": {"type": "host-local", "dataDir": "DIR"}}},
        {"type": "ptp", "ipam": {"type": "host-local", "dataDir": "DIR"}},
        {"plugins": [{"type": "x"}, {"type": "y", "ipam": {"type": "host-local", "dataDir": "DIR", "ranges": [[{}]]}}]},
    ],
)
def test_the_directory_is_found_wherever_a_configuration_names_it(tmp_path: Path, conf: dict[str, Any]) -> None:
    store(tmp_path / "n", **{"fd00::2": "c1\r\nnet1", "lock": "", "last_reserved_ip_0": "fd00::2"})
    given = json.loads(json.dumps({"name": "n", **conf}).replace("DIR", str(tmp_path)))
    assert find(given) == [f"address fd00::2 in {tmp_path}/n"]


@pytest.mark.parametrize(
    "conf",
    [
        {"name": "n", "type": "ptp", "ipam": {"type": "whereabouts", "dataDir": "DIR"}},
        {"name": "n", "type": "ptp", "ipam": {"type": "host-local", "dataDir": "relative"}},
        {"name": "n", "type": "ptp", "ipam": {"type": "host-local", "dataDir": 7}},
        {"name": "other", "type": "ptp", "ipam": {"type": "host-local", "dataDir": "DIR"}},
        ["no object"],
        "x",
    ],
)
def test_nothing_is_found_elsewhere(tmp_path: Path, conf: object) -> None:
    store(tmp_path / "n", **{"10_1_1_2": "c1\r\nnet1"})
    assert find(json.loads(json.dumps(conf).replace("DIR", str(tmp_path)))) == []


def test_a_configuration_that_cannot_be_read_has_no_addresses() -> None:
    entry = Entry(reference="a/b", ifname="net1", config="{", capability_args={})
    assert remains.find(RECORD, entry) == ()


def test_a_namespace_that_cannot_be_entered_counts_as_a_trace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    entry = Entry(reference="a/b", ifname="net1", config="{}", capability_args={})
    (trace,) = remains.find(RECORD.replace(netns=str(tmp_path / "file")), entry)
    assert str(tmp_path / "file") in trace
