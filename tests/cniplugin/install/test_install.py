from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import stat
from typing import TYPE_CHECKING, Any

import pytest

from cniplugin.cluster import kubeconfig
from cniplugin.install import commandline, desired
from cniplugin.install.commandline import DIFFERS, DONE, FAILED, MISUSED
from cniplugin.install.installer import run
from cniplugin.protocol import netconf
from tests.cniplugin.attach.test_confdir import network

if TYPE_CHECKING:
    from pathlib import Path

IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
CONF, BIN = "etc/cni/net.d", "opt/cni/bin"
OURS = f"{CONF}/00-nadmit.conflist"


class Killed(BaseException):
    """As kill -9; no code can catch it."""


class Node:
    """A node's root directory, and a service account beside it."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "host"
        self.account = directory / "account"
        self.program = directory / "program"
        (self.root / CONF).mkdir(parents=True)
        (self.root / BIN).mkdir(parents=True)
        self.account.mkdir()
        (self.account / "token").write_text("first-token\n")
        (self.account / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
        self.program.write_text("#!/bin/sh\n")
        (self.root / BIN / "bridge").write_bytes(b"\x7fELF")
        self.default("10-bridge.conflist", network("mynet", "bridge", "portmap"))

    def default(self, name: str, conf: dict[str, Any]) -> None:
        if "plugins" in conf:
            conf["plugins"][-1]["capabilities"] = {"portMappings": True, "bandwidth": False}
        (self.root / CONF / name).write_text(json.dumps(conf))

    def run(self, command: str, *options: str, steps: list[str] | None = None, kill_at: int = -1) -> int:
        heard: list[str] = [] if steps is None else steps

        def on_step(what: str) -> None:
            if len(heard) == kill_at:
                raise Killed
            heard.append(what)

        given = ["--bundle", str(self.program), "--service-account", str(self.account)] if command == "install" else []
        words = [command, "--root", str(self.root), *given, *options]
        return run(words, environ=IN_A_POD, on_step=on_step, sleep=lambda _seconds: None)

    def tree(self) -> dict[str, tuple[int, bytes, int]]:
        """Return all files with mode, content and, for those that are not ours, inode."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            status = path.lstat()
            text = b"" if path.is_dir() and not path.is_symlink() else _content(path)
            found[str(path.relative_to(self.root))] = (status.st_mode, text, status.st_ino)
        return found

    def conf(self, name: str = OURS) -> dict[str, Any]:
        value = json.loads((self.root / name).read_text())
        assert isinstance(value, dict)
        return value


def _content(path: Path) -> bytes:
    return str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    directory = tmp_path / "nadmit"
    (directory / "bin").mkdir(parents=True)
    (directory / "lib").mkdir()
    (directory / desired.BUNDLE_MARK).write_text("{}")
    (directory / "lib/libc.so.6").write_bytes(b"libc")
    (directory / "lib/libc.so").symlink_to("libc.so.6")
    (directory / "bin/nadmit").write_text("#!/bin/sh\n")
    (directory / "bin/nadmit").chmod(0o755)
    return directory


def test_install_writes_a_configuration_around_the_default_network(node: Node) -> None:
    assert node.run("install") == DONE
    conf = node.conf()
    (plugin,) = conf["plugins"]
    assert (conf["cniVersion"], conf["name"], plugin["type"]) == ("1.0.0", "nadmit", "nadmit")
    assert plugin["delegates"] == [node.conf(f"{CONF}/10-bridge.conflist")]
    assert plugin["capabilities"] == {"portMappings": True}
    assert plugin["kubeconfig"] == "/etc/cni/net.d/nadmit.d/kubeconfig"
    _, warnings = netconf.parse({"cniVersion": "1.0.0", "name": "x", **plugin})
    assert not warnings
    assert stat.S_IMODE((node.root / BIN / "nadmit").stat().st_mode) == 0o755


