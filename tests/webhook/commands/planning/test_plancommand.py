"""`nadmit plan`: where it reads from, what it says of missing rights, and how it ends."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result

from tests.fakes.apiserver import failure
from tests.paths import ROOT
from webhook.cli import nadmit
from webhook.commands.check import clusterobjects
from webhook.registration.configurations import configuration
from webhook.registration.tables import VALIDATING_KIND

from .objects import (
    BASE,
    DEFAULTS,
    SETTINGS,
    bare,
    capable,
    changed,
    macvlan,
    nad,
    policy,
    policy_config,
    rule,
    settings,
    space,
    template,
    with_resource,
    workload,
)
from .world import PATHS, Json, World, config_map

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "plan.schema.json").read_text())
LAN = nad("blue/lan", macvlan())
WEB = workload("Deployment", "blue/web", template("lan"), 3)
SMALL = (space("blue"), LAN, WEB)


class Files:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, *objects: Json) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump_all(objects))
        return str(path)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, BASE, SETTINGS)
    yield made
    made.close()


def run(*words: str, stdin: str | None = None) -> Result:
    done = CliRunner().invoke(nadmit, ["plan", *words], input=stdin)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


def test_text_of_a_change_that_breaks_and_of_one_that_does_not(files: Files) -> None:
    now = files.write("now.yaml", *SMALL)
    done = run("-f", now, files.write("new.yaml", nad("blue/lan", macvlan("eth9"))))
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == "1 workload (0 pods) would get something else"
    assert '    blue/lan: master: "eth1" -> "eth9"' in done.stdout.splitlines()
    done = run("-f", now, "--delete", "net-attach-def/blue/lan")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (1, "1 workload (0 pods) would find a network gone")


@pytest.mark.parametrize(("fail_on", "code"), [("breaks", 0), ("changes", 1), ("nothing", 0)])
def test_when_it_fails(files: Files, fail_on: str, code: int) -> None:
    new = files.write("new.yaml", nad("blue/lan", macvlan("eth9")))
    assert run("-f", files.write("now.yaml", *SMALL), new, "--fail-on", fail_on).exit_code == code
    gone = run("-f", files.write("now.yaml", *SMALL), "--delete", "net-attach-def/blue/lan", "--fail-on", fail_on)
    assert gone.exit_code == (0 if fail_on == "nothing" else 1)


def test_the_form_of_a_text_changes_nothing(files: Files) -> None:
    done = run(
        "-f", files.write("now.yaml", *SMALL), files.write("new.yaml", nad("blue/lan", json.dumps(macvlan(), indent=2)))
    )
    assert done.stdout.splitlines()[0] == "nothing changes"
    assert done.exit_code == 0


def test_two_trees_of_a_repository(files: Files) -> None:
    files.write("base/networks.yaml", space("blue"), LAN, nad("blue/old", macvlan("eth8")))
    files.write("base/web.yaml", WEB, workload("Deployment", "blue/two", template("old")))
    files.write("base/other.yaml", workload("Deployment", "blue/gone", template("old")), bare("blue/also", "old"))
    files.write("base/service.yaml", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {}})
    files.write("head/networks.yaml", space("blue"), LAN)
    files.write("head/web.yaml", WEB, workload("Deployment", "blue/two", template("old")))
    base, head = str(files.folder / "base"), str(files.folder / "head")
    assert run("--manifests", base, head).stdout.splitlines()[0] == "nothing changes"
    done = run("--manifests", base, "--prune", head, "-o", "json")
    plan = json.loads(done.stdout)
    jsonschema.validate(plan, SCHEMA)
    assert {(one["change"], one["name"]) for one in plan["objects"] if one["change"] != "same"} == {
        ("deleted", "old"),
        ("deleted", "gone"),
        ("deleted", "also"),
    }
    assert plan["notes"] == []
    assert [(one["effect"], one["name"]) for one in plan["effects"]] == [("lost", "two")]
    done = run("--manifests", base, "--prune", head, "-o", "markdown")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (
        1,
        "### Networks of pods: 1 workload (0 pods) would find a network gone",
    )


def test_environments_side_by_side_are_noted(files: Files) -> None:
    for name, master in (("dev", "eth1"), ("prod", "eth2")):
        files.write(f"tree/{name}/all.yaml", space("blue"), nad("blue/lan", macvlan(master)), WEB)
    tree = str(files.folder / "tree")
    for words in (["-f", files.write("now.yaml", *SMALL), tree], ["--manifests", tree, files.write("new.yaml", LAN)]):
        notes = json.loads(run(*words, "-o", "json").stdout)["notes"]
        (note,) = (one for one in notes if "has environments side by side: " in one)
        assert note.endswith("/prod; the last one counts, so name the one that is meant")


def test_a_namespace_takes_its_objects_with_it(files: Files) -> None:
    now = files.write("now.yaml", *SMALL, space("red"), workload("Deployment", "red/x", template("blue/lan")))
    plan = json.loads(run("-f", now, "--delete", "namespace/blue", "-o", "json").stdout)
    assert [(one["effect"], one["name"]) for one in plan["effects"]] == [("stillRefused", "x")]
    assert plan["counts"]["kept"]["workloads"] == 0


def test_what_goes_with_a_namespace_is_counted_and_not_missed(files: Files) -> None:
    pod = {**bare("blue/alone", "lan"), "status": {"phase": "Running"}}
    base = files.write("base/all.yaml", *SMALL, pod, space("red"))
    head = files.write("head/all.yaml", space("red"))
    plan = json.loads(run("--manifests", str(Path(base).parent), "--prune", head, "-o", "json").stdout)
    (gone,) = (one for one in plan["objects"] if one["change"] == "deleted")
    assert gone["warnings"] == ["with it go 2 workloads (1 pod) and 1 network"]
    assert plan["notes"] == []


def test_older_replicasets_go_with_their_deployment(files: Files) -> None:
    older = workload("ReplicaSet", "blue/web-1", template("old", {"pod-template-hash": "1"}))
    older["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "w", "controller": True}
    ]
    pod = bare("blue/web-1-a", "old")
    pod["metadata"]["labels"] = dict(older["spec"]["template"]["metadata"]["labels"])
    pod["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "r", "controller": True}
    ]
    other = copy.deepcopy(pod)
    other["metadata"] |= {"name": "web-1-b", "labels": {"app": "changed"}}
    now = files.write("now.yaml", *SMALL, nad("blue/old", macvlan("eth8")), older, pod, other)
    words = ["-f", now, "-o", "json", "--delete", "net-attach-def/blue/old"]
    plan = json.loads(run(*words).stdout)
    assert {(one["effect"], one["name"]) for one in plan["effects"]} == {("lost", "web-1"), ("lost", "web-1-b")}
    plan = json.loads(run(*words, "--delete", files.write("gone.yaml", WEB)).stdout)
    assert plan["effects"] == []


def test_a_pod_that_goes_away_does_not_use_its_networks_any_more(files: Files) -> None:
    pod = {**bare("blue/alone", "lan"), "status": {"phase": "Running"}}
    now, gone = files.write("now.yaml", space("blue"), LAN, pod), files.write("gone.yaml", pod)
    words = ["-f", now, "--network-in-use", "Deny", "-o", "json", "--delete", "net-attach-def/blue/lan"]
    assert json.loads(run(*words).stdout)["breaks"] is True
    plan = json.loads(run("--delete", gone, *words).stdout)
    assert [one["refused"] for one in plan["objects"]] == [False, False]
    assert json.loads(run(*words, files.write("new.yaml", bare("blue/alone", None))).stdout)["breaks"] is False


def test_settings_that_go_away_leave_the_defaults(files: Files) -> None:
    off = config_map(json.dumps(settings(injection={"enabled": False})))
    device = with_resource(LAN, "example.com/vf")
    now = files.write("now.yaml", space("blue"), device, WEB, off)
    gone = json.loads(run("-f", now, "-o", "json", "--delete", files.write("gone.yaml", off)).stdout)
    empty = json.loads(run("-f", now, "-o", "json", files.write("new.yaml", {**off, "data": {}})).stdout)
    assert (gone["objects"][0]["change"], empty["objects"][0]["change"]) == ("deleted", "changed")
    for plan in (gone, empty):
        assert {"path": "injection.enabled", "before": "false", "after": "true"} in plan["objects"][0]["fields"]
        assert [(one["effect"], one["name"]) for one in plan["effects"]] == [("other", "web")]
    absent = json.loads(
        run("-f", files.write("few.yaml", *SMALL), "-o", "json", "--delete", files.write("gone.yaml", off)).stdout
    )
    assert absent["objects"] == []
    assert absent["notes"] == ["configmap nadmit-system/nadmit-webhook is to be deleted, and the base does not have it"]
    base = str(Path(files.write("base/now.yaml", space("blue"), device, WEB, off)).parent)
    head = str(Path(files.write("head/now.yaml", space("blue"), device, WEB)).parent)
    assert json.loads(run("--manifests", base, "--prune", head, "-o", "json").stdout)["effects"] == gone["effects"]
    files.write("head/settings.yaml", settings(attachedBy="multus", injection={"enabled": False}))
    plan = json.loads(run("--manifests", base, "--prune", head, "-o", "json").stdout)
    assert plan["effects"] == []


def test_objects_whose_names_are_generated_are_told_apart(files: Files) -> None:
    pods = [bare("blue/x", networks) for networks in ("lan", "typo")]
    for name, pod in zip("ab", pods, strict=True):
        del pod["metadata"]["name"]
        pod["metadata"]["generateName"] = f"{name}-"
    plan = json.loads(run("-f", files.write("now.yaml", *SMALL), files.write("new.yaml", *pods), "-o", "json").stdout)
    assert [(one["name"], one["change"], one["refused"]) for one in plan["objects"]] == [
        ("a-*", "created", False),
        ("b-*", "created", True),
    ]
    assert len([one for one in plan["notes"] if "kubectl apply needs metadata.name" in one]) == 2


def test_the_address_of_the_pod_itself_is_not_in_use(files: Files) -> None:
    fixed = template([{"name": "lan", "ips": ["10.7.0.5/24"]}])
    db = workload("StatefulSet", "blue/db", fixed, 1)
    pod = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(fixed), "status": {"phase": "Running"}}
    pod["metadata"] |= {"namespace": "blue", "name": "db-0", "ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "d", "controller": True}
    ]}  # fmt: skip
    static = nad("blue/lan", capable({**macvlan(), "ipam": {"type": "static"}}, "ips"))
    now = files.write("now.yaml", space("blue"), LAN, db, pod)
    plan = json.loads(run("-f", now, files.write("new.yaml", static), "-o", "json").stdout)
    assert [(one["effect"], one["newWarnings"]) for one in plan["effects"]] == [("admitted", [])]
    other = files.write("other.yaml", static, workload("Deployment", "blue/web", fixed))
    done = run("-f", now, other)
    assert "New, with a warning: 1 workload (0 pods)" in done.stdout.splitlines()
    assert "db-0 asks for this address of the network as well" in done.stdout
    plan = json.loads(run("-f", now, other, "-o", "json").stdout)
    assert plan["counts"]["new"] == {"workloads": 1, "pods": 0}
    jsonschema.validate(plan, SCHEMA)


def test_what_kubectl_would_refuse_is_said(files: Files) -> None:
    spaces = [{**one, "metadata": {**one["metadata"], "uid": "u"}} for one in (space("blue"), space("red"))]
    job = {**workload("CronJob", "blue/once", template("lan")), "kind": "Job"}
    job["spec"] = {"template": template("lan")}
    new = copy.deepcopy(job)
    new["spec"]["template"] = template("blue/lan")
    now = files.write("now.yaml", *spaces, LAN, job)
    change = files.write("new.yaml", nad("pink/lan", macvlan()), space("pink"), nad("pink/two", macvlan()), new)
    plan = json.loads(run("-f", now, change, "-o", "json").stdout)
    assert plan["notes"] == [f"{change}:1: at this point there is no namespace pink; create it first"]
    warned = {one["name"]: one["warnings"] for one in plan["objects"]}
    assert "the API server refuses another template for a Job that exists; delete the Job first" in warned["once"]


@pytest.mark.parametrize(
    ("named", "kind"),
    [
        ("deployment/blue/web", "Deployment"),
        ("deployments/blue/web", "Deployment"),
        ("pod/blue/alone", "Pod"),
        ("ns/blue", "Namespace"),
        ("network-attachment-definitions/blue/lan", "NetworkAttachmentDefinition"),
    ],
)
def test_kinds_that_need_no_file(files: Files, named: str, kind: str) -> None:
    now = files.write("now.yaml", *SMALL, bare("blue/alone", "lan"))
    plan = json.loads(run("-f", now, "--delete", named, "--delete", named, "-o", "json").stdout)
    assert [(one["change"], one["kind"]) for one in plan["objects"]] == [("deleted", kind)]
    assert plan["notes"] == []


def test_labels_of_namespaces_count_if_a_group_is_known(files: Files) -> None:
    guarded = policy_config(namespaceLabels={"mode": "Deny"})
    now, new = files.write("now.yaml", *SMALL, guarded), files.write(
        "new.yaml", space("blue", {"nadmit.io/definitions-enforce": "Baseline"})
    )  # fmt: skip
    refused = [
        json.loads(run("-f", now, new, "-o", "json", *words).stdout)["objects"][0]["refused"]
        for words in ([], ["--as-group", "blue-admins"], ["--as-group", "system:masters"])
    ]
    assert refused == [False, True, False]


def test_why_there_is_no_object_is_said(files: Files) -> None:
    files.write("tree/kustomization.yaml", {"resources": ["absent.yaml"]})
    done = run("-f", files.write("now.yaml", *SMALL), str(files.folder / "tree"))
    assert done.exit_code == 2
    assert "kustomization.yaml" in done.stderr
    assert "no Kubernetes object is found" in done.stderr


def test_a_pod_that_is_pruned_or_deleted_and_absent(files: Files) -> None:
    pods = [bare(f"blue/{name}", "lan", restartPolicy="Never") for name in ("a", "b")]
    for pod in pods:
        pod["metadata"]["labels"] = {"app": "x"}
    base = str(Path(files.write("base/all.yaml", space("blue"), LAN, *pods)).parent)
    head = files.write("head/all.yaml", space("blue"), pods[0])
    plan = json.loads(run("--manifests", base, "--prune", head, "-o", "json").stdout)
    assert [(one["effect"], one["name"]) for one in plan["effects"]] == [("lost", "a")]
    absent = run("-f", files.write("now.yaml", *SMALL), "--delete", files.write("gone.yaml", pods[0]))
    assert "pod blue/a is to be deleted, and the base does not have it" in absent.stdout


def test_what_is_to_be_deleted_may_be_in_a_file_or_absent(files: Files) -> None:
    now = files.write("now.yaml", *SMALL)
    gone = files.write("gone.yaml", LAN, WEB)
    plan = json.loads(run("-f", now, "--delete", gone, "--delete", "networkattachmentpolicy/none", "-o", "json").stdout)
    assert [(one["change"], one["kind"]) for one in plan["objects"]] == [
        ("deleted", "NetworkAttachmentDefinition"),
        ("deleted", "Deployment"),
    ]
    assert plan["effects"] == []
    assert "networkattachmentpolicy none is to be deleted, and the base does not have it" in plan["notes"]


@pytest.mark.parametrize("one", ["net-attach-def/lan", "namespace/blue/x", "net-attach-def/", "net-attach-def/a/b/c"])
def test_names_that_do_not_name_an_object(files: Files, one: str) -> None:
    done = run("-f", files.write("now.yaml", *SMALL), "--delete", one)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "does not name an object; allowed: " in done.stderr


def test_a_change_that_would_be_refused_comes_first_and_stays_out(files: Files) -> None:
    now = files.write("now.yaml", *SMALL)
    new = files.write(
        "new.yaml", nad("blue/lan", "{"), policy("bad", attachments=[rule("Alow")]), space("blue", {"a": "b"})
    )
    done = run("-f", now, new)
    lines = done.stdout.splitlines()
    assert (done.exit_code, lines[0]) == (1, "2 objects of the change would be refused")
    assert lines[1].startswith("networkattachmentdefinition blue/lan would be refused (")
    assert "as before: 1 workload (0 pods)" in lines


def test_a_definition_in_use_under_deny(files: Files) -> None:
    pod = {**template("lan"), "apiVersion": "v1", "kind": "Pod", "status": {"phase": "Running"}}
    pod["metadata"] |= {"name": "a", "namespace": "blue", "uid": "1"}
    pod["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"] = "[]"
    now = files.write("now.yaml", *SMALL, pod)
    for words in (["--delete", "net-attach-def/blue/lan"], [files.write("new.yaml", nad("blue/lan", macvlan("eth9")))]):
        plan = json.loads(run("-f", now, "--network-in-use", "Deny", "-o", "json", *words).stdout)
        assert [one["refused"] for one in plan["objects"]] == [True]
        assert plan["effects"] == []
        assert len(json.loads(run("-f", now, "-o", "json", *words).stdout)["objects"][0]["warnings"]) == 1


def test_authors_count_if_they_are_known(files: Files) -> None:
    guard = policy(
        "guard", definitions=[{"name": "one", "action": "Deny", "namespaces": ["blue"], "authors": {"users": ["bob"]}}]
    )
    now, new = files.write("now.yaml", *SMALL, guard), files.write("new.yaml", nad("blue/lan", macvlan("eth9")))
    refused = [
        json.loads(run("-f", now, new, "-o", "json", *words).stdout)["objects"][0]["refused"]
        for words in ([], ["--as", "bob"])
    ]
    assert refused == [False, True]


def test_settings_of_the_cluster_and_of_files(world: World, files: Files) -> None:
    off = settings(injection={"enabled": False})
    plan = world.predict({"new.yaml": [config_map(json.dumps(off))]})
    assert [(one["kind"], [field["path"] for field in one["fields"]]) for one in plan["objects"]] == [
        ("NadmitConfiguration", ["injection.enabled"])
    ]
    given = files.write("settings.yaml", off)
    assert world.predict({"new.yaml": [off]}, "--config", given)["nothingChanges"] is True
    assert world.predict({"new.yaml": [config_map(SETTINGS)]})["nothingChanges"] is True


def test_where_a_mistake_in_settings_is(files: Files) -> None:
    wrong, now = settings(injection={"mode": "honour"}), files.write("now.yaml", *SMALL)
    texts = []
    for one in (wrong, config_map(yaml.safe_dump(wrong))):
        plan = json.loads(run("-f", now, files.write("new.yaml", one), "-o", "json").stdout)
        texts += plan["objects"][0]["refusals"]
    said = 'injection.mode: unknown value: "honour"; did you mean "honor"? allowed: "topUp", "honor"'
    assert texts == [said, f"config.yaml:4:3: {said}"]


def test_a_volume_of_the_pod_itself_is_no_difference(files: Files) -> None:
    device = with_resource(LAN, "example.com/vf")
    now = files.write("now.yaml", space("blue"), device, WEB)
    volumes = [{"name": "data", "emptyDir": {}}]
    new = files.write("new.yaml", workload("Deployment", "blue/web", template("lan", volumes=volumes)))
    plan = json.loads(run("-f", now, new, "-o", "json").stdout)
    assert (plan["effects"], plan["objects"][0]["change"]) == ([], "changed")


def test_settings_of_a_copy(files: Files) -> None:
    now = files.write("now.yaml", *SMALL, config_map(SETTINGS))
    off = files.write("off.yaml", settings(injection={"enabled": False}))
    assert run("-f", now, files.write("same.yaml", settings())).stdout.splitlines()[0] == "nothing changes"
    plan = json.loads(run("-f", now, off, "-o", "json").stdout)
    assert [one["path"] for one in plan["objects"][0]["fields"]] == ["injection.enabled"]


def test_pods_are_counted_once_if_their_list_begins_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusterobjects, "PAGE_SIZE", 2)
    change = {"new.yaml": [nad("blue/lan", macvlan("eth9"))]}
    expected = world.predict(change)["counts"]
    world.api.requests.clear()

    def expire() -> None:
        asked = [one for one in world.api.requests if one.path == PATHS["Pod"]]
        if len(asked) == 1:  # the next page is gone, and the list begins anew
            world.api.answers[PATHS["Pod"]].append(failure(410, "expired"))

    world.api.on_page = expire
    assert world.predict(change)["counts"] == expected
    assert [one.code for one in world.api.requests if one.path == PATHS["Pod"]][:3] == [200, 410, 200]


def test_what_is_no_object_of_a_cluster_is_passed_over(files: Files) -> None:
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {}}
    done = run("-f", files.write("now.yaml", *SMALL), files.write("new.yaml", review, LAN))
    assert done.stdout.splitlines()[0] == "nothing changes"


def test_broken_settings_of_the_cluster_do_not_count(world: World) -> None:
    world.api.put(PATHS["ConfigMap"], config_map("kind: Other"))
    plan = world.predict({"new.yaml": [LAN]})
    assert "the webhook keeps an older text; here the defaults count" in plan["notes"][0]


def test_a_missing_right_is_one_clear_line(world: World) -> None:
    for kind in ("Pod", "Deployment", "ConfigMap"):
        world.api.answer_always[PATHS[kind]] = failure(403, "no")
    world.api.answer_always["/api/v1/namespaces/nadmit-system/configmaps/nadmit-webhook"] = failure(403, "no")
    plan = world.predict({"new.yaml": [LAN]})
    assert [one.partition(" is forbidden")[0] for one in plan["unread"]] == [
        "deployments.apps: list",
        "pods: list",
        "configmaps nadmit-system/nadmit-webhook: get",
    ]


def test_without_the_rules_there_is_no_plan(world: World, files: Files) -> None:
    for kind in ("NetworkAttachmentPolicy", "NetworkAttachmentDefinition"):
        world.api.answer_always[PATHS[kind]] = failure(403, "no")
    done = run("--kubeconfig", str(world.kubeconfig), files.write("new.yaml", LAN))
    lines = done.stderr.splitlines()
    assert (done.exit_code, done.stdout, len(lines)) == (2, "", 2)
    assert all(line.startswith("nadmit: ") and "list is forbidden" in line for line in lines)


def test_stage_observe_is_noted(world: World) -> None:
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    hook = {"name": "pods.access.nadmit.io", "clientConfig": {"url": "https://x/validate/observe"}}
    world.api.serve(path)
    world.api.put(path, configuration(VALIDATING_KIND, "nadmit", [hook], stage="Observe"))
    assert world.predict({"new.yaml": [LAN]})["notes"][0].startswith("the webhook is in stage Observe")


def test_pods_without_a_known_controller_are_noted(world: World) -> None:
    world.api.answer_always[PATHS["ReplicaSet"]] = failure(403, "no")
    plan = world.predict({"new.yaml": [nad("blue/lan", macvlan("eth9"))]})
    assert any("pods are judged as they run, because what makes them was not read" in one for one in plan["notes"])
    assert ("Pod", 3) in {(one["kind"], one["pods"]) for one in plan["effects"]}


def test_labels_that_a_controller_has_set_stay(world: World) -> None:
    """What nobody applied is not removed by a file that does not have it."""
    world.api.modify("/api/v1/namespaces/green", lambda one: one["metadata"]["labels"].update(own="1"))
    plan = world.predict({"new.yaml": [changed("Namespace", "green", annotations=None)]})
    assert [field["path"] for field in plan["objects"][0]["fields"]] == [f'metadata.annotations["{DEFAULTS}"]']


def test_no_pods_in_the_copies(files: Files) -> None:
    done = run("-f", files.write("now.yaml", space("blue"), LAN), files.write("new.yaml", LAN))
    assert "note:    the copies have neither pods nor workloads" in done.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "Give FILEs, or --delete"),
        (["x", "--prune"], "--prune belongs to --manifests"),
        (["x", "--config-map", "x"], "'x' is not a ConfigMap; allowed: NAMESPACE/NAME"),
        (["x", "-f", "y", "--cluster"], "-f and --manifests replace the cluster"),
        (["missing.yaml", "-f", "-"], "missing.yaml"),
    ],
)
def test_what_cannot_be_read(words: list[str], text: str) -> None:
    done = run(*words, stdin="")
    assert (done.exit_code, done.stdout) == (2, "")
    assert text in done.stderr


def test_a_broken_file_and_an_unreachable_server(files: Files) -> None:
    broken = str(files.folder / "broken.yaml")
    Path(broken).write_text("a: [")
    assert run("-f", files.write("now.yaml", *SMALL), broken).exit_code == 2
    done = run("--kubeconfig", str(files.folder / "none"), files.write("new.yaml", LAN))
    assert (done.exit_code, done.stderr.count("nadmit: ")) == (2, 1)


def test_files_from_standard_input(files: Files) -> None:
    done = run("-f", files.write("now.yaml", *SMALL), "-", stdin=json.dumps(nad("blue/lan", macvlan("eth9"))))
    assert done.stdout.splitlines()[0] == "1 workload (0 pods) would get something else"
