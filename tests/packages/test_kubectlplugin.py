"""`kubectl nadmit`, with the real kubectl: found as a plugin, run, and completed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.manifests.rendered import KUBECTL

from .console import environment, install_scripts, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_scripts(tmp_path_factory.mktemp("plugin") / "bin")


def kubectl(scripts: Path, folder: Path, *words: str) -> tuple[int, str, str]:
    """Run kubectl with the plugin on PATH; its configuration is empty, and no test asks a cluster."""
    done = run([str(KUBECTL), *words], folder, environment(scripts, KUBECONFIG="/dev/null"))
    return done.returncode, done.stdout, done.stderr


def test_kubectl_lists_the_plugin_without_a_warning(scripts: Path, tmp_path: Path) -> None:
    code, out, err = kubectl(scripts, tmp_path, "plugin", "list")
    assert code == 0
    assert str(scripts / "kubectl-nadmit") in out.splitlines()
    assert f"warning: {scripts}" not in err


def test_commands_run_with_their_exit_codes(scripts: Path, tmp_path: Path) -> None:
    code, out, _ = kubectl(scripts, tmp_path, "nadmit", "explain", "NAD101")
    assert (code, out.splitlines()[0]) == (0, "NAD101: error: a key has the wrong JSON type")
    (tmp_path / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations: {k8s.v1.cni.cncf.io/networks: a/b/c}\n"
    )
    code, out, _ = kubectl(scripts, tmp_path, "nadmit", "check", "pod.yaml")
    assert code == 1
    assert out.startswith("pod.yaml:5:")


def test_the_usage_line_has_the_name_that_was_typed(scripts: Path, tmp_path: Path) -> None:
    _, out, _ = kubectl(scripts, tmp_path, "nadmit", "check", "--help")
    assert out.splitlines()[0] == "Usage: kubectl nadmit check [OPTIONS] [PATH...]"
    code, _, err = kubectl(scripts, tmp_path, "nadmit", "chek")
    assert code == 2
    assert 'did you mean "check"?' in err


COMPLETIONS = {
    "a command": (["ex"], ["explain\tSay what a code such as NAD101 means, and what to do.", ":4"]),
    "a choice": (["schema", "c"], ["config", "cni", ":4"]),
    "a plugin type": (["schema", "cni", "brid"], ["bridge", ":4"]),
    "a code": (["explain", "NAD30"], None),
    "a value of an option": (["check", "--posture", "St"], ["Strict", ":4"]),
    "files": (["check", ""], [":0"]),
    "a command of a group": (["webhooks", "sho"], ["show\tPrint the webhook configurations as YAML.", ":4"]),
    "nothing": (["explain", "XYZ"], [":4"]),
}


@pytest.mark.parametrize(("words", "lines"), COMPLETIONS.values(), ids=COMPLETIONS)
def test_completions(scripts: Path, tmp_path: Path, words: list[str], lines: list[str] | None) -> None:
    code, out, err = kubectl(scripts, tmp_path, "__complete", "nadmit", *words)
    assert code == 0, err
    found = out.splitlines()
    if lines is None:
        assert found[0].startswith("NAD301")
        assert found[-1] == ":4"
    else:
        assert found == lines
