"""The rights that `nadmit doctor` asks for are those that the manifests grant, for each way to install."""

from __future__ import annotations

import pytest

from tests.manifests.rendered import find
from tests.manifests.test_rbac import granted
from webhook.commands.doctor.installation import BASE_ARGUMENTS, installation_of, options_of
from webhook.commands.doctor.rights import Right, needed

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "build",
    [".", "overlays/ha", "overlays/cert-manager", "overlays/registered-by-hand", "overlays/node", "overlays/reports"],
)
def test_needed_rights_are_granted_and_all_grants_are_needed(build: str) -> None:
    deployment = find(build, "Deployment", "nadmit-webhook")
    installed = installation_of(deployment, namespace="nadmit-system", version="0.1.0")
    grants = {
        Right(group, resource, verb, namespace, name)
        for group, resource, verb, namespace, name in granted(build, installed.account)
    }
    assert set(needed(installed.options, installed.namespace)) == grants


def test_the_arguments_of_the_base_are_those_of_its_deployment() -> None:
    deployment = find("base", "Deployment", "nadmit-webhook")
    words = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    of_addresses = {"--listen", "--probe-listen", "--drain-seconds", "serve"}
    assert [word for word in words if word.partition("=")[0] not in of_addresses] == list(BASE_ARGUMENTS)


def test_options_are_read_in_both_forms() -> None:
    assert options_of(["serve", "--a=b", "--c", "d", "--flag", "--e", "f=g"]) == {
        "a": "b",
        "c": "d",
        "flag": "",
        "e": "f=g",
    }
    assert needed({"no-watch-pods": ""}, "n") == needed({"network-in-use": "Off"}, "n")
    assert len(needed({}, "n")) == len(needed({"no-watch-pods": ""}, "n")) + 2
