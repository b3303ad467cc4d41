"""The programs accept the arguments of the manifests, and objects refer to each other by the right names."""

from __future__ import annotations

from typing import Any

import click
import pytest

from cniplugin.install import forget
from cniplugin.install.commandline import read_arguments
from cniplugin.install.nodepaths import BIN_DIR, CONF_DIR
from cniplugin.install.nodepaths import PROFILES as PATHS
from webhook.cli import nadmit
from webhook.commands.serve import serve
from webhook.registration.tables import KINDS

from .rendered import NODES, PROFILES, UNINSTALLS, Object, find, pod_specs

pytestmark = pytest.mark.slow
BUILDS_WITH_THE_WEBHOOK = (
    ".",
    "overlays/ha",
    "overlays/monitoring",
    "overlays/cert-manager",
    "overlays/production",
    "overlays/registered-by-hand",
)


def _pod(build: str) -> Object:
    return pod_specs(build)["Deployment/nadmit-webhook"]


def _parsed(build: str) -> dict[str, Any]:
    """Return the settings that `nadmit serve` reads from the arguments of a build."""
    command, *options = _pod(build)["containers"][0]["args"]
    assert command == "serve"
    return dict(_context(options).params)


def _context(options: list[str]) -> click.Context:
    """NB: the command runs below its group, because click caches the help option of the first context."""
    return serve.make_context("serve", options, parent=nadmit.make_context("nadmit", ["serve"], resilient_parsing=True))


@pytest.mark.parametrize("build", BUILDS_WITH_THE_WEBHOOK)
def test_serve_takes_its_arguments(build: str) -> None:
    parsed = _parsed(build)
    assert parsed["cluster"] is True
    assert (parsed["tls_secret"] is None) is (parsed["tls_cert_file"] is not None)


def test_only_builds_with_the_right_register_themselves() -> None:
    by_hand = {build for build in BUILDS_WITH_THE_WEBHOOK if _parsed(build)["webhook_configuration"] is None}
    assert by_hand == {"overlays/registered-by-hand"}


def test_an_unknown_argument_is_found() -> None:
    with pytest.raises(click.NoSuchOption):
        _context(["--clusters"])


@pytest.mark.parametrize("build", BUILDS_WITH_THE_WEBHOOK)
def test_ports_and_paths(build: str) -> None:
    pod, parsed = _pod(build), _parsed(build)
    ports = {port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]}
    assert (parsed["listen"], parsed["probe_listen"]) == (("", ports["webhook"]), ("", ports["probes"]))
    (container,) = pod["containers"]
    paths = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    alive, ready = {"path": "/healthz", "port": "probes"}, {"path": "/readyz", "port": "probes"}
    assert paths == {"startupProbe": alive, "livenessProbe": alive, "readinessProbe": ready}
    service = find(build, "Service", parsed["service"])["spec"]
    assert service["ports"][0]["targetPort"] == "webhook"
    labels = find(build, "Deployment", "nadmit-webhook")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()


def test_names_agree() -> None:
    parsed, namespace = _parsed("."), "nadmit-system"
    assert find(".", "Secret", parsed["tls_secret"])["metadata"]["namespace"] == namespace
    assert find(".", "Service", parsed["service"])["metadata"]["namespace"] == namespace
    for kind in KINDS:
        assert find(".", kind.name, parsed["webhook_configuration"])
    assert find(".", "Deployment", "nadmit-webhook")["metadata"]["namespace"] == namespace
    assert find(".", "PriorityClass", _pod(".")["priorityClassName"])


def test_files_are_mounted() -> None:
    parsed, pod = _parsed("overlays/cert-manager"), _pod("overlays/cert-manager")
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "tls"]
    assert "subPath" not in mount, "a renewed certificate would never be seen"
    assert {str(parsed["tls_cert_file"].parent), str(parsed["tls_key_file"].parent)} == {mount["mountPath"]}


def test_there_is_time_to_drain() -> None:
    """The grace period covers the drain, 10 s for requests in flight, and some seconds to start and to end."""
    assert _parsed(".")["drain_seconds"] + 10 < _pod(".")["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("build", [*NODES, *UNINSTALLS])
def test_the_installer_takes_its_arguments(build: str) -> None:
    """And every directory of the node that it works in is mounted where the node has it."""
    (pod,) = pod_specs(build).values()
    (container,) = pod["containers"]
    command, options = read_arguments(container["args"])
    assert (command, options["root"]) == ("install" if build in NODES else "uninstall", "/host")
    assert options["profile"] == _profile(build)
    assert float(options["every"]) > 0, "a DaemonSet starts again what ends"
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert mounts.keys() == {f"/host{path}" for path in paths.values()}, "the installer writes these paths for the node"
    assert all(mount["mountPath"] == f"/host{paths[mount['name']]}" for mount in mounts.values())
    for name in ("cni-bin-dir", "cni-conf-dir"):
        assert not mounts[f"/host{options[name]}"].get("readOnly")
    other = options["default-network-dir"]
    assert not other or mounts[f"/host{other}"]["readOnly"] is True
    record_dir = forget.DIRECTORY
    assert any(f"/host{record_dir}".startswith(f"{path}/") for path in mounts)


def _profile(build: str) -> str:
    return build.split("/")[1] if build.startswith("node-profiles/") else ""


@pytest.mark.parametrize("build", [*NODES, *UNINSTALLS])
def test_readiness_of_the_node_asks_the_installer(build: str) -> None:
    (pod,) = pod_specs(build).values()
    program, *words = pod["containers"][0]["readinessProbe"]["exec"]["command"]
    command, options = read_arguments(words)
    assert (program, command, options["root"]) == ("/nadmit/bin/nadmit", "show", "/host")
    assert bool(options["uninstalled"]) is (build in UNINSTALLS)
    assert options["profile"] == _profile(build)


def test_each_distribution_with_paths_of_its_own_has_a_build() -> None:
    usual = {"cni-conf-dir": CONF_DIR, "cni-bin-dir": BIN_DIR}
    differing = {name for name, options in PATHS.items() if not options.items() <= usual.items()}
    assert {_profile(build) for build in PROFILES} == differing


@pytest.mark.parametrize("build", UNINSTALLS)
def test_an_uninstall_sees_the_network_namespaces(build: str) -> None:
    (pod,) = pod_specs(build).values()
    mounts = {mount["mountPath"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts["/host/var/run/netns"]["readOnly"] is True
