"""The reservations of host-local, as the plugin writes them, and other files beside them."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from cniplugin.cnierrors import CniError
from cniplugin.netspec import cniconfig
from cniplugin.records.hostlocal import Reservation, directories, load_reservations, networks_below, release

HOST_LOCAL = Path("/usr/lib/cni/host-local")


def reserve(network: Path, address: str, text: str) -> Path:
    network.mkdir(exist_ok=True)
    path = network / address
    path.write_bytes(text.encode())
    os.utime(path, (5, 5))
    return path


def of(network: Path, address: str, container_id: str = "c1", ifname: str = "eth0") -> Reservation:
    return Reservation(network=str(network), address=address, container_id=container_id, ifname=ifname, written_at=5.0)


def test_reservations_are_read_and_other_files_are_not(tmp_path: Path) -> None:
    net = tmp_path / "net"
    reserve(net, "10.1.1.2", "c1\r\neth0")
    reserve(net, "10.1.1.3", "c2")
    reserve(net, "10.1.1.4", " c3 \n")
    reserve(net, "fd00::2", "c1\r\nnet1")
    for name, text in (("lock", ""), ("last_reserved_ip.0", "10.1.1.4"), ("10.1.1.9", ""), ("10.1.1.10", "a b")):
        reserve(net, name, text)
    (net / "10.1.1.5").write_bytes(b"\xff")
    (net / "10.1.1.999").write_text("c1")
    assert list(load_reservations(str(net))) == [
        of(net, "10.1.1.2"),
        of(net, "10.1.1.3", "c2", ""),
        of(net, "10.1.1.4", "c3", ""),
        of(net, "fd00::2", ifname="net1"),
    ]
    assert of(net, "10.1.1.2").path == f"{net}/10.1.1.2"
    assert networks_below(str(tmp_path)) == [str(net)]
    assert networks_below(f"{tmp_path}/none") == []
    assert list(load_reservations(f"{tmp_path}/none")) == []


@pytest.mark.parametrize(
    ("conf", "expected"),
    [
        ({"type": "flannel"}, ["/d/n"]),
        ({"type": "bridge", "ipam": {"type": "host-local"}}, ["/d/n"]),
        ({"type": "bridge", "ipam": {"type": "host-local", "dataDir": "/run/x/"}}, ["/d/n", "/run/x/n"]),
        ({"type": "bridge", "ipam": {"type": "whereabouts", "dataDir": "/run/x"}}, ["/d/n"]),
        ({"type": "bridge", "ipam": {"type": "host-local", "dataDir": 1}}, ["/d/n"]),
    ],
)
def test_where_a_network_reserves(conf: dict[str, object], expected: list[str]) -> None:
    text = json.dumps({"cniVersion": "1.0.0", "name": "n", "plugins": [conf, {"type": "portmap"}]})
    assert directories(cniconfig.parse(text, name=""), default="/d") == expected


def test_a_reservation_is_released_once(tmp_path: Path) -> None:
    path = reserve(tmp_path / "net", "10.1.1.2", "c1\r\neth0")
    (found,) = load_reservations(str(tmp_path / "net"))
    assert release(found, deadline=time.monotonic() + 5)
    assert not path.exists()
    assert not release(found, deadline=time.monotonic() + 5)


def test_an_address_that_another_container_got_meanwhile_is_kept(tmp_path: Path) -> None:
    path = reserve(tmp_path / "net", "10.1.1.2", "c1\r\neth0")
    (found,) = load_reservations(str(tmp_path / "net"))
    reserve(tmp_path / "net", "10.1.1.2", "c2\r\neth0")
    assert not release(found, deadline=time.monotonic() + 5)
    assert path.read_bytes() == b"c2\r\neth0"


def test_a_lock_that_is_held_and_a_directory_that_is_gone(tmp_path: Path) -> None:
    path = reserve(tmp_path / "net", "10.1.1.2", "c1\r\neth0")
    (found,) = load_reservations(str(tmp_path / "net"))
    with (tmp_path / "net" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CniError, match="host-local holds this lock; try again later"):
            release(found, deadline=time.monotonic())
    assert path.exists()
    lost = found.replace(network=f"{tmp_path}/none")
    with pytest.raises(CniError, match="it cannot be removed: No such file"):
        release(lost, deadline=time.monotonic() + 5)


@pytest.mark.root
def test_the_files_of_debians_plugin(tmp_path: Path) -> None:
    if not HOST_LOCAL.is_file():
        pytest.skip("needs containernetworking-plugins for host-local")
    ipam = {
        "type": "host-local",
        "dataDir": str(tmp_path),
        "ranges": [[{"subnet": "10.1.1.0/24"}], [{"subnet": "fd00::/64"}]],
    }
    conf = {"cniVersion": "1.0.0", "name": "net", "type": "bridge", "ipam": ipam}
    environ = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_NETNS": "/x", "CNI_IFNAME": "eth0", "CNI_PATH": "/x"}
    subprocess.run([HOST_LOCAL], input=json.dumps(conf), env=environ, text=True, check=True, capture_output=True)
    found = list(load_reservations(str(tmp_path / "net")))
    assert [(one.address, one.container_id, one.ifname) for one in found] == [
        ("10.1.1.2", "c1", "eth0"),
        ("fd00::2", "c1", "eth0"),
    ]
    assert all(release(one, deadline=time.monotonic() + 5) for one in found)
    subprocess.run(
        [HOST_LOCAL],
        input=json.dumps(conf),
        env={**environ, "CNI_COMMAND": "DEL"},
        text=True,
        check=True,
        capture_output=True,
    )
