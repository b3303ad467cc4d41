"""Kinds, versions and groups of the project that do not exist are problems, with the line that has the mistake."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from webhook.cli import nadmit
from webhook.configuration.sections import API_VERSION, KIND
from webhook.trees import documents
from webhook.trees.ownkinds import KINDS, SETTINGS_GROUP
from webhook.trees.problems import Problem

ACCESS, CNI = "access.nadmit.io", "k8s.cni.cncf.io"


def problems(api_version: str, kind: str) -> list[str]:
    found: list[Problem] = []
    text = f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n"
    read = list(documents.parse(text, file="f.yaml", problems=found))
    assert bool(read) is not bool(found)
    assert {problem.rule for problem in found} <= {"unknown-kind"}
    return [str(problem) for problem in found]


@pytest.mark.parametrize(("group", "kind"), [(group, kind) for group, kinds in KINDS.items() for kind in kinds])
def test_every_kind_in_its_version(group: str, kind: str) -> None:
    assert problems(f"{group}/{KINDS[group][kind]}", kind) == []


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        (f"{CNI}/v1beta2", "MultiNetworkPolicy"),
        (f"{CNI}/v1alpha1", "IPAMClaim"),
        ("apps/v2", "Deployment"),
        ("example.com/v1", "NetworkAttachmentPolicy"),
        ("v1", "Network"),
        ("x-nadmit.io/v1", "Other"),
    ],
)
def test_kinds_of_others_are_not_judged(api_version: str, kind: str) -> None:
    assert problems(api_version, kind) == []


@pytest.mark.parametrize(
    ("api_version", "kind", "problem"),
    [
        (
            f"{ACCESS}/v1",
            "NetworkAttachmentPolicy",
            'f.yaml:1:1: apiVersion: there is no version "v1" of NetworkAttachmentPolicy; allowed: access.nadmit.io/v1alpha1',
        ),
        (
            f"{ACCESS}/v1alpha1",
            "NetworkAttachementPolicy",
            (
                'f.yaml:2:1: kind: there is no kind "NetworkAttachementPolicy" in access.nadmit.io; did you mean '
                '"NetworkAttachmentPolicy"? allowed: NetworkAttachmentPolicy, NetworkAttachmentPolicyConfig'
            ),
        ),
        (
            f"{ACCESS}/v1alpha1",
            "Other",
            (
                'f.yaml:2:1: kind: there is no kind "Other" in access.nadmit.io; allowed: NetworkAttachmentPolicy, '
                "NetworkAttachmentPolicyConfig"
            ),
        ),
        (
            "acces.nadmit.io/v1alpha1",
            "NetworkAttachmentPolicy",
            (
                'f.yaml:1:1: apiVersion: NetworkAttachmentPolicy is of another API group than "acces.nadmit.io"; allowed: '
                "access.nadmit.io/v1alpha1"
            ),
        ),
        (
            "nadmit.io/v1",
            "NetworkAttachmentPolicy",
            (
                'f.yaml:1:1: apiVersion: NetworkAttachmentPolicy is of another API group than "nadmit.io"; allowed: '
                "access.nadmit.io/v1alpha1"
            ),
        ),
        (
            "v1",
            "NetworkAttachmentPolicyConfig",
            (
                'f.yaml:1:1: apiVersion: NetworkAttachmentPolicyConfig is of another API group than ""; allowed: '
                "access.nadmit.io/v1alpha1"
            ),
        ),
        (
            "policy.nadmit.io/v1",
            "Other",
            (
                'f.yaml:1:1: apiVersion: there is no API group "policy.nadmit.io"; allowed: access.nadmit.io, '
                "config.nadmit.io, test.nadmit.io"
            ),
        ),
        (
            "k8s.v1.cni.cncf.io/v1",
            "NetworkAttachmentDefinition",
            (
                'f.yaml:1:1: apiVersion: NetworkAttachmentDefinition is of another API group than "k8s.v1.cni.cncf.io"; '
                "allowed: k8s.cni.cncf.io/v1"
            ),
        ),
        (
            f"{CNI}/v1",
            "NetworkAttachementDefinition",
            (
                'f.yaml:2:1: kind: there is no kind "NetworkAttachementDefinition" in k8s.cni.cncf.io; did you mean '
                '"NetworkAttachmentDefinition"? allowed: NetworkAttachmentDefinition'
            ),
        ),
        (
            f"{CNI}/v1beta1",
            "NetworkAttachmentDefinition",
            (
                'f.yaml:1:1: apiVersion: there is no version "v1beta1" of NetworkAttachmentDefinition; allowed: '
                "k8s.cni.cncf.io/v1"
            ),
        ),
    ],
)
def test_what_does_not_exist(api_version: str, kind: str, problem: str) -> None:
    assert problems(api_version, kind) == [problem]


def test_the_settings_are_those_of_the_configuration() -> None:
    assert f"{SETTINGS_GROUP}/{KINDS[SETTINGS_GROUP][KIND]}" == API_VERSION


def test_check_says_that_the_object_is_wrong_and_not_that_it_cannot_be_read() -> None:
    text = f"apiVersion: {ACCESS}/v1\nkind: NetworkAttachmentPolicy\nmetadata: {{name: a}}\n"
    done = CliRunner().invoke(nadmit, ["check", "-"], input=text)
    assert (done.exit_code, done.output.count("[unknown-kind]")) == (1, 1)
