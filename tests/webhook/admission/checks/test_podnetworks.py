"""Networks of pods and templates: which items are judged, and which are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.access.compile import Policies, compile_rules
from cniplugin.access.reading.policies import read_policy
from cniplugin.netspec.netattachdef import RESOURCE_NAME
from tests.webhook.admission.world import CAPABLE, FakeCluster, attach, cluster, decide, pod, request, rules
from webhook.admission.evaluate import evaluate
from webhook.admission.model.kinds import WORKLOADS, GroupKind
from webhook.admission.model.requests import Object, User
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.admission.wording.answers import CAUSES_MAX
from webhook.review.decisioncache import DecisionCache

DEPLOYMENT = GroupKind("apps", "Deployment")


@pytest.mark.parametrize("networks", [None, "", "lan", "blue/lan", "default/internet", "lan,lan,default/internet@up0"])
def test_allowed(networks: str | None) -> None:
    decision = attach(networks)
    assert (decision.is_allowed, decision.message, decision.warnings) == (True, "", ())


@pytest.mark.parametrize(
    ("networks", "code", "found"),
    [
        ("infra/storage", 403, ("PostureIsolated",)),
        ("green/shared,infra/nowhere", 403, ("PostureIsolated",)),
        ("lan,nowhere", 422, ("network-not-found",)),
        ('[{"name":"lan","ips":["10.0.0.1"]}]', 422, ("capability-missing",)),
        ("lan@eth0", 422, ("interface-reserved",)),
        ('[{"name":"lan","Namespace":"infra"}]', 403, ("PostureIsolated",)),
        ('[{"name":"lan","name_space":"infra"}]', 422, ("unknown-key",)),
        ("infra/storage,nowhere", 403, ("PostureIsolated", "network-not-found")),
    ],
)
def test_refused(networks: str, code: int, found: tuple[str, ...]) -> None:
    decision = attach(networks)
    assert (decision.is_allowed, decision.code, decision.rules) == (False, code, found)


def test_hints_are_looked_for_as_often_as_they_are_shown() -> None:
    """NB: the event loop answers nothing else in the meantime."""

    class Asked(FakeCluster):
        times = 0

        def network_names(self, namespace: str) -> Sequence[str]:
            self.times += 1
            return super().network_names(namespace)

    few, many = Asked(cluster().networks), Asked(cluster().networks)
    attach(",".join(f"nowhere-{at}" for at in range(CAUSES_MAX)), world=few)
    decision = attach(",".join(f"nowhere-{at}" for at in range(3 * CAUSES_MAX)), world=many)
    assert len(decision.causes) == CAUSES_MAX + 1
    assert many.times == few.times > 0


def test_open_posture_allows_other_namespaces_and_another_default_network() -> None:
    assert attach("infra/storage", rules=rules(posture="Open")).is_allowed
    assert decide(request(pod(default="infra/storage")), rules=rules(posture="Open")).is_allowed


def test_global_namespaces_replace_the_implied_default() -> None:
    """Multus' rule (A04)."""
    assert attach("infra/storage", rules=rules(global_namespaces=("infra",))).is_allowed
    assert attach("default/internet", rules=rules(global_namespaces=("infra",))).rules == ("PostureIsolated",)


def test_the_default_network_is_not_replaced_under_isolated() -> None:
    """C28, side door 9: not even by a network of the pod's own namespace."""
    assert decide(request(pod(default="blue/lan"))).rules == ("PostureReplaceDefault",)


def test_a_device_needs_a_resource_of_the_network_under_isolated() -> None:
    """NB: if the network has a resource, only the node knows the pod's devices."""
    asked = '[{"name":"lan","deviceID":"0000:03:02.1"}]'
    assert attach(asked).rules == ("PostureDevice",)
    assert attach(asked, rules=rules(posture="Open")).is_allowed
    assert attach('[{"name":"lan","deviceID":""}]').is_allowed
    world = cluster()
    known = world.networks["blue", "lan"]
    world.networks["blue", "lan"] = known.replace(annotations={RESOURCE_NAME: "example.com/vf"})
    assert attach(asked, world=world).is_allowed


