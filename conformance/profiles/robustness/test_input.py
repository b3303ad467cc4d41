"""Input that nobody expects, and several pods at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from conformance.clauses import MUST, PRACTICE, clause
from conformance.rig.clusterserver import NAMESPACE, NETWORKS_KEY
from conformance.rig.container import Container
from conformance.rig.node import ADD, DEL, Case
from conformance.rig.outcome import Outcome


@clause("practice", "input", PRACTICE)
def test_a_semicolon_at_the_end(case: Case) -> None:
    """CNI_ARGS may end with a semicolon."""
    case.call(ADD, None, CNI_ARGS=case.environ(ADD)["CNI_ARGS"] + ";").succeeds()


@clause("practice", "input", PRACTICE)
def test_unknown_arguments(case: Case) -> None:
    """Unknown keys in CNI_ARGS do no harm beside `IgnoreUnknown`."""
    case.call(ADD, None, CNI_ARGS=case.environ(ADD)["CNI_ARGS"] + ";FOO=a=b;BAR=").succeeds()


@clause("practice", "input", PRACTICE)
def test_unknown_keys_of_the_configuration(case: Case) -> None:
    """Unknown keys in the plugin's own configuration do no harm."""
    case.add(anotherKey={"a": [1]}).succeeds()


@clause("practice", "input", PRACTICE)
@pytest.mark.parametrize("key", ["name\u0000", "\ud800", "a" * 300], ids=["nul", "surrogate", "long"])
def test_strange_names(case: Case, key: str) -> None:
    """A name that no object can have is refused, without a crash."""
    case.pod(json.dumps([{"name": key}]))
    case.add().fails()


@clause("practice", "input", PRACTICE)
def test_deep_nesting(case: Case) -> None:
    """JSON with ten thousand levels does not crash the plugin."""
    case.define("one")
    case.pod("[" * 10_000)
    assert case.add().code in {0, 1}
    assert case.calls(ADD, "one") == []


@clause("practice", "input", PRACTICE)
def test_a_large_annotation(case: Case) -> None:
    """An annotation of 200 kB is read."""
    case.define("one")
    case.pod([{"name": "one", "org.example.text": "x" * 200_000}])
    case.add().succeeds()
    assert case.calls(ADD, "one")


@clause("practice", "input", PRACTICE)
def test_many_networks(case: Case) -> None:
    """A pod with twenty networks gets all of them."""
    case.define("one")
    case.pod(",".join(["one"] * 20))
    case.add().succeeds()
    assert len({call.ifname for call in case.calls(ADD, "one")}) == 20
    assert len(case.network_status()) == 21
    case.delete().succeeds()
    assert len({call.ifname for call in case.calls(DEL, "one")}) == 20


@clause("practice", "input", PRACTICE)
def test_two_adds(case: Case) -> None:
    """A second ADD of a container ends, and DEL frees everything."""
    case.define("one")
    case.pod("one")
    case.add().succeeds()
    assert case.add().code in {0, 1}
    case.delete().succeeds()
    assert case.left() == []


@contextmanager
def others(case: Case, count: int) -> Iterator[list[dict[str, str]]]:
    """Give the block pods beside that of the case, which select `one`: the variables that their calls need."""
    made = [Container(f"{case.container.name}-{number}") for number in range(count)]
    for container in made:
        container.make()
    try:
        yield [_variables(case, f"web-{number + 1}", one) for number, one in enumerate(made)]
    finally:
        for container in made:
            container.remove()


def _variables(case: Case, name: str, container: Container) -> dict[str, str]:
    uid = case.api.put_pod({NETWORKS_KEY: "one"}, name=name)
    args = f"IgnoreUnknown=1;K8S_POD_NAMESPACE={NAMESPACE};K8S_POD_NAME={name};K8S_POD_UID={uid}"
    return {"CNI_CONTAINERID": f"{case.container_id}n{name}", "CNI_NETNS": container.path, "CNI_ARGS": args}


@clause("cni-1.1", "3.lifecycle", MUST)
def test_several_containers_at_once(case: Case) -> None:
    """Six containers are added and deleted at once, each with its own networks."""
    case.define("one")
    case.pod("one")

    def live(environ: dict[str, str]) -> list[Outcome]:
        return [case.call(ADD, None, **environ), case.call(DEL, None, **environ)]

    with others(case, 6) as containers, ThreadPoolExecutor(6) as pool:
        outcomes = [outcome for both in pool.map(live, containers) for outcome in both]
    for outcome in outcomes:
        outcome.succeeds()
    for verb in (ADD, DEL):
        found = {call.environ["CNI_CONTAINERID"] for call in case.calls(verb, "one")}
        assert found == {environ["CNI_CONTAINERID"] for environ in containers}


@clause("practice", "concurrency", PRACTICE)
def test_another_container_while_one_waits(case: Case) -> None:
    """A delegate that takes long does not keep other containers from starting."""
    case.define("one")
    case.pod("one")
    with others(case, 1) as ((environ),):
        with case.adding("one") as waiting:
            case.delegates.script("one", ADD)
            case.call(ADD, None, **environ).succeeds()
            assert not waiting.done()
        case.call(DEL, None, **environ).succeeds()


@clause("practice", "concurrency", PRACTICE)
def test_one_container_does_not_touch_another(case: Case) -> None:
    """DEL of one container leaves the other's attachments."""
    case.define("one")
    case.pod("one")
    case.add().succeeds()
    with others(case, 1) as ((environ),):
        case.call(ADD, None, **environ).succeeds()
        case.call(DEL, None, **environ).succeeds()
    deleted = {call.environ["CNI_CONTAINERID"] for call in case.calls(DEL)}
    assert deleted == {environ["CNI_CONTAINERID"]}
