"""What each command prints, as golden files: `tests/golden/cli/<case>.txt`. Read the diff as the person who gets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests import golden_files as golden
from webhook.cli import nadmit
from webhook.commands.version import installed_version

HERE = Path(__file__).parent

CASES = {
    "help": "--help",
    "help-check": "check --help",
    "help-review": "review --help",
    "help-serve": "serve --help",
    "check-text": "check tree",
    "check-json": "check -o json tree",
    "check-github": "check -o github tree",
    "check-sarif": "check -o sarif tree",
    "check-open": "check --posture Open tree",
    "check-policies": "check guarded",
    "check-clean": "check inputs/self-contained.yaml",
    "check-two-objects-of-one-name": "check inputs/twice",
    "check-unreadable": "check inputs/unreadable",
    "check-unreadable-json": "check -o json inputs/unreadable",
    "check-wrong-type": "check inputs/wrong-type.yaml",
    "check-no-directory": "check tree nowhere",
    "review-text": "review --manifests tree tree/blue/pods.yaml",
    "review-json": "review --manifests tree -o json tree/blue/pods.yaml tree/infra/networks.json",
    "review-networks": "review tree/blue/networks.yaml",
    "review-self-contained": "review inputs/self-contained.yaml",
    "review-admission-review": "review --manifests tree inputs/review.json",
    "review-generated-name": "review inputs/gen.yaml",
    "review-contact": "review --manifests tree --contact #net-team inputs/review.json",
    "review-global-namespaces": "review --manifests tree --global-namespaces infra,default inputs/review.json",
    "review-policies": "review --manifests guarded guarded/pods.yaml",
    "review-policies-in-the-files": "review guarded/namespaces.yaml guarded/networks.yaml guarded/policies.yaml guarded/pods.yaml",
    "review-policies-unreadable": "review --manifests inputs/unreadable-policies inputs/unreadable-policies/all.yaml",
    "review-nothing-to-judge": "review inputs/service.yaml",
    "review-broken": "review --manifests tree inputs/broken.yaml inputs/self-contained.yaml",
    "review-wrong-type": "review inputs/wrong-type.yaml",
    "review-no-file": "review nowhere.yaml",
    "review-broken-manifests": "review --manifests inputs/unreadable inputs/self-contained.yaml",
    "serve-nothing": "serve",
    "serve-both": "serve --cluster --manifests tree",
    "serve-half-a-pair": "serve --manifests tree --tls-key-file a.key",
    "serve-address": "serve --manifests tree --listen 8443",
    "usage-option": "check --no-such-option",
    "usage-posture": "check --posture Closed tree",
    "usage-namespace": "review --global-namespaces A_b x.yaml",
    "usage-network-namespace": "review --network-namespace - x.yaml",
    "usage-command": "chekc",
}


def show(arguments: str) -> str:
    result = CliRunner().invoke(nadmit, arguments.split(), prog_name="nadmit", env={"NO_COLOR": None})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    parts = [f"$ nadmit {arguments}", result.stdout.rstrip("\n")]
    if result.stderr:
        parts += ["--- standard error", result.stderr.rstrip("\n")]
    text = "\n".join([*parts, f"--- exit {result.exit_code}", ""])
    return text.replace(f'"version": "{installed_version()}"', '"version": "VERSION"')


@pytest.mark.parametrize("case", CASES)
def test_golden_output(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    text = show(CASES[case])
    golden.compare(f"cli/{case}.txt", text)
    assert str(HERE) not in text
    assert "\x1b" not in text
    assert "Traceback" not in text


def test_golden_outputs_are_all_in_use() -> None:
    assert golden.stale("cli", {f"{case}.txt" for case in CASES}) == []