def test_a_bare_default_network_is_looked_up_in_the_network_namespace() -> None:
    decision = decide(request(pod(default="lan")), rules=rules(posture="Open"))
    assert 'no NetworkAttachmentDefinition "lan" in namespace "kube-system"' in decision.message
    assert decision.causes[0].field == "metadata.annotations[v1.multus-cni.io/default-network]"


@pytest.mark.parametrize(
    ("obj", "is_remembered"),
    [
        (pod("lan"), True),
        (pod("lan")._replace(labels={str(number): "x" for number in range(17)}), False),
        (pod(f'[{{"name":"lan","example.com/note":"{"x" * 5_000}"}}]'), False),
    ],
    ids=["plain", "many labels", "long"],
)
def test_only_decisions_about_small_pods_are_cached(obj: Object, *, is_remembered: bool) -> None:
    memory = DecisionCache(Configuration())
    assert evaluate(request(obj), DecisionContext(cluster(), rules(), memory=memory)).is_allowed
    of_pods = [
        key for key in memory if not (isinstance(key, tuple) and key[0] == "allowed")
    ]  # "allowed": admissions without a name, shared by pods
    assert bool(of_pods) is is_remembered


class Counting(FakeCluster):
    """Counts the look-ups of namespace labels."""

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        self.asked += 1
        return super().namespace_labels(namespace)

    asked = 0


@pytest.mark.parametrize(("networks", "asked"), [("lan", 2), ("green/shared", 4), ("nowhere", 4)])
def test_each_request_is_decided_once(networks: str, asked: int) -> None:
    """A refusal is not cached, and not decided twice: that would double the look-ups of namespace labels.

    They are those of the pod's namespace, of the network's, and of the two networks that the refusal lists.
    """
    world = Counting(cluster().networks)
    decide(request(pod(networks)), world=world)
    assert world.asked == asked


def test_readable_items_are_judged_beside_unreadable_ones() -> None:
    """All problems of one object are in one answer, in input order."""
    decision = attach(
        '[{"name":"lan","mac":"x"},{"name":"lann"},null,{"name":"storage","namespace":"infra"},{"name":"lan"}]'
    )
    place = "metadata.annotations[k8s.v1.cni.cncf.io/networks]"
    assert [(cause.rule, cause.field.removeprefix(place)) for cause in decision.causes] == [
        ("mac-value", "[0].mac"),
        ("network-not-found", "[1]"),
        ("item-not-object", "[2]"),
        ("PostureIsolated", "[3]"),
    ]
    assert decision.code == 422


def test_both_annotations_are_read_in_one_pass() -> None:
    decision = decide(request(pod("A", default="a,b")))
    assert [cause.field for cause in decision.causes] == [
        "metadata.annotations[v1.multus-cni.io/default-network]",
        "metadata.annotations[k8s.v1.cni.cncf.io/networks][0]",
    ]


@pytest.mark.parametrize(
    "config",
    ["{", '{"type":"../x"}', '{"type":"bridge","Type":"host-device"}', '{"cniVersion":"1.0.0","type":"multus"}'],
)
def test_a_network_with_an_unsafe_config_is_refused_without_quoting_it(config: str) -> None:
    """H12, side doors 3, 5 and 11: the definition may have been written before the webhook was there."""
    decision = attach("trick", world=cluster(blue__trick=config))
    assert (decision.code, decision.rules) == (403, ("BuiltinUnsafeConfig",))
    assert "host-device" not in decision.message
    assert "../x" not in decision.message


def test_a_network_on_the_nodes_disk_is_planned_as_it_is() -> None:
    assert attach('[{"name":"disk","ips":["10.0.0.1"]}]', world=cluster(blue__disk=None)).is_allowed


