"""Every check, in its good state and in each bad one: the level, the fact in the text, and the fix."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from certs.authority import render_certificate
from tests.fakes.apiserver import failure
from tests.fakes.objectstore import CONFIGS, POLICIES
from tests.manifests.rendered import render
from webhook.commands.doctor.results import Level, Result
from webhook.registration.configurations import Service

from .doctorworld import (
    CRDS,
    DEPLOYMENT,
    HOOKS,
    LEASES,
    MULTUS,
    NODE_PLUGIN,
    NODES,
    OWN,
    PROBED,
    RBAC,
    SECRET,
    SERVICE,
    SLICE,
    SUBJECT,
    TOKEN,
    WRITER,
    World,
    authority,
    healthy,
    leaf,
    node,
    pod,
    timestamp,
)

POLICIES_CRD = f"{CRDS}/networkattachmentpolicies.access.nadmit.io"
NETWORKS_CRD = f"{CRDS}/network-attachment-definitions.k8s.cni.cncf.io"
DAY_S = 86400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with healthy(tmp_path) as made:
        yield made


def test_a_healthy_installation_has_nothing_but_ok(world: World) -> None:
    found = world.examine()
    assert {result.level for result in found} == {Level.OK}
    assert all(not result.fixes for result in found)
    assert {result.check for result in found} == {
        "api server", "kinds", "workload", "version", "service", "rights", "registration", "paths", "stage", "certificate",
        "authority", "reachable", "posture", "nodes", "attachers", "other webhooks", "clocks",
    }  # fmt: skip


def test_nothing_is_changed(world: World) -> None:
    before = world.api.version
    world.examine()
    assert world.api.version == before
    for request in world.api.written():
        assert request.query.get("dryRun") == "All" or "accessreviews" in request.path


class Case(NamedTuple):
    """`says`: a part of the text; `fix`: a part of one fix."""

    change: Callable[[World], object]
    check: str
    level: Level
    says: str
    fix: str = ""


def both(*changes: Callable[[World], object]) -> Callable[[World], None]:
    def change(world: World) -> None:
        for each in changes:
            each(world)

    return change


def versions(value: Any) -> Any:
    return value["spec"]["versions"][0]


def without_field(value: Any) -> None:
    del versions(value)["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["description"]


def with_field(value: Any) -> None:
    versions(value)["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["later"] = {"type": "string"}


def available(count: int, *pods: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.pods[OWN] = list(pods)
        world.change(DEPLOYMENT, lambda value: value["status"].update(availableReplicas=count, updatedReplicas=2))

    return change


def image(name: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        def set_image(value: Any) -> None:
            value["spec"]["template"]["spec"]["containers"][0]["image"] = name

        world.change(DEPLOYMENT, set_image)

    return change


def hooks(name: str, change: Callable[[Any], object]) -> Callable[[World], None]:
    return lambda world: world.change(world.hooks(name), lambda value: change(value["webhooks"]))


def foreign(name: str, group: str = "k8s.cni.cncf.io") -> Callable[[World], object]:
    hook = {"name": "other.example.com", "rules": [{"apiGroups": [group], "resources": ["*"]}]}
    path = f"{HOOKS}/mutatingwebhookconfigurations/{name}"
    return lambda world: world.api.put(path, {"webhooks": [hook]})


def nodes(change: Callable[[World], object], **options: str) -> Callable[[World], None]:
    return both(lambda world: world.install_node_plugin(**options), change)


CASES = {
    # The API server and the kinds
    "an old API server": Case(
        lambda world: setattr(world, "version", "v1.29.4"),
        "api server",
        Level.ERROR,
        "the oldest that has every field is 1.30",
    ),
    "an unknown version": Case(lambda world: setattr(world, "version", "main"), "api server", Level.UNKNOWN, "'main'"),
    "a kind is missing": Case(
        lambda world: world.api.delete(POLICIES_CRD),
        "kinds",
        Level.ERROR,
        "not installed",
        "kubectl apply -k manifests/crds",
    ),
    "a kind is not served": Case(
        lambda world: world.change(POLICIES_CRD, lambda value: versions(value).update(name="v1")),
        "kinds",
        Level.ERROR,
        "v1alpha1 is not served, but v1",
        "manifests/crds",
    ),
    "a kind is not established": Case(
        lambda world: world.change(
            POLICIES_CRD,
            lambda value: value.update(
                status={"conditions": [{"type": "Established", "status": "False", "message": "names"}]}
            ),
        ),
        "kinds",
        Level.ERROR,
        "not established: names",
        "kubectl describe crd",
    ),
    "an older schema": Case(
        lambda world: world.change(POLICIES_CRD, without_field),
        "kinds",
        Level.ERROR,
        "older than this program: without spec.description; the API server drops them",
        "manifests/crds",
    ),
    "a newer schema": Case(
        lambda world: world.change(POLICIES_CRD, with_field),
        "kinds",
        Level.WARNING,
        "has spec.later as well",
        "newer nadmit",
    ),
    "a kind of networks that keeps everything": Case(
        lambda world: world.change(
            NETWORKS_CRD,
            lambda value: versions(value).update(
                schema={"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
            ),
        ),
        "kinds",
        Level.OK,
        "network-attachment-definitions.k8s.cni.cncf.io: v1, as",
    ),
    "kinds that the caller may not read": Case(
        lambda world: world.forbidden.append(CRDS), "kinds", Level.OK, "v1 is served; its schema was not compared: User"
    ),
    # The Deployment, its version, its Service
    "no Deployment": Case(
        lambda world: world.api.delete(DEPLOYMENT),
        "workload",
        Level.ERROR,
        "there is none",
        "kubectl apply -k manifests",
    ),
    "a Deployment that the caller may not read": Case(
        lambda world: world.forbidden.append(DEPLOYMENT),
        "workload",
        Level.UNKNOWN,
        "taken to be those of manifests/base",
    ),
    "an image that is not there": Case(
        available(0, pod("nadmit-webhook-1", "nadmit-webhook", on="n1", waiting="ErrImagePull")),
        "workload",
        Level.ERROR,
        "0 of 2 replicas available; pod nadmit-webhook-1: ErrImagePull: no such host",
        "docs/install.md",
    ),
    "one replica is missing": Case(
        available(1), "workload", Level.WARNING, "1 of 2 replicas available", "describe pods"
    ),
    "scaled to none": Case(
        lambda world: world.change(
            DEPLOYMENT, lambda value: (value["spec"].update(replicas=0), value["status"].clear())
        ),
        "workload",
        Level.ERROR,
        "nadmit-webhook: scaled to none",
        "--replicas=2",
    ),
    "another version": Case(
        image("registry.example:5000/net/nadmit-webhook:0.0.9"),
        "version",
        Level.WARNING,
        "0.0.9, this program 0.1.0",
        "use nadmit 0.0.9",
    ),
    "an image by its digest": Case(image("nadmit-webhook@sha256:12"), "version", Level.UNKNOWN, "without a tag"),
    "no Service": Case(lambda world: world.api.delete(SERVICE), "service", Level.ERROR, "there is none", "apply -k"),
    "no endpoint": Case(
        lambda world: world.change(SLICE, lambda value: value.update(endpoints=[{"conditions": {"ready": False}}])),
        "service",
        Level.ERROR,
        "no endpoint is ready, of 1",
        "/readyz",
    ),
    "a Service without endpoints": Case(
        lambda world: world.change(SLICE, lambda value: value.update(endpoints=None)),
        "service",
        Level.ERROR,
        "it has no endpoint",
    ),
    # Rights
    "a right is missing": Case(
        lambda world: world.denied.add(("secrets", "update")),
        "rights",
        Level.ERROR,
        "lacks 1 of 47 rights: update secrets nadmit-system/nadmit-tls",
        "kubectl auth can-i update secrets/nadmit-tls --as=system:serviceaccount:nadmit-system:nadmit-webhook -n nadmit-system",
    ),
    "the right on a subresource is missing": Case(
        lambda world: world.denied.add(("networkattachmentpolicies/status", "patch")),
        "rights",
        Level.ERROR,
        "patch networkattachmentpolicies/status.access.nadmit.io",
        "kubectl auth can-i patch",
    ),
    "reviews and roles are forbidden": Case(
        lambda world: world.forbidden.extend([SUBJECT, RBAC]), "rights", Level.UNKNOWN, "is forbidden"
    ),
    "reviews are forbidden, and there are no roles": Case(
        lambda world: world.forbidden.append(SUBJECT), "rights", Level.ERROR, "by its roles alone lacks 47 of 47 rights"
    ),
    # Registration
    "no configuration": Case(
        lambda world: world.api.delete(world.hooks("Mutating")),
        "registration",
        Level.ERROR,
        'MutatingWebhookConfiguration "nadmit": there is none',
        "apply -k",
    ),
    "nothing registered yet": Case(
        hooks("Validating", lambda found: found.clear()),
        "registration",
        Level.ERROR,
        "no webhook is registered yet",
        "/readyz",
    ),
    "a webhook is missing": Case(
        hooks("Validating", lambda found: found.pop(0)),
        "registration",
        Level.ERROR,
        "pods.access.nadmit.io",
        "webhooks status",
    ),
    "a webhook differs": Case(
        hooks("Validating", lambda found: found[0].update(timeoutSeconds=29)),
        "registration",
        Level.WARNING,
        "pods.access.nadmit.io (timeoutSeconds)",
        "webhooks status",
    ),
    "another Service": Case(
        lambda world: world.register("Ignore", target=Service("elsewhere", "x")),
        "registration",
        Level.ERROR,
        "the API server calls Service elsewhere/x, the replicas are behind nadmit-system/nadmit-webhook",
    ),
    # The paths
    "paths without a token": Case(
        lambda world: world.register("Ignore", token=""),
        "paths",
        Level.WARNING,
        "no token: everybody",
        "--path-token-secret",
    ),
    "a token that nobody knows": Case(
        lambda world: world.register("Ignore", token="e" * 32), "paths", Level.ERROR, "calls get 404", "12 s"
    ),
    "damaged tokens": Case(
        lambda world: world.change(SECRET, lambda value: value["data"].update({"path-tokens.json": "e30="})),
        "paths",
        Level.ERROR,
        "it cannot be read",
        "empty path-tokens.json",
    ),
    "tokens that the caller may not read": Case(
        lambda world: world.forbidden.append(SECRET), "paths", Level.UNKNOWN, "whether replicas accept it is not known"
    ),
    # The stage
    "Observe": Case(
        lambda world: world.register("Observe"), "stage", Level.OK, "everything is judged, nothing is refused", ""
    ),
    "Fail": Case(lambda world: world.register("Fail"), "stage", Level.OK, "what must be judged is refused"),
    "a wrong annotation": Case(
        lambda world: world.change(
            world.hooks("Mutating"),
            lambda value: value["metadata"]["annotations"].update({"nadmit.io/failure-policy": "fail"}),
        ),
        "stage",
        Level.WARNING,
        "'fail' is not a stage",
        "nadmit webhooks stage Ignore",
    ),
    "uneven stages": Case(
        lambda world: world.change(
            world.hooks("Mutating"),
            lambda value: value["metadata"]["annotations"].update({"nadmit.io/failure-policy": "Fail"}),
        ),
        "stage",
        Level.WARNING,
        "MutatingWebhookConfiguration Fail, ValidatingWebhookConfiguration Ignore",
    ),
    # The certificate and the authorities
    "no Secret": Case(lambda world: world.api.delete(SECRET), "certificate", Level.ERROR, "there is none", "apply -k"),
    "an empty Secret": Case(
        lambda world: world.change(SECRET, lambda value: value.update(data={})),
        "certificate",
        Level.ERROR,
        "tls.crt is empty",
    ),
    "a damaged Secret": Case(
        lambda world: world.serve(b"garbage"),
        "certificate",
        Level.ERROR,
        "not a PEM certificate",
        "docs/certificates.md",
    ),
    "a Secret that the caller may not read": Case(
        lambda world: world.forbidden.append(SECRET), "certificate", Level.UNKNOWN, "get is forbidden", ""
    ),
    "and then the authorities alone are looked at": Case(
        lambda world: world.forbidden.append(SECRET), "authority", Level.UNKNOWN, "cannot be read", ""
    ),
    "an expired certificate": Case(
        lambda world: world.serve(leaf(authority(), days=-366)), "certificate", Level.ERROR, "it expired at 20", "logs"
    ),
    "a certificate that is not valid yet": Case(
        lambda world: world.serve(leaf(authority(), days=2)),
        "certificate",
        Level.ERROR,
        "not valid before 20",
        "clocks",
    ),
    "a certificate that ends soon": Case(
        lambda world: world.serve(leaf(authority(), days=-363)), "certificate", Level.WARNING, "nothing has renewed it"
    ),
    "a certificate of another name": Case(
        lambda world: world.serve(leaf(authority(), name="x.y.svc")),
        "certificate",
        Level.ERROR,
        "it is not for nadmit-webhook.nadmit-system.svc",
        "--service",
    ),
    "an authority of another certificate": Case(
        lambda world: world.register("Ignore", ca=render_certificate(authority(-1).certificate)),
        "authority",
        Level.ERROR,
        "it does not have the issuer of the served certificate",
        "within 12 s",
    ),
    "an expired authority": Case(
        lambda world: world.register("Ignore", ca=render_certificate(authority(-3651).certificate)),
        "authority",
        Level.ERROR,
        "no authority in it is valid now",
    ),
    "no authority": Case(
        hooks("Validating", lambda found: [hook["clientConfig"].pop("caBundle") for hook in found]),
        "authority",
        Level.ERROR,
        "it is empty or unreadable",
    ),
    # The way to the webhook
    "nobody answers": Case(
        lambda world: world.warnings.clear(),
        "reachable",
        Level.ERROR,
        "did not come to the webhook",
        "failed calling webhook",
    ),
    "somebody else warns": Case(
        lambda world: world.warnings.update(Warning='299 - "deprecated"'),
        "reachable",
        Level.ERROR,
        "did not come to the webhook",
    ),
    "nothing is refused": Case(
        lambda world: world.api.answer_always.update({PROBED: failure(201, "")}),
        "reachable",
        Level.ERROR,
        "was accepted",
    ),
    "in stage Observe a refusal is not asked for": Case(
        both(
            lambda world: world.register("Observe"),
            lambda world: world.api.answer_always.update({PROBED: failure(201, "")}),
        ),
        "reachable",
        Level.OK,
        "gets its answer",
    ),
    "a caller without the right to create": Case(
        lambda world: world.forbidden.append(POLICIES),
        "reachable",
        Level.UNKNOWN,
        "was forbidden",
        "may create policies",
    ),
    # The posture
    "no posture": Case(
        lambda world: world.api.delete(f"{CONFIGS}/cluster"),
        "posture",
        Level.WARNING,
        "level Privileged",
        "manifests/posture",
    ),
    "an unreadable posture": Case(
        lambda world: world.change(
            f"{CONFIGS}/cluster",
            lambda value: value["status"].update(
                conditions=[{"type": "Accepted", "status": "False", "message": "typo"}]
            ),
        ),
        "posture",
        Level.WARNING,
        "cannot be read whole: typo",
        "kubectl edit napc cluster",
    ),
    # Nodes
    "the plugin on all nodes": Case(nodes(lambda _: None), "nodes", Level.OK, "ready on 2 of 2 nodes"),
    "a node whose pod is not ready": Case(
        nodes(
            lambda world: world.pods.update(
                {
                    "kube-system": [
                        pod("a", "nadmit-node", on="n1", image="nadmit-node:0.1.0", waiting="ImagePullBackOff"),
                        pod("b", "nadmit-node", on="n2", image="nadmit-node:0.1.0"),
                    ]
                }
            )
        ),
        "nodes",
        Level.ERROR,
        "ready on 1 of 2 nodes; not on n1: ImagePullBackOff",
        "make node-image",
    ),
    "no pod at all": Case(
        nodes(lambda world: world.pods["kube-system"].clear()),
        "nodes",
        Level.ERROR,
        "it has no pod",
        "describe daemonset",
    ),
    "a node without a pod": Case(
        nodes(lambda world: world.api.put(NODES, node("n3"))),
        "nodes",
        Level.WARNING,
        "no pod on n3",
        "kubectl describe node n3",
    ),
    "another operating system": Case(
        nodes(lambda world: world.api.put(NODES, node("w1", **{"kubernetes.io/os": "windows"}))),
        "nodes",
        Level.OK,
        "ready on 2 of 2 nodes",
    ),
    "nodes of another version": Case(
        nodes(lambda _: None, image="nadmit-node:0.0.9"), "nodes", Level.WARNING, "the node plugin is version 0.0.9"
    ),
    "a node that is left behind": Case(
        nodes(
            lambda world: world.pods["kube-system"].append(pod("c", "nadmit-node", on="n1", image="nadmit-node:0.0.8"))
        ),
        "nodes",
        Level.WARNING,
        "another version is still on n1 (0.0.8)",
        "rollout status",
    ),
    "a removal": Case(
        nodes(
            lambda world: world.change(
                NODE_PLUGIN,
                lambda value: value["spec"]["template"]["spec"]["containers"][0].update(
                    args=["uninstall", "--root=/host"]
                ),
            )
        ),
        "nodes",
        Level.WARNING,
        "it is removing the plugin",
        "kubectl delete",
    ),
    # Others
    "both attach": Case(
        nodes(
            lambda world: world.api.put(
                MULTUS, {"spec": {"template": {"spec": {"containers": [{"image": "multus:1"}]}}}}
            )
        ),
        "attachers",
        Level.WARNING,
        "both run",
        "docs/from-multus",
    ),
    "judged for Multus, attached by nadmit": Case(
        nodes(lambda _: None, attached_by="multus"),
        "attachers",
        Level.WARNING,
        "judges by what Multus does",
        "attachedBy",
    ),
    "judged for nadmit, attached by nobody": Case(
        lambda world: world.change(f"{CONFIGS}/cluster", lambda value: value["status"].update(attachedBy="nadmit")),
        "attachers",
        Level.WARNING,
        "no DaemonSet of its node plugin",
        "manifests/node",
    ),
    "nobody attaches": Case(
        lambda world: world.api.delete(MULTUS),
        "attachers",
        Level.WARNING,
        "no DaemonSet of Multus is found",
        "overlays/node",
    ),
    "another webhook for networks": Case(
        foreign("net-attach-def-admission-controller"),
        "other webhooks",
        Level.WARNING,
        "net-attach-def-admission-controller (other.example.com)",
    ),
    "the injector of resources": Case(
        foreign("network-resources-injector-config", ""),
        "other webhooks",
        Level.WARNING,
        "as nadmit does",
        "docs/injection.md",
    ),
    "a webhook for other things": Case(foreign("others", "apps"), "other webhooks", Level.OK, "none is called"),
    # Clocks
    "a node that is ahead": Case(
        lambda world: world.renew("n1", time.time() + 45),
        "clocks",
        Level.WARNING,
        "1 node ahead of the API server: n1 (4",
        "chronyc",
    ),
    "a node that is far ahead": Case(
        lambda world: world.renew("n2", time.time() + 600), "clocks", Level.ERROR, "n2 (", "timedatectl"
    ),
    "a node that is behind": Case(
        lambda world: world.renew("n1", time.time() - 120),
        "clocks",
        Level.WARNING,
        "behind, or silent to, the API server: n1",
    ),
    "a node that is gone": Case(
        both(
            lambda world: world.renew("n1", time.time() - DAY_S),
            lambda world: world.change(f"{NODES}/n1", lambda value: value.update(status={})),
        ),
        "clocks",
        Level.OK,
        "1 node and the API server have the same time",
    ),
    "Leases that the caller may not read": Case(
        lambda world: world.forbidden.append("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease"),
        "clocks",
        Level.UNKNOWN,
        "the clocks of the nodes",
    ),
    "no Lease of the writer": Case(
        lambda world: world.api.delete(WRITER),
        "clocks",
        Level.ERROR,
        "no replica writes the status of policies",
        "apply -k",
    ),
    "a writer that is silent": Case(
        lambda world: world.change(WRITER, lambda value: value["spec"].update(renewTime=timestamp(time.time() - 90))),
        "clocks",
        Level.WARNING,
        "no replica has renewed it lately",
        "logs",
    ),
    "a writer that is ahead": Case(
        lambda world: world.change(WRITER, lambda value: value["spec"].update(renewTime=timestamp(time.time() + 60))),
        "clocks",
        Level.WARNING,
        "the clock of replica replica-1 is",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_state(world: World, name: str) -> None:
    case = CASES[name]
    case.change(world)
    found = world.examine()
    matching = [one for one in found if (one.check, one.level) == (case.check, case.level) and case.says in one.text]
    assert matching, "\n".join(map(str, found))
    if case.fix:
        assert any(case.fix in fix for fix in matching[0].fixes), matching[0]
    if case.level in {Level.WARNING, Level.ERROR}:
        assert matching[0].fixes


def only(found: list[Result], check: str) -> Result:
    (result,) = (one for one in found if one.check == check)
    return result


def test_a_refused_probe_is_shown_with_the_words_of_the_api_server(world: World) -> None:
    """As in stage Fail, while no replica answers."""
    answer, ours = (
        failure(500, 'failed calling webhook "policies.access.nadmit.io": connection refused'),
        world.api.instead,
    )
    world.api.instead = lambda request: (
        answer if request.path == POLICIES and request.method == "POST" else ours(request)
    )
    result = only(world.examine(), "reachable")
    assert result.level is Level.ERROR
    assert (
        'was answered with 500: failed calling webhook "policies.access.nadmit.io": connection refused' in result.text
    )


@pytest.mark.parametrize("path", ["/validate/", "/validate/observe/", "/mutate/"])
@pytest.mark.parametrize("probed", [POLICIES, PROBED])
def test_the_words_of_the_api_server_show_no_token(world: World, path: str, probed: str) -> None:
    """It quotes the whole address if it cannot connect, and a report is shown to others."""
    quoted = f'Post "https://nadmit-webhook.nadmit-system.svc:443{path}d762da9ea95903ca?timeout=5s": no endpoints'
    answer, ours = failure(500, quoted), world.api.instead
    world.api.instead = lambda request: answer if request.path == probed and request.body else ours(request)
    result = only(world.examine(), "reachable")
    assert result.level is Level.ERROR
    assert f'svc:443{path}...?timeout=5s": no endpoints' in result.text


def test_without_a_kind_the_probe_is_not_possible(world: World) -> None:
    ours = world.api.instead
    world.api.instead = lambda request: failure(404, "no") if request.path == POLICIES else ours(request)
    assert only(world.examine(), "reachable").level is Level.UNKNOWN


def test_without_webhooks_nothing_can_be_reached(world: World) -> None:
    for name in ("Mutating", "Validating"):
        world.change(world.hooks(name), lambda value: value.update(webhooks=[]))
    assert only(world.examine(), "reachable").level is Level.UNKNOWN


def test_roles_are_read_where_reviews_are_forbidden(world: World) -> None:
    """The shipped roles grant all rights; without one of them, its rights are missing."""
    world.forbidden.append(SUBJECT)
    for value in render("base"):
        if value["apiVersion"].startswith("rbac."):
            metadata = value["metadata"]
            where = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
            world.api.put(f"{RBAC}{where}/{value['kind'].lower()}s/{metadata['name']}", value)
    result = only(world.examine(), "rights")
    assert result.text == "account nadmit-system/nadmit-webhook, by its roles alone has all 47 rights that it uses"
    world.api.delete(f"{RBAC}/namespaces/default/rolebindings/nadmit-webhook-events")
    result = only(world.examine(), "rights")
    assert (result.level, "lacks 1 of 47 rights: create events.events.k8s.io default" in result.text) == (
        Level.ERROR,
        True,
    )


@pytest.mark.parametrize(("ahead_s", "says"), [(75, "75 s ahead of"), (-90, "s behind")])
def test_the_clock_here(world: World, ahead_s: float, says: str) -> None:
    found = [one for one in world.examine(ahead_s=ahead_s) if one.text.startswith("the clock of this machine")]
    assert [one.level for one in found] == [Level.WARNING]
    assert says in found[0].text or f"{abs(ahead_s) + 1:.0f} {says.partition(' ')[2]}" in found[0].text


def test_long_in_observe_is_a_reminder(world: World) -> None:
    world.register("Observe")
    result = only(world.examine(ahead_s=0), "stage")
    assert result.level is Level.OK
    old = "2020-01-01T00:00:00Z"
    for name in ("Mutating", "Validating"):
        world.change(world.hooks(name), lambda value: value["metadata"]["managedFields"][0].update(time=old))
    result = only(world.examine(), "stage")
    assert (result.level, result.fixes) == (
        Level.WARNING,
        ("nadmit webhooks would-refuse", "nadmit webhooks stage Ignore"),
    )
    assert "Observe since 2020-01-01 00:00Z or earlier" in result.text


def test_a_certificate_in_a_mounted_secret(world: World) -> None:
    """As with cert-manager."""

    def mount(value: Any) -> None:
        spec = value["spec"]["template"]["spec"]
        spec["containers"][0]["args"] = [
            "serve",
            "--cluster",
            "--tls-cert-file=/certs/tls.crt",
            "--webhook-configuration=nadmit",
        ]
        spec["volumes"] = [{"name": "certs", "secret": {"secretName": "from-cert-manager"}}]

    world.change(DEPLOYMENT, mount)
    assert only(world.examine(), "certificate").text == "Secret nadmit-system/from-cert-manager: there is none"
    data = world.api.get(SECRET)["data"]
    world.api.put(SECRET.replace("nadmit-tls", "from-cert-manager"), {"data": data})
    assert only(world.examine(), "certificate").level is Level.OK
    world.change(DEPLOYMENT, lambda value: value["spec"]["template"]["spec"].pop("volumes"))
    assert only(world.examine(), "certificate").level is Level.UNKNOWN


@pytest.mark.parametrize(
    ("option", "token", "says"),
    [
        ("--no-path-token", "", "the registered paths have no token, as --no-path-token says"),
        ("--path-token-secret=nadmit-tls", TOKEN, "each registered path has a token that the replicas accept"),
        ("--cert-dir=/certs", TOKEN, "each registered path has a token"),
    ],
)
def test_other_places_of_tokens(world: World, option: str, token: str, says: str) -> None:
    def choose(value: Any) -> None:
        value["spec"]["template"]["spec"]["containers"][0]["args"] = ["serve", "--webhook-configuration=nadmit", option]

    world.change(DEPLOYMENT, choose)
    world.register("Ignore", token=token)
    assert only(world.examine(), "paths").text == says


def test_an_address_in_place_of_a_service(world: World) -> None:
    def add(value: Any) -> None:
        value["spec"]["template"]["spec"]["containers"][0]["args"].append("--webhook-url=https://webhook.example")

    world.change(DEPLOYMENT, add)
    world.api.delete(SERVICE)
    assert only(world.examine(), "service").text == "not used: the API server calls https://webhook.example"


def test_lists_come_in_pages(world: World) -> None:
    world.install_node_plugin()
    world.api.put(NODES, *(node(f"m{number}") for number in range(600)))
    assert any("no pod on m0, m1, m10, m100, m101 and 595 more" in one.text for one in world.examine())
    assert len([one for one in world.api.requests if one.path == NODES]) == 2
    assert LEASES in world.api.objects
