"""The process of a DaemonSet: it stays, renews the token if other parts fail, and says once what does."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cniplugin.install.commandline import DIFFERS, DONE, FAILED
from cniplugin.install.installer import run
from tests.cniplugin.attach.test_confdir import network

from .scratchnode import BIN, CONF, IN_A_POD, OURS, Killed, Node


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


FLANNEL = f"{CONF}/10-bridge.conflist"


def said_once(text: str, part: str) -> bool:
    return text.count(part) == 1


def test_the_token_is_renewed_when_the_default_network_is_gone(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    def leave() -> None:
        (node.root / FLANNEL).unlink()
        node.renew("second")

    installed = None

    def renew() -> None:
        nonlocal installed
        installed = node.conf()
        node.renew("third")

    assert node.stay("install", rounds=[leave, renew, lambda: None, lambda: None]) is None
    assert node.token == "third"
    assert node.conf() == installed, "the configuration stays"
    said = capsys.readouterr().err
    assert said_once(said, "not renewed, the installed files stay: /etc/cni/net.d: there is no configuration of a")
    assert "the configuration around /etc/cni/net.d/10-bridge.conflist stays in use" in said
    assert node.run("show") == DIFFERS
    shown = capsys.readouterr().out
    assert "missing       /etc/cni/net.d/10-bridge.conflist (default network)\n" in shown
    assert "failed        /etc/cni/net.d: there is no configuration of a default network" in shown


def test_a_new_pod_renews_the_token_without_a_default_network(node: Node) -> None:
    """It does not wait for the network first, and it stays."""
    node.run("install")
    (node.root / FLANNEL).unlink()
    node.renew("second")
    waited: list[str] = []

    def renew() -> None:
        waited.append(node.token)
        node.renew("third")

    assert node.stay("install", "--wait", "300", rounds=[renew, lambda: None]) is None
    assert waited == ["second"], "the first round is before the first pause"
    assert node.token == "third"


def test_a_failure_since_the_start_ends_the_process_in_the_end(node: Node) -> None:
    node.run("install")
    (node.root / FLANNEL).unlink()
    pauses: list[Callable[[], object]] = [lambda: None] * 50
    assert node.stay("install", rounds=pauses) == FAILED


def _lost(node: Node) -> None:
    (node.root / FLANNEL).unlink()


def _malformed(node: Node) -> None:
    (node.root / FLANNEL).write_text("{")


def _no_program(node: Node) -> None:
    node.program.unlink()


def _in_the_way(node: Node) -> None:
    (node.root / BIN / "nadmit").unlink()
    (node.root / BIN / "nadmit").mkdir()


def _before_ours(node: Node) -> None:
    (node.root / CONF / "!first.conflist").write_text("{}")


@pytest.mark.parametrize("change", [_lost, _malformed, _no_program, _in_the_way, _before_ours])
def test_the_token_is_renewed_if_another_part_fails(
    node: Node, change: Callable[[Node], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def happen() -> None:
        change(node)
        node.renew("second")

    assert node.stay("install", rounds=[happen, lambda: None, lambda: None]) is None
    assert node.token == "second"
    assert said_once(capsys.readouterr().err, "not renewed, the installed files stay: ")
    node.renew("third")
    assert node.run("install") == FAILED, "a new pod"
    assert node.token == "third"


def test_the_end_of_a_failure_is_said(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    text = (node.root / FLANNEL).read_text()
    back = [lambda: _lost(node), lambda: (node.root / FLANNEL).write_text(text), lambda: None]
    assert node.stay("install", rounds=back) is None
    assert said_once(capsys.readouterr().out, "renewed: what failed before is done")
    assert node.run("show") == DONE


def test_a_full_disk_does_not_stop_the_token(node: Node, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A new bundle needs space, the token hardly any."""
    node.run("install", "--bundle", str(bundle))
    (bundle / "lib/more").write_bytes(b"more")
    node.renew("second")

    def on_step(what: str) -> None:
        if what.startswith("copy"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "more")

    words = ["install", "--root", str(node.root), "--service-account", str(node.account), "--bundle", str(bundle)]
    assert run(words, environ=IN_A_POD, on_step=on_step) == FAILED
    assert node.token == "second"
    assert "not renewed, the installed files stay: more: No space left on device" in capsys.readouterr().err


# SIGTERM


def _end() -> None:
    raise SystemExit(DONE)  # as the handler of main


def test_cleanup_on_exit_restores_the_configuration(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.attach("c1", "mynet")
    with pytest.raises(SystemExit):
        node.stay("install", "--cleanup-on-exit", rounds=[_end])
    assert not (node.root / OURS).exists()
    assert not (node.root / CONF / "nadmit.d").exists()
    assert (node.root / BIN / "nadmit").exists(), "DEL may need it"
    assert "the configuration is restored\n" in capsys.readouterr().out
    assert node.run("install") == DONE
    assert node.run("show") == DONE


def test_cleanup_on_exit_leaves_pods_with_networks_their_plugin(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.attach("c1", "mynet", "lan")
    with pytest.raises(SystemExit):
        node.stay("install", "--cleanup-on-exit", rounds=[_end])
    assert (node.root / OURS).exists()
    assert "the configuration stays, because 1 container has networks of their own" in capsys.readouterr().err


def test_without_the_option_nothing_is_restored(node: Node) -> None:
    with pytest.raises(SystemExit):
        node.stay("install", rounds=[_end])
    assert node.run("show") == DONE


def test_an_end_before_the_first_install_leaves_nothing(node: Node) -> None:
    (node.root / FLANNEL).unlink()
    before = node.tree()
    with pytest.raises(SystemExit):
        node.stay("install", "--cleanup-on-exit", "--wait", "9", rounds=[_end])
    assert node.tree() == before