class TestHints:
    def test_a_near_name(self) -> None:
        assert 'did you mean "lan"?' in attach("lann").message

    def test_another_namespace_that_the_pod_may_use(self) -> None:
        assert "it exists as default/internet: write that" in attach("internet").message

    def test_never_a_namespace_that_the_pod_may_not_use(self) -> None:
        """Side door 22: green/shared exists and infra/shared does not, and both refusals read the same."""
        assert "green" not in attach("shared").message
        there, not_there = attach("green/shared").message, attach("green/nothere").message
        assert there.replace("shared", "X") == not_there.replace("nothere", "X")


class TestUpdate:
    @pytest.mark.parametrize(
        ("old", "new", "is_allowed"),
        [
            ("lan", "lan,green/shared", False),  # H01
            ("green/shared", "green/shared,lan", True),  # H02
            ("lan,green/shared", "lan", True),  # H03
            ("green/shared", "green/shared", True),  # H04
            ("green/shared", "green/shared,green/shared", False),
            ("green/shared", "", True),
            ("nowhere,lan", "nowhere", True),
            ("[null]", "green/shared", False),
            ("[null]", "lan", True),
            ("lan", "[null]", False),
            ("green/shared@a", "green/shared@b", False),
            ("lan,nowhere", "nowhere,lan", True),
        ],
    )
    def test_only_new_items_are_judged(self, old: str, new: str, *, is_allowed: bool) -> None:
        assert decide(request(pod(new), old=pod(old))).is_allowed is is_allowed

    def test_pods_status_is_judged_too(self) -> None:
        """H05, side door 8."""
        assert decide(request(pod("green/shared"), old=pod(), subresource="status")).rules == ("PostureIsolated",)

    @given(
        st.lists(st.sampled_from(["lan", "green/shared", "nowhere", "infra/x@a", "default/internet"]), max_size=6),
        st.data(),
    )
    def test_removing_is_always_possible(self, items: list[str], data: st.DataObject) -> None:
        """Semantics point 9: an UPDATE that removes items is always admitted."""
        kept = data.draw(st.lists(st.sampled_from(range(len(items))), unique=True).map(sorted)) if items else []
        if sum(item.endswith("@a") for item in items) > 1:
            return
        assert decide(request(pod(",".join(items[i] for i in kept)), old=pod(",".join(items)))).is_allowed


def test_an_update_of_the_default_network_is_judged() -> None:
    isolated = decide(request(pod(default="blue/lan"), old=pod(default="default/internet")))
    assert isolated.rules == ("PostureReplaceDefault",)
    assert decide(request(pod("lan", default="blue/lan"), old=pod(default="blue/lan"))).is_allowed


@pytest.mark.parametrize(
    ("obj", "name", "expected"),
    [
        (Object(name="a"), "b", "b"),
        (Object(name="a"), "", "a"),
        (Object(generate_name="a-"), "", "a-*"),
        (Object(), "", ""),
        (None, "", ""),
    ],
)
def test_the_name_in_messages(obj: Object | None, name: str, expected: str) -> None:
    assert request(obj, name=name).object_name == expected