def test_the_kubeconfig_names_a_copy_of_the_token_and_is_for_root_only(node: Node) -> None:
    node.run("install")
    path = node.root / CONF / "nadmit.d/kubeconfig"
    assert path.read_bytes().startswith(b"{")
    found = kubeconfig.load_kubeconfig(str(path))
    assert (found.server, found.token) == ("https://10.96.0.1:443", "")
    assert found.token_file == "/etc/cni/net.d/nadmit.d/token"
    assert found.ca_data == "-----BEGIN CERTIFICATE-----\n"
    for name in ("kubeconfig", "token"):
        assert stat.S_IMODE((path.parent / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("written", "ours"), [("0.1.0", "0.4.0"), ("0.3.1", "0.4.0"), ("0.4.0", "0.4.0"), ("1.1.0", "1.1.0")]
)
def test_the_version_allows_checks(node: Node, written: str, ours: str) -> None:
    node.default("05-first.conflist", network("first", "ptp", cniVersion=written))
    node.run("install")
    assert node.conf()["cniVersion"] == ours
    assert node.conf()["plugins"][0]["delegates"][0]["cniVersion"] == written


def test_a_single_conf_is_a_default_network_too_and_ours_can_be_one(node: Node) -> None:
    node.default("05-first.conf", {"cniVersion": "0.3.1", "name": "first", "type": "ptp"})
    assert node.run("install", "--conf-name=00-nadmit.conf") == DONE
    conf = node.conf(f"{CONF}/00-nadmit.conf")
    assert conf["type"] == "nadmit"
    assert [delegate["name"] for delegate in conf["delegates"]] == ["first"]


def test_files_beside_a_list_are_part_of_it(node: Node) -> None:
    (node.root / CONF / "mynet").mkdir()
    (node.root / CONF / "mynet/10-tuning.conf").write_text('{"type": "tuning"}')
    node.run("install")
    plugins = node.conf()["plugins"][0]["delegates"][0]["plugins"]
    assert [plugin["type"] for plugin in plugins] == ["bridge", "portmap", "tuning"]


def test_twice_is_as_once(node: Node) -> None:
    node.run("install")
    before, steps = node.tree(), list[str]()
    assert node.run("install", steps=steps) == DONE
    assert steps == []
    assert node.tree() == before


def test_a_renewed_token_is_copied_and_nothing_else_is_touched(node: Node) -> None:
    node.run("install")
    (node.account / "token").write_text("second-token\n")
    steps = list[str]()
    node.run("install", steps=steps)
    assert (node.root / CONF / "nadmit.d/token").read_text() == "second-token\n"
    assert not any("00-nadmit.conflist" in step.partition(" to ")[0] for step in steps)


def test_every_renews_and_keeps_the_installed_files_if_it_fails(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            (node.account / "token").write_text("second-token\n")
        elif len(slept) == 2:
            (node.account / "token").unlink()
        else:
            raise Killed

    words = ["install", "--root", str(node.root), "--bundle", str(node.program)]
    words += ["--service-account", str(node.account), "--every", "60"]
    with pytest.raises(Killed):
        run(words, environ=IN_A_POD, sleep=sleep)
    assert slept == [60.0, 60.0, 60.0]
    assert (node.root / CONF / "nadmit.d/token").read_text() == "second-token\n"
    assert "not renewed, the installed files stay" in capsys.readouterr().err


def test_wait_waits_for_a_default_network(node: Node) -> None:
    (node.root / CONF / "10-bridge.conflist").unlink()
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            node.default("10-late.conflist", network("late", "bridge"))

    words = ["install", "--root", str(node.root), "--bundle", str(node.program), "--kubeconfig", "none", "--wait", "9"]
    assert run(words, environ={}, sleep=sleep) == DONE
    assert slept == [1.0, 1.0, 1.0]
    assert "kubeconfig" not in node.conf()["plugins"][0]


def test_uninstall_restores_each_file_and_each_inode(node: Node) -> None:
    (node.root / OURS).write_text('{"name": "of another"}')
    (node.root / BIN / "nadmit").symlink_to("bridge")
    before = node.tree()
    assert node.run("install") == DONE
    assert not (node.root / BIN / "nadmit").is_symlink()
    assert node.run("uninstall") == DONE
    assert node.tree() == before
    assert node.run("uninstall") == DONE
    assert node.tree() == before


def test_uninstall_removes_the_directories_that_install_made(node: Node) -> None:
    before = node.tree()
    assert node.run("install", "--cni-bin-dir", "/usr/libexec/cni") == DONE
    assert (node.root / "usr/libexec/cni/nadmit").exists()
    node.run("uninstall")
    assert node.tree() == before


def test_uninstall_leaves_the_files_of_others(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.run("install")
    (node.root / CONF / "nadmit.d/notes").write_text("mine")
    assert node.run("uninstall") == DONE
    assert (node.root / CONF / "nadmit.d/notes").read_text() == "mine"
    assert "not removed: /etc/cni/net.d/nadmit.d" in capsys.readouterr().out


def test_an_uninstall_stays_only_when_it_is_done(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """The container of a DaemonSet: its restart shows a failure."""
    node.run("install")
    records = attach(node)
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise Killed

    words = ["uninstall", "--root", str(node.root), "--every", "60"]
    assert run(words, environ={}, sleep=sleep) == FAILED
    assert slept == []
    shutil.rmtree(records)
    with pytest.raises(Killed):
        run(words, environ={}, sleep=sleep)
    assert slept == [60.0, 60.0]
    assert capsys.readouterr().out.count("uninstalled\n") == 1
    assert not (node.root / OURS).exists()


def attach(node: Node, directory: str = "var/lib/cni/nadmit") -> Path:
    records = node.root / directory
    records.mkdir(parents=True)
    for name in ("abc.journal", "def.journal", ".lock", "old.damaged"):
        (records / name).write_text("")
    return records


def test_uninstall_is_refused_while_containers_are_attached(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    pristine = node.tree()
    node.run("install")
    records = attach(node)
    before = node.tree()
    capsys.readouterr()
    assert node.run("uninstall") == FAILED
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "not uninstalled: " in said
    assert "2 containers are still attached" in said
    assert "DEL reaches only the default network" in said
    assert "remove their pods first, or give --force" in said
    assert node.tree() == before
    (records / "abc.journal").unlink()
    (records / "def.journal").unlink()
    assert node.run("uninstall") == DONE
    shutil.rmtree(node.root / "var")
    assert node.tree() == pristine


def test_a_forced_uninstall_restores_everything_and_leaves_the_records(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    attach(node)
    pristine, steps = node.tree(), list[str]()
    node.run("install")
    assert node.run("uninstall", "--force", steps=steps) == DONE
    assert "warning: " in capsys.readouterr().out
    assert node.tree() == pristine
    for kill_at in range(len(steps)):
        node.run("install")
        with pytest.raises(Killed):
            node.run("uninstall", "--force", kill_at=kill_at)
        assert node.run("uninstall") == FAILED, "what was killed is not forced by itself"
        assert node.run("uninstall", "--force") == DONE
        assert node.tree() == pristine, steps[kill_at]


def test_uninstall_counts_where_the_records_are(node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "more.json").write_text('{"recordDir": "/srv/records"}')
    node.run("install", "--config", str(tmp_path / "more.json"))
    attach(node, "srv/records")
    assert node.run("uninstall") == FAILED
    assert "/srv/records: 2 containers are still attached" in capsys.readouterr().err
    assert node.run("uninstall", "--record-dir", "/nonexistent") == DONE


def test_another_directory_replaces_the_first(node: Node) -> None:
    before = node.tree()
    node.run("install")
    node.run("install", "--cni-bin-dir", "/opt/other")
    assert not (node.root / BIN / "nadmit").exists()
    assert (node.root / "opt/other/nadmit").exists()
    assert node.run("show") == DONE
    node.run("uninstall")
    assert node.tree() == before


def _scenes(node: Node, bundle: Path) -> dict[str, list[str]]:
    (node.root / OURS).write_text('{"name": "of another"}')
    (node.root / BIN / "nadmit").write_text("of another")
    return {"file": [], "bundle": ["--bundle", str(bundle), "--cni-bin-dir", "/usr/libexec/cni"]}


@pytest.mark.slow
@pytest.mark.parametrize("scene", ["file", "bundle"])
@pytest.mark.parametrize("command", ["install", "upgrade", "uninstall"])
@pytest.mark.parametrize("repair", ["install", "uninstall"])
def test_a_run_interrupted_at_any_step_is_repaired(
    tmp_path: Path, bundle: Path, scene: str, command: str, repair: str
) -> None:
    node = Node(tmp_path)
    options = _scenes(node, bundle)[scene]
    pristine = node.tree()
    if command == "install":
        start = "install", options
    elif command == "upgrade":
        node.run("install")
        start = "install", options
        (node.account / "token").write_text("second-token\n")
    else:
        node.run("install", *options)
        start = "uninstall", []
    saved = tmp_path / "saved"
    _copy(node.root, saved)
    steps = list[str]()
    node.run(start[0], *start[1], steps=steps)
    assert len(steps) > 5
    node.run("install", *options)
    installed = _bare(node.tree())
    for kill_at in range(len(steps)):
        shutil.rmtree(node.root)
        _copy(saved, node.root)
        with pytest.raises(Killed):
            node.run(start[0], *start[1], kill_at=kill_at)
        # The runtime must never read a configuration whose plugin is missing.
        if json.loads((node.root / OURS).read_text())["name"] == "nadmit":
            directory = node.conf()["plugins"][0]["binDir"].lstrip("/")
            assert (node.root / directory / "nadmit").exists(), steps[kill_at]
        assert not [
            path
            for path in (node.root / CONF).iterdir()
            if path.name.startswith(".") and path.name.endswith(desired.SUFFIXES)
        ]
        assert node.run(repair, *(options if repair == "install" else [])) == DONE
        if repair == "install":
            assert _bare(node.tree()) == installed, steps[kill_at]
            assert node.run("show") == DONE
            node.run("uninstall")
        assert _bare(node.tree()) == _bare(pristine), steps[kill_at]


@pytest.mark.parametrize("repair", ["install", "uninstall"])
def test_a_full_disk_at_any_write_is_a_line_and_is_repaired(
    node: Node, repair: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, steps = node.tree(), list[str]()
    node.run("install", steps=steps)
    installed = _bare(node.tree())
    node.run("uninstall")
    words = ["install", "--root", str(node.root), "--bundle", str(node.program), "--service-account", str(node.account)]
    for full_at, step in enumerate(steps):
        if not step.startswith(("write", "mkdir")):
            continue
        heard = list[str]()

        def on_step(what: str, heard: list[str] = heard, full_at: int = full_at) -> None:
            heard.append(what)
            if len(heard) > full_at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        assert run(words, environ=IN_A_POD, on_step=on_step) == FAILED
        assert capsys.readouterr().err == f"nadmit: {step}: No space left on device\n"
        assert node.run(repair) == DONE
        if repair == "install":
            assert _bare(node.tree()) == installed
            node.run("uninstall")
        assert node.tree() == before
        capsys.readouterr()


def test_two_installers_do_not_work_at_once(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.run("install")
    fd = os.open(node.root / CONF, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        assert node.run("uninstall") == FAILED
    finally:
        os.close(fd)
    assert "another install or uninstall is running" in capsys.readouterr().err
    assert node.run("show") == DONE


def test_state_of_another_version_is_left_alone(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [command for command in commandline.COMMANDS if command not in {"forget", "gc"}]  # they have no --root
    for text in ('{"kind": "nadmit-installed", "version": 2}', "[]", "{"):
        (node.root / CONF / ".nadmit-installed").write_text(text)
        before = node.tree()
        for command in commands:
            assert node.run(command) == FAILED
        assert node.tree() == before
    assert "another version of the installer wrote it" in capsys.readouterr().err


def _copy(source: Path, target: Path) -> None:
    """Copy a tree and keep its hard links."""
    seen: dict[int, Path] = {}
    target.mkdir()
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        status = path.lstat()
        if path.is_dir() and not path.is_symlink():
            copy.mkdir()
            copy.chmod(status.st_mode)
        elif status.st_ino in seen:
            os.link(seen[status.st_ino], copy, follow_symlinks=False)
        else:
            shutil.copy2(path, copy, follow_symlinks=False)
            seen[status.st_ino] = copy


def _bare(tree: dict[str, tuple[int, bytes, int]]) -> dict[str, tuple[int, bytes]]:
    return {name: (mode, text) for name, (mode, text, _) in tree.items()}


def test_a_bundle_is_placed_beside_a_link(node: Node, bundle: Path) -> None:
    before = node.tree()
    assert node.run("install", "--bundle", str(bundle)) == DONE
    link = node.root / BIN / "nadmit"
    assert link.is_symlink()
    top = link.resolve().parents[1]
    assert (top / "lib/libc.so").read_bytes() == b"libc"
    assert node.run("show") == DONE
    steps = list[str]()
    node.run("install", "--bundle", str(bundle), steps=steps)
    assert steps == []
    (top / "lib/libc.so.6").write_bytes(b"cosmic ray")
    assert node.run("show") == DIFFERS
    node.run("install", "--bundle", str(bundle))
    assert (top / "lib/libc.so.6").read_bytes() == b"libc"
    node.run("uninstall")
    assert node.tree() == before


def test_an_upgrade_keeps_the_bundle_that_processes_may_run(node: Node, bundle: Path) -> None:
    trees = []
    for version in ("1", "2", "3"):
        (bundle / desired.BUNDLE_MARK).write_text(version)
        node.run("install", "--bundle", str(bundle))
        trees.append((node.root / BIN / "nadmit").resolve().parents[1].name)
        assert {path.name for path in (node.root / BIN / ".nadmit").iterdir()} == set(trees[-2:])


def test_show_lists_the_differences(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert node.run("show") == DIFFERS
    assert capsys.readouterr().out == "not installed\n"
    node.run("install")
    assert node.run("show") == DONE
    (node.root / OURS).write_text("{}")
    (node.root / BIN / "nadmit").unlink()
    node.default("10-bridge.conflist", network("changed", "bridge"))
    node.default("00-early.conflist", network("early", "bridge"))
    capsys.readouterr()
    assert node.run("show") == DIFFERS
    out = capsys.readouterr().out
    assert "changed       /etc/cni/net.d/00-nadmit.conflist\n" in out
    assert "missing       /opt/cni/bin/nadmit\n" in out
    assert "changed       /etc/cni/net.d/10-bridge.conflist (default network)\n" in out
    assert "not used      the runtime reads 00-early.conflist first\n" in out


def test_more_configuration_is_taken_from_a_file_and_judged(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = tmp_path / "more.json"
    more.write_text('{"namespaceIsolation": true, "logLevle": "debug"}')
    assert node.run("install", "--config", str(more)) == DONE
    assert node.conf()["plugins"][0]["namespaceIsolation"] is True
    assert 'did you mean "logLevel"?' in capsys.readouterr().out
    more.write_text('{"namespaceIsolation": "yes"}')
    assert node.run("install", "--config", str(more)) == FAILED
    assert node.conf()["plugins"][0]["namespaceIsolation"] is True


def test_keys_of_the_installer_are_refused_in_more_configuration(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more.json").write_text('{"clusterNetwork": "x"}')
    assert node.run("install", "--config", str(tmp_path / "more.json")) == FAILED
    assert "'clusterNetwork' is written by the installer" in capsys.readouterr().err


def test_an_unusable_default_network_is_skipped_and_reported(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    (node.root / CONF / "05-broken.conflist").write_text("{")
    node.default("06-multus.conf", {"cniVersion": "0.3.1", "name": "m", "type": "multus"})
    assert node.run("install") == DONE
    out = capsys.readouterr().out
    assert "05-broken.conflist: " in out
    assert "skipped: /etc/cni/net.d/06-multus.conf: a network of multus cannot" in out
    assert node.conf()["plugins"][0]["delegates"][0]["name"] == "mynet"


def _no_default(node: Node) -> None:
    (node.root / CONF / "10-bridge.conflist").unlink()


def _multus_only(node: Node) -> None:
    _no_default(node)
    node.default("10-multus.conf", {"cniVersion": "0.3.1", "name": "m", "type": "multus"})


REFUSED = {
    "no default network": (_no_default, [], "/etc/cni/net.d: there is no configuration of a default network"),
    "Multus is no default network": (_multus_only, [], "/etc/cni/net.d: there is no configuration of a default"),
    "another sorts first": (
        lambda node: node.default("00-a.conflist", network("a", "bridge")),
        [],
        "/etc/cni/net.d/00-a.conflist: it sorts before 00-nadmit.conflist",
    ),
    "unknown default network": (None, ["--default-network", "x.conf"], "/etc/cni/net.d: there is no x.conf"),
    "no node bundle": (None, ["--bundle", "/usr"], "--bundle /usr: this is not an unpacked node bundle"),
    "no bundle": (None, ["--bundle", "/nonexistent"], "--bundle: /nonexistent does not exist"),
    "no token": (lambda node: (node.account / "token").write_text(""), [], "the token file is empty"),
    "no service account": (None, ["--service-account", "/nonexistent"], "/nonexistent/token: No such file"),
    "bad server": (None, ["--api-server", "10.0.0.1"], "this is not the address of an API server"),
    "no directory": (None, ["--cni-conf-dir", "/nonexistent"], "No such file"),
    "no configuration": (None, ["--config", "/nonexistent"], "/nonexistent: No such file"),
    "a directory in the way": (
        lambda node: (node.root / BIN / "nadmit").mkdir(),
        [],
        "/opt/cni/bin/nadmit: this is a directory, and a file must be there",
    ),
    "remains without state": (
        lambda node: (node.root / BIN / ".nadmit.before-nadmit").write_text(""),
        [],
        "an installation whose state is lost left it",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_install_changes_nothing(node: Node, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    change, options, text = REFUSED[name]
    if change:
        change(node)
    before = node.tree()
    assert node.run("install", *options) == FAILED
    said = capsys.readouterr().err
    assert text in said
    assert said.startswith("nadmit: ")
    assert said.count("\n") == 1
    assert node.tree() == before


def test_outside_of_a_pod_the_api_server_must_be_named(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["install", "--root", str(node.root), "--bundle", str(node.program)]
    assert run(words, environ={}) == FAILED
    assert "give --api-server" in capsys.readouterr().err
    words += ["--api-server", "https://api.example:6443", "--service-account", str(node.account)]
    assert run(words, environ={}) == DONE
    assert run([*words, "--kubeconfig", "/etc/kubernetes/cni.conf"], environ={}) == DONE
    assert node.conf()["plugins"][0]["kubeconfig"] == "/etc/kubernetes/cni.conf"
    assert not (node.root / CONF / "nadmit.d").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["instal"],
        ["install", "--conf"],
        ["install", "bundle"],
        ["install", "--bundle"],
        ["show", "--bundle", "x"],
        ["install", "--cni-bin-dir", "bin"],
        ["install", "--cni-conf-dir", "/etc/../etc"],
        ["install", "--conf-name", "00-nadmit.yaml"],
        ["install", "--conf-name", "../x.conf"],
        ["install", "--every", "1h"],
        ["install", "--kubeconfig", "admin.conf"],
        ["install", "--force"],
        ["uninstall", "--force=yes"],
        ["uninstall", "--record-dir", "records"],
        ["show", "c0ffee"],
        ["forget"],
        ["forget", "c0ffee", "c1"],
        ["forget", "c0ffee", "--root", "/host"],
    ],
)
def test_wrong_arguments_are_a_line_of_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words, environ={}) == MISUSED
    said = capsys.readouterr().err
    assert said.startswith("nadmit: usage: ")
    assert said.count("\n") == 1


def test_help_names_each_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["install", "--help"], environ={}) == DONE
    said = capsys.readouterr().out
    for name in (*commandline.COMMANDS, *(f"--{option}" for option in commandline.OPTIONS)):
        assert f"  {name} " in said
    assert max(map(len, said.splitlines())) <= 130
    assert run([], environ={}) == MISUSED
