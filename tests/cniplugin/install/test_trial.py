"""The plugin is tried before the runtime tries it: the real program, broken ones, and a node seen through a mount."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cniplugin.install.commandline import DIFFERS, DONE, FAILED
from tests.cniplugin.attach.test_confdir import network
from tests.paths import ROOT

from .scratchnode import BIN, CONF, OURS, PROGRAM, Node

REAL = """\
#!{python} -IS
import sys
sys.path.insert(0, {root!r})
from cniplugin.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def node(node: Node) -> Node:
    """A node whose program is the real plugin."""
    node.program.write_text(REAL.format(python=sys.executable, root=str(ROOT)))
    return node


def test_the_real_plugin_is_content(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert node.run("install") == DONE
    said = capsys.readouterr()
    assert "warning" not in said.out
    assert "STATUS" not in said.out
    assert said.err == ""


def test_a_wrong_kubeconfig_of_the_node_is_found(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    (node.root / "etc/kubernetes").mkdir()
    (node.root / "etc/kubernetes/cni.conf").write_text("{}")
    assert node.run("install", "--kubeconfig", "/etc/kubernetes/cni.conf") == FAILED
    said = capsys.readouterr().err
    assert "STATUS with the new configuration, by which no pod could start: " in said
    assert "current-context is not set" in said
    assert not (node.root / OURS).exists()
    assert node.run("uninstall") == DONE


def test_a_wrong_kubeconfig_leaves_the_installed_configuration(node: Node) -> None:
    node.run("install")
    (node.root / "etc/kubernetes").mkdir()
    (node.root / "etc/kubernetes/cni.conf").write_text("{}")
    before = (node.root / OURS).read_bytes()
    assert node.run("install", "--kubeconfig", "/etc/kubernetes/cni.conf") == FAILED
    assert (node.root / OURS).read_bytes() == before
    assert node.token


def test_a_default_network_that_is_not_ready_is_said(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """The plugin `bridge` of this node is no program, and the network would ask it."""
    node.default("10-bridge.conflist", network("mynet", "bridge", "portmap", cniVersion="1.1.0"))
    assert node.run("install") == DONE
    assert "STATUS, tried from here: " in capsys.readouterr().out
    assert (node.root / OURS).exists()


def test_the_other_directory_of_plugins_is_asked_too(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node.default("10-bridge.conflist", network("mynet", "vendor", cniVersion="1.1.0"))
    (node.root / "opt/vendor").mkdir()
    program = node.root / "opt/vendor/vendor"
    program.write_text("#!/bin/sh\ncat >/dev/null\n")
    program.chmod(0o755)
    (tmp_path / "more.json").write_text(json.dumps({"binDir": "/opt/vendor"}))
    assert node.run("install", "--config", str(tmp_path / "more.json")) == DONE
    assert "STATUS" not in capsys.readouterr().out


BROKEN = {
    "not a program": ("\x7fELF of another machine", "cannot start"),
    "fails": ("#!/bin/sh\nexit 3\n", "exit status 3"),
    "its error": (
        '#!/bin/sh\necho \'{"code": 999, "msg": "its loader is missing"}\'\nexit 1\n',
        "its loader is missing",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_bundle_that_does_not_run_is_not_linked(
    node: Node, bundle: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text, reason = BROKEN[name]
    node.run("install", "--bundle", str(bundle))
    link = (node.root / BIN / "nadmit").readlink()
    (bundle / "bin/nadmit").write_text(text)
    node.renew("second")
    assert node.run("install", "--bundle", str(bundle)) == FAILED
    assert reason in capsys.readouterr().err
    assert (node.root / BIN / "nadmit").readlink() == link
    assert node.token == "second"


@pytest.mark.parametrize("name", BROKEN)
def test_a_first_install_with_a_broken_program_places_no_configuration(node: Node, bundle: Path, name: str) -> None:
    before = node.tree()
    (bundle / "bin/nadmit").write_text(BROKEN[name][0])
    assert node.run("install", "--bundle", str(bundle)) == FAILED
    assert not (node.root / OURS).exists()
    assert node.run("uninstall") == DONE
    assert node.tree() == before


def test_a_program_without_an_answer_is_a_warning(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.program.write_text("#!/bin/sh\n")
    assert node.run("install") == DONE
    assert "nadmit: it does not answer VERSION as a CNI plugin does\n" in capsys.readouterr().out


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a mount")
def test_a_file_system_that_forbids_programs_is_found(
    node: Node, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(node.root / BIN)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "none", target], check=True)
    try:
        assert node.run("install", "--bundle", str(bundle)) == FAILED
        said = capsys.readouterr().err
        assert "it cannot be run, so nothing is changed" in said
        assert os.strerror(errno.EACCES) in said
        assert not (node.root / CONF / "00-nadmit.conflist").exists()
    finally:
        subprocess.run(["umount", target], check=True)


def test_a_new_bundle_that_refuses_the_configuration_is_not_linked(node: Node, bundle: Path) -> None:
    node.run("install", "--bundle", str(bundle))
    link = (node.root / BIN / "nadmit").readlink()
    answer = """[ "$CNI_COMMAND" = STATUS ] && echo '{"code": 7, "msg": "strict: this key is gone"}' && exit 1"""
    (bundle / "bin/nadmit").write_text(PROGRAM.replace("exit 0", f"{answer}\nexit 0"))
    assert node.run("install", "--bundle", str(bundle)) == FAILED
    assert (node.root / BIN / "nadmit").readlink() == link
    assert node.run("show") == DIFFERS
