"""DEL always ends, and frees all that ADD has made."""

from __future__ import annotations

import pytest

from conformance.clauses import PRACTICE, clause
from conformance.rig.clusterserver import AWAY, CUT_OFF, NAMESPACE
from conformance.rig.node import ADD, DEFAULT, DEL, Case

ALL = {DEFAULT, "one", "two"}


@pytest.fixture
def attached(case: Case) -> Case:
    """Return a pod with two networks."""
    case.define("one")
    case.define("two")
    case.pod("one,two")
    case.add().succeeds()
    return case


def detached(case: Case) -> set[str]:
    """Return the types that got DEL."""
    return {call.type for call in case.calls(DEL)}


@clause("practice", "del", PRACTICE)
@clause("practice", "api", PRACTICE)
@pytest.mark.parametrize("fault", [AWAY, CUT_OFF, 401, 403, 500, 503], ids=["away", "cut", "401", "403", "500", "503"])
def test_without_the_api_server(attached: Case, fault: int) -> None:
    """DEL frees all networks without the API server."""
    attached.api.fail("all", fault)
    attached.delete().succeeds()
    assert detached(attached) == ALL


@clause("practice", "del", PRACTICE)
def test_after_the_pod_is_gone(attached: Case) -> None:
    """DEL frees all networks after the pod was deleted."""
    attached.api.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/web-0")
    attached.delete().succeeds()
    assert detached(attached) == ALL


@clause("practice", "del", PRACTICE)
def test_after_the_definitions_are_gone(attached: Case) -> None:
    """DEL frees all networks after their definitions were deleted."""
    for name in ("one", "two"):
        attached.api.delete(f"/apis/k8s.cni.cncf.io/v1/namespaces/{NAMESPACE}/network-attachment-definitions/{name}")
    attached.delete().succeeds()
    assert detached(attached) == ALL


@clause("practice", "del", PRACTICE)
def test_after_the_definitions_changed(attached: Case) -> None:
    """DEL uses the configuration of ADD, not the definition of today."""
    attached.define("one", attached.config("other"))
    attached.delete().succeeds()
    assert detached(attached) == ALL


@clause("practice", "del", PRACTICE)
def test_after_the_pod_changed_its_selection(attached: Case) -> None:
    """DEL frees what ADD attached, not what the pod selects today."""
    attached.pod("two")
    attached.delete().succeeds()
    assert detached(attached) == ALL


@clause("practice", "del", PRACTICE)
def test_after_the_namespace_is_gone(attached: Case) -> None:
    """DEL frees all networks after the network namespace was removed."""
    attached.container.remove()
    attached.delete().succeeds()
    assert detached(attached) == ALL


@clause("practice", "del", PRACTICE)
def test_with_an_empty_namespace(attached: Case) -> None:
    """DEL frees all networks with an empty CNI_NETNS, as runtimes send it after a reboot."""
    attached.call(DEL, attached.configuration(prevResult=attached.last_result), CNI_NETNS="").succeeds()
    assert detached(attached) == ALL


@clause("practice", "del", PRACTICE)
def test_without_a_previous_result(attached: Case) -> None:
    """DEL frees all networks without `prevResult`."""
    attached.delete(prevResult=None).succeeds()
    assert detached(attached) == ALL


@clause("practice", "del", PRACTICE)
def test_without_a_kubeconfig(attached: Case) -> None:
    """DEL frees all networks if the kubeconfig is gone."""
    (attached.node.work / "kubeconfig").unlink()
    attached.delete().succeeds()
    assert detached(attached) == ALL


@clause("practice", "del", PRACTICE)
@pytest.mark.parametrize("times", [2, 3])
def test_again_and_again(attached: Case, times: int) -> None:
    """Every DEL after the first one succeeds."""
    for _ in range(times):
        attached.delete().succeeds()


@clause("practice", "del", PRACTICE)
@pytest.mark.parametrize("failing", [DEFAULT, "one", "two"])
def test_a_delegate_that_fails_once(attached: Case, failing: str) -> None:
    """A network that could not be detached is detached by the next DEL."""
    attached.delegates.script(failing, DEL, {"error": {"code": 100, "msg": "told to fail"}}, {})
    attached.delete()
    attached.delete().succeeds()
    assert len(attached.calls(DEL, failing)) >= 2


@clause("practice", "del", PRACTICE)
@pytest.mark.parametrize("missing", ["one", "two"])
def test_a_plugin_that_was_uninstalled(attached: Case, missing: str) -> None:
    """A plugin that is missing for a while does not stop the others, and is called once it is back."""
    attached.delegates.remove(missing)
    attached.delete()
    assert detached(attached) == ALL - {missing}
    attached.delegates.install(missing)
    attached.delete().succeeds()
    assert missing in detached(attached)


@clause("practice", "del", PRACTICE)
def test_nothing_is_left(attached: Case) -> None:
    """After DEL no file of the plugin names the container."""
    attached.delete().succeeds()
    assert attached.left() == []


@clause("practice", "del", PRACTICE)
def test_real_plugins_leave_nothing(case: Case) -> None:
    """After DEL of real plugins, no link and no address is left."""
    for number, name in enumerate(("one", "two"), start=5):
        ipam = {"type": "host-local", "dataDir": str(case.node.state / "ipam"), "subnet": f"10.77.{number}.0/24"}
        case.define(name, {"cniVersion": "1.0.0", "name": name, "type": "bridge", "bridge": f"br-{name}", "ipam": ipam})
    case.pod("one,two")
    case.add().succeeds()
    assert case.container.links() == ["net1", "net2"]
    case.delete().succeeds()
    assert case.left() == []


@clause("practice", "del", PRACTICE)
def test_the_api_server_is_not_asked_for_long(attached: Case) -> None:
    """DEL with an API server that is away ends within ten seconds."""
    attached.api.fail("all", AWAY)
    outcome = attached.delete()
    outcome.succeeds()
    assert outcome.took_s < 10


@clause("practice", "del", PRACTICE)
def test_of_an_unknown_container_without_the_api_server(case: Case) -> None:
    """DEL of a container that the plugin does not know succeeds without the API server."""
    case.api.fail("all", AWAY)
    case.delete().succeeds()


@clause("practice", "del", PRACTICE)
def test_add_after_delete(attached: Case) -> None:
    """The same container can be added again."""
    attached.delete().succeeds()
    attached.add().succeeds()
    assert len(attached.calls(ADD, "one")) == 2
