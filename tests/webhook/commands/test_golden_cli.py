"""The output of each command, in golden files: `tests/golden/cli/<case>.txt`. Read the diff as the user."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests import golden_files as golden
from webhook.cli import nadmit
from webhook.commands.options import installed_version

HERE = Path(__file__).parent

CASES = {
    "help": "--help",
    "help-check": "check --help",
    "help-review": "review --help",
    "help-serve": "serve --help",
    "check-text": "check tree",
    "check-plugin-types": "check inputs/plugin-types.yaml",
    "review-plugin-types": "review inputs/plugin-types.yaml",
    "check-json": "check -o json tree",
    "check-github": "check -o github tree",
    "check-sarif": "check -o sarif tree",
    "check-open": "check --posture Open tree",
    "check-guarded": "check guarded",
    "check-clean": "check inputs/self-contained.yaml",
    "check-two-objects-of-one-name": "check inputs/twice",
    "check-unreadable": "check inputs/unreadable",
    "check-unreadable-json": "check -o json inputs/unreadable",
    "check-broken": "check inputs/broken.yaml",
    "check-strict": "check --strict --skip NAD107 inputs/plugin-types.yaml",
    "check-skip-no-such-code": "check --skip NAD1O7 tree",
    "check-verbose": "check -v levels",
    "check-levels-as-an-author": "check --as bob --as-group blue-admins levels",
    "check-junit": "check -o junit tree",
    "check-no-path": "check",
    "check-manifests-and-cluster": "check --manifests tree --cluster tree",
    "check-write-nowhere": "check --write-baseline tree",
    "check-wrong-type": "check inputs/wrong-type.yaml",
    "check-no-directory": "check tree nowhere",
    "check-policies": "check inputs/policies.yaml",
    "review-policies": "review inputs/policies.yaml",
    "review-text": "review --manifests tree tree/blue/pods.yaml",
    "review-json": "review --manifests tree -o json tree/blue/pods.yaml tree/infra/networks.json",
    "review-networks": "review tree/blue/networks.yaml",
    "review-self-contained": "review inputs/self-contained.yaml",
    "review-admission-review": "review --manifests tree inputs/review.json",
    "review-generated-name": "review inputs/gen.yaml",
    "review-contact": "review --manifests tree --contact #net-team inputs/review.json",
    "review-global-namespaces": "review --manifests tree --global-namespaces infra,default inputs/review.json",
    "review-guarded": "review --manifests guarded guarded/pods.yaml",
    "review-guarded-files": "review guarded/namespaces.yaml guarded/networks.yaml guarded/policies.yaml guarded/pods.yaml",
    "review-as-nobody": "review inputs/authors.yaml",
    "review-as-an-author": "review --as bob --as-group blue-admins inputs/authors.yaml",
    "review-unreadable-policies": "review --manifests inputs/unreadable-policies inputs/unreadable-policies/all.yaml",
    "review-injection": "review inputs/injection.yaml",
    "review-injection-json": "review -o json inputs/injection.yaml",
    "review-injection-off": "review --config inputs/no-injection.yaml inputs/injection.yaml",
    "check-injection": "check inputs/injection.yaml",
    "review-network-status": "review --manifests tree inputs/network-status.yaml",
    "review-network-status-of-a-node": "review --manifests tree --as-group system:nodes inputs/network-status.yaml",
    "review-network-status-denied": "review --manifests tree --config inputs/no-injection.yaml "
    "--network-status-mode Deny inputs/network-status.yaml",
    "review-network-status-deprecated": "review --manifests tree --no-protect-network-status inputs/network-status.yaml",
    "review-nothing-to-judge": "review inputs/service.yaml",
    "review-broken": "review --manifests tree inputs/broken.yaml inputs/self-contained.yaml",
    "review-wrong-type": "review inputs/wrong-type.yaml",
    "review-no-file": "review nowhere.yaml",
    "review-broken-manifests": "review --manifests inputs/unreadable inputs/self-contained.yaml",
    "help-why": "why --help",
    "why-not-attached": "why -n shop second -f ../report/diagnosis/recordings/nadmit/second.yaml",
    "why-refused": "why -n blue deployment/isolated -f ../report/diagnosis/recordings/webhook/isolated.yaml",
    "why-not-scheduled": "why -n shop devicenone -f ../report/diagnosis/recordings/any/devicenone.yaml",
    "why-other-than-asked": "why -n shop deployment/ontemplate -f ../report/diagnosis/recordings/any/ontemplate.yaml",
    "why-fine": "why -n shop fine -f ../report/diagnosis/recordings/multus/fine.yaml",
    "why-network": "why shop/nomaster -f ../report/diagnosis/recordings/multus/nomaster.yaml",
    "why-json": "why -n shop badsubnet -f ../report/diagnosis/recordings/multus/badsubnet.yaml -o json",
    "why-no-such-pod": "why -n shop web -f ../report/diagnosis/recordings/multus/fine.yaml",
    "why-no-object": "why a/b/c",
    "help-can-attach": "can-attach --help",
    "help-rules": "rules --help",
    "help-test": "test --help",
    "help-diff": "diff --help",
    "can-attach-rule": "can-attach -n blue infra/storage --ips 10.1.4.7/16 --manifests guarded",
    "can-attach-beyond-the-limits": "can-attach -n blue infra/storage --ips 10.9.4.7 --manifests guarded",
    "can-attach-needs-a-bandwidth": "can-attach -n blue infra/backup --manifests guarded",
    "can-attach-denied": "can-attach -n blue raw --manifests guarded",
    "can-attach-posture": "can-attach -n blue lan@dp0 --manifests guarded",
    "can-attach-other-namespace": "can-attach -n blue green/shared --manifests guarded",
    "can-attach-labels": "can-attach -n blue -l app=router --service-account web green/shared --manifests guarded",
    "can-attach-default-route": "can-attach -n blue lan --default-route 10.0.0.1 --manifests guarded",
    "can-attach-default-network": "can-attach -n blue default/internet --default-network --manifests guarded",
    "can-attach-default-network-bare": "can-attach -n blue lan --default-network --posture Open --manifests tree",
    "can-attach-audited": "can-attach -n green default/internet --manifests guarded",
    "can-attach-no-such-network": "can-attach -n blue lann --manifests guarded",
    "can-attach-no-such-network-elsewhere": "can-attach -n blue green/nope --manifests guarded",
    "can-attach-unreadable-network": "can-attach -n blue broken --manifests tree",
    "can-attach-without-capability": "can-attach -n blue lan --mac 02:23:45:67:89:01 --manifests guarded",
    "can-attach-json-form": 'can-attach -n blue [{"name":"lan","cni-args":{"ips":"10.1.4.7"}}] --manifests guarded',
    "can-attach-json": "can-attach -n blue infra/storage -o json --manifests guarded",
    "can-attach-json-refused": "can-attach -n blue lann -o json --posture Strict --manifests tree",
    "can-attach-open": "can-attach -n green blue/lan --posture Open --manifests tree",
    "can-attach-unreadable-policies": "can-attach -n blue lan --manifests inputs/unreadable-policies",
    "can-attach-no-such-namespace": "can-attach -n bleu infra/storage --manifests guarded",
    "can-attach-unreadable-manifests": "can-attach -n blue lan --manifests inputs/unreadable",
    "can-attach-no-source": "can-attach -n blue lan",
    "can-attach-both-sources": "can-attach -n blue lan --manifests tree --cluster",
    "can-attach-kubeconfig-alone": "can-attach -n blue lan --manifests tree --kubeconfig x",
    "can-attach-no-namespace": "can-attach lan --manifests tree",
    "can-attach-bad-ips": "can-attach -n blue lan --ips 10.1.4.7,x --manifests guarded",
    "can-attach-bad-mac": "can-attach -n blue lan --mac zz --manifests guarded",
    "can-attach-bad-gateway": "can-attach -n blue lan --default-route x --manifests guarded",
    "can-attach-bad-interface": "can-attach -n blue lan --interface eth0 --manifests guarded",
    "can-attach-bad-name": "can-attach -n blue a/b/c --manifests guarded",
    "can-attach-two-networks": "can-attach -n blue lan,raw --manifests guarded",
    "can-attach-interface-twice": "can-attach -n blue lan@dp0 --interface dp1 --manifests guarded",
    "can-attach-bad-labels": "can-attach -n blue -l app lan --manifests guarded",
    "can-attach-labels-twice": "can-attach -n blue -l app=a,app=b lan --manifests guarded",
    "can-attach-bad-namespace": "can-attach -n Blue lan --manifests guarded",
    "can-attach-bad-account": "can-attach -n blue --service-account A lan --manifests guarded",
    "check-levels": "check levels",
    "review-levels": "review --as bob --as-group blue-admins --manifests levels levels/networks.yaml",
    "review-levels-exempt": "review --as root --as-group system:masters --manifests levels levels/networks.yaml",
    "review-labels": "review --as bob --manifests levels levels/cluster.yaml",
    "review-labels-denied": "review --as bob inputs/labels.yaml",
    "review-labels-listed": "review --as carol --as-group platform inputs/labels.yaml",
    "can-attach-level": "can-attach -n blue uplink --manifests levels",
    "can-attach-level-other-namespace": "can-attach -n blue default/internet --manifests levels",
    "can-attach-level-on-trial": "can-attach -n infra storage --manifests levels",
    "rules-levels": "rules -n blue --all --manifests levels",
    "rules-text": "rules -n blue --manifests guarded",
    "rules-all": "rules -n blue --all --manifests guarded",
    "rules-json": "rules -n blue -o json --manifests guarded",
    "rules-labels": "rules -n blue -l app=router --manifests guarded",
    "rules-without-policies": "rules -n blue --manifests tree",
    "rules-strict": "rules -n blue --posture Strict --manifests tree",
    "rules-no-networks": "rules -n blue --manifests guarded/namespaces.yaml",
    "rules-exempt": "rules -n infra --manifests inputs/exempt.yaml",
    "rules-gated": "rules -n blue --manifests inputs/exempt.yaml --all",
    "rules-consent": "rules -n blue --posture Consent --manifests inputs/shared.yaml --all",
    "serve-nothing": "serve",
    "serve-both": "serve --cluster --manifests tree",
    "serve-half-a-pair": "serve --manifests tree --tls-key-file a.key",
    "serve-address": "serve --manifests tree --listen 8443",
    "help-webhooks": "webhooks --help",
    "help-webhooks-show": "webhooks show --help",
    "help-webhooks-stage": "webhooks stage --help",
    "help-webhooks-status": "webhooks status --help",
    "help-webhooks-would-refuse": "webhooks would-refuse --help",
    "webhooks-show-two-targets": "webhooks show --service a/b --url https://x",
    "webhooks-show-no-service": "webhooks show --service nadmit-webhook",
    "webhooks-show-url": "webhooks show --url http://10.0.0.1",
    "webhooks-show-no-file": "webhooks show --ca-file nowhere.crt",
    "webhooks-show-no-certificate": "webhooks show --ca-file inputs/service.yaml",
    "webhooks-stage-wrong": "webhooks stage fail",
    "webhooks-status-no-kubeconfig": "webhooks status --kubeconfig nowhere",
    "check-plugins": "check inputs/plugins.yaml",
    "check-plugins-json": "check -o json inputs/plugins.yaml",
    "check-plugins-github": "check -o github inputs/plugins.yaml",
    "check-plugins-sarif": "check -o sarif inputs/plugins.yaml",
    "check-plugins-own": "check --plugin-schemas inputs/plugin-schemas inputs/plugins.yaml",
    "check-plugins-settings": "check --config inputs/plugins-config.yaml inputs/plugins.yaml",
    "check-plugins-settings-and-own": (
        "check --config inputs/plugins-config.yaml --plugin-schemas inputs/plugin-schemas inputs/plugins.yaml"
    ),
    "check-plugins-wrong": "check --plugin-schemas inputs/plugin-schemas-wrong inputs/plugins.yaml",
    "check-plugins-no-directory": "check --plugin-schemas nowhere inputs/plugins.yaml",
    "review-plugins": "review inputs/plugins.yaml",
    "serve-plugins-wrong": "serve --manifests tree --plugin-schemas inputs/plugin-schemas-wrong",
    "help-explain": "explain --help",
    "explain-all": "explain",
    "explain-codes": "explain nad303 NAD611 NAD303",
    "explain-json": "explain -o json NAD104",
    "explain-unknown": "explain NAD1O1 NAD101 mac-valu nothing-like-it bridge",
    "explain-rules": "explain postureisolated network-not-found NAD611 yaml-syntax",
    "explain-rules-json": "explain -o json PostureIsolated",
    "explain-type-bridge": "explain --type bridge",
    "explain-type-sriov": "explain --type sriov",
    "explain-type-whereabouts": "explain --type whereabouts",
    "explain-type-portmap": "explain --type portmap",
    "explain-type-flannel": "explain --type flannel",
    "explain-type-json": "explain --type sbr -o json",
    "explain-type-own": "explain --type my-plugin --plugin-schemas inputs/plugin-schemas",
    "explain-type-exempt": "explain --type loopback --type bridge --config inputs/plugins-config.yaml",
    "explain-type-unknown": "explain --type brigde --type vlan --type nothing-like-it",
    "explain-type-and-code": "explain --type bridge NAD101",
    "explain-types": "explain --types",
    "usage-option": "check --no-such-option",
    "usage-posture": "check --posture Closed tree",
    "usage-namespace": "review --global-namespaces A_b x.yaml",
    "usage-network-namespace": "review --network-namespace - x.yaml",
    "usage-command": "chekc",
    "usage-webhooks-command": "webhooks state",
    "help-certs": "certs --help",
    "help-certs-bootstrap": "certs bootstrap --help",
    "review-directory": "review tree",
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