class TestTemplates:
    @pytest.mark.parametrize("kind", sorted(WORKLOADS), ids=lambda kind: kind.kind)
    def test_every_kind_is_judged_as_its_pod(self, kind: GroupKind) -> None:
        decision = decide(request(pod("green/shared"), kind=kind))
        assert decision.rules == ("PostureIsolated",)
        assert decision.causes[0].field.endswith("emplate.metadata.annotations[k8s.v1.cni.cncf.io/networks][0]")

    def test_a_missing_network_is_a_warning_only(self) -> None:
        """A chart may bring the Deployment before the network; the pod is judged again."""
        decision = decide(request(pod("nowhere"), kind=DEPLOYMENT))
        assert decision.is_allowed
        assert len(decision.warnings) == 1

    def test_a_request_that_can_never_be_met_is_refused(self) -> None:
        assert decide(request(pod("A"), kind=DEPLOYMENT)).code == 422

    def test_warn(self) -> None:
        decision = decide(request(pod("green/shared"), kind=DEPLOYMENT), rules=rules(workload_templates="Warn"))
        assert (decision.is_allowed, len(decision.warnings)) == (True, 1)

    def test_off(self) -> None:
        assert decide(request(pod("A"), kind=DEPLOYMENT), rules=rules(workload_templates="Off")).verdict == "allow"

    def test_controllers_are_not_asked_again(self) -> None:
        user = User("system:serviceaccount:kube-system:deployment-controller", ())
        assert decide(request(pod("green/shared"), kind=GroupKind("apps", "ReplicaSet"), user=user)).verdict == "allow"

    def test_an_unchanged_template_is_left_alone(self) -> None:
        """G08: rollout restart and scale."""
        assert decide(request(pod("green/shared"), old=pod("green/shared"), kind=DEPLOYMENT)).verdict == "allow"


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_other_operations_are_allowed(operation: str) -> None:
    assert decide(request(pod("green/shared"), operation=operation)).is_allowed


def test_other_kinds_are_allowed() -> None:
    assert decide(request(pod("green/shared"), kind=GroupKind("", "ConfigMap"))).is_allowed


def test_capabilities_that_are_there() -> None:
    text = '[{"name":"fast","ips":["10.0.0.1/24"],"mac":"02:00:00:00:00:01"}]'
    assert attach(text, world=cluster(blue__fast=CAPABLE)).is_allowed


@given(st.text() | st.text(alphabet='[]{}",:/@ \nablnmeips0.\\u'), st.text(alphabet='[]{",lan/'))
def test_any_annotation_gets_an_answer(networks: str, default: str) -> None:
    decision = decide(request(pod(networks, default=default)))
    assert decision.code in {200, 403, 422}
    assert len(decision.message.encode()) <= 32_768
    if decision.code == 403:
        assert len(decision.message.encode()) <= 1024


@pytest.mark.parametrize(
    ("wrong", "says"), [("lam", 'did you mean "lan"?'), ("secre", "create it first")], ids=["allowed", "refused"]
)
def test_a_network_that_the_pod_would_be_refused_is_not_suggested(wrong: str, says: str) -> None:
    world = cluster(blue__secret=CAPABLE)
    deny = {
        "metadata": {"name": "p", "generation": 1},
        "spec": {"attachments": [{"name": "d", "action": "Deny", "networks": [{"names": ["secret"]}]}]},
    }
    ruled = compile_rules(Policies(policies=(read_policy(deny),)), rules().config)
    decision = decide(request(pod(wrong)), world=world, rules=ruled)
    assert decision.rules == ("network-not-found",)
    assert says in decision.message
    assert "secret" not in decision.message


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("Lan", 'names are in lower case: write "lan";'),
        ('[{"name": "Lan"}]', 'names are in lower case: write "lan";'),
        ("blue:lan", 'a slash follows the namespace: write "blue/lan";'),
        ("Nowhere", "names are in lower case;"),
        ("infra:net", "a slash follows the namespace;"),
        ("Secret,blue:lan", "names are in lower case;"),
    ],
)
def test_a_spelling_is_offered_if_the_pod_would_get_the_network(wrong: str, right: str) -> None:
    deny = {
        "metadata": {"name": "p", "generation": 1},
        "spec": {"attachments": [{"name": "d", "action": "Deny", "networks": [{"names": ["secret", "net"]}]}]},
    }
    ruled = compile_rules(Policies(policies=(read_policy(deny),)), rules().config)
    decision = decide(request(pod(wrong)), world=cluster(blue__secret=CAPABLE, infra__net=CAPABLE), rules=ruled)
    assert right in decision.message
    assert "secret" not in decision.message
    assert "infra/net" not in decision.message
