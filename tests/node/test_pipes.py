"""A named pipe in the place of any file that the plugin reads causes the error of a broken file, not a hang."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cniplugin.attach import confdir, devices
from cniplugin.cluster import kubeconfig, transport
from cniplugin.cluster.kubeconfig import ClusterConfig
from cniplugin.cnierrors import CniError
from cniplugin.host.disk import digest_of_tree
from cniplugin.install import desired
from cniplugin.install.commandline import InstallError
from cniplugin.records import resultscache

PIPE = "not a regular file but a named pipe"
CLUSTER = ClusterConfig(server="https://h", host="h", port=443)


pytestmark = pytest.mark.timeout(60)  # a reader that waits for a pipe would wait for ever


@pytest.fixture
def pipe(tmp_path: Path) -> str:
    path = tmp_path / "10-net.conf"
    os.mkfifo(path)
    return str(path)


def test_kubeconfig_and_token(pipe: str) -> None:
    with pytest.raises(CniError, match=f"the kubeconfig cannot be read: {PIPE}"):
        kubeconfig.load_kubeconfig(pipe)
    with pytest.raises(CniError, match=f"the token file cannot be read: {PIPE}"):
        kubeconfig.load_token(CLUSTER.replace(token_file=pipe))


@pytest.mark.parametrize("field", ["ca_file", "cert_file", "key_file"])
def test_files_of_certificates(pipe: str, field: str, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    others = {name: str(tmp_path / "other") for name in ("cert_file", "key_file") if field != "ca_file"}
    with pytest.raises(CniError, match=PIPE):
        transport.tls_context(CLUSTER.replace(**{**others, field: pipe}))


def test_a_configuration_on_disk(pipe: str) -> None:
    with pytest.raises(CniError, match=PIPE):
        confdir.load_file(pipe)
    warned: list[str] = []
    assert confdir.load_network(str(Path(pipe).parent), "net", warn=warned.append) is None
    assert PIPE in warned[0]


def test_devices(pipe: str, tmp_path: Path) -> None:
    with pytest.raises(CniError, match=PIPE):
        devices.load_info(pipe)
    checkpoint = tmp_path / devices.CHECKPOINT
    checkpoint.parent.mkdir()
    os.mkfifo(checkpoint)
    with pytest.raises(CniError, match=PIPE):
        devices.load_devices(str(tmp_path), "uid")


def test_a_results_cache(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net-c1-net1")
    found = resultscache.load_results(str(tmp_path), "c1", runtime_ifname="eth0")
    assert found.unusable == (f"{tmp_path}/net-c1-net1",)


def test_a_bundle(pipe: str) -> None:
    with pytest.raises(OSError, match=PIPE):
        digest_of_tree(str(Path(pipe).parent))


def test_the_installers_files(pipe: str) -> None:
    with pytest.raises(InstallError, match=PIPE):
        desired.read_object(pipe)
