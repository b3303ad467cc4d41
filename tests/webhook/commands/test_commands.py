"""Input from a pipe, colours, terminals, imports, and equivalence with the server, which golden files cannot show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cniplugin.access.model.decision import Rules
from tests.paths import ROOT
from webhook.admission.evaluate import evaluate
from webhook.admission.model.injection import Injection
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.cli import COMMANDS, nadmit
from webhook.commands import judging, options
from webhook.commands.serve import ADDRESS
from webhook.review import wire
from webhook.trees import manifests

HERE = Path(__file__).parent
POD = (HERE / "inputs" / "self-contained.yaml").read_bytes()
HEAVY = (
    "fastapi",
    "uvicorn",
    "starlette",
    "pydantic",
    "cryptography",
    "urllib3",
    "uvloop",
    "prometheus_client",
    "asyncio",
)


@pytest.fixture(autouse=True)
def _in_this_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    monkeypatch.delenv("NO_COLOR", raising=False)


def run(*arguments: str, **options: object) -> Result:
    return CliRunner().invoke(nadmit, arguments, prog_name="nadmit", **options)  # type: ignore[arg-type]  # click's own


def test_standard_input_is_a_file() -> None:
    result = run("review", "-", input=POD)
    assert (result.stdout, result.exit_code) == (
        "networkattachmentdefinition.k8s.cni.cncf.io/net allowed\npod/web allowed\n",
        0,
    )


def test_a_problem_of_standard_input_says_so() -> None:
    result = run("review", "-", input=b"a: [")
    assert result.exit_code == 2
    assert result.stderr.startswith("<stdin>:")


def test_json_of_a_review_is_a_list_in_the_order_of_the_input() -> None:
    result = run("review", "-o", "json", "--manifests", "tree", "tree/blue/pods.yaml")
    found = json.loads(result.stdout)
    assert [(one["name"], one["allowed"], one["line"]) for one in found] == [
        ("fine", True, 1),
        ("denied", False, 9),
        ("typo", False, 17),
        ("none", True, 25),
        ("early", True, 29),
    ]
    assert found[1]["reason"] == "Forbidden"
    assert found[1]["code"] == 403
    assert found[4]["warnings"]


def test_an_absolute_path_stays_absolute_and_becomes_a_uri() -> None:
    result = run("check", "-o", "sarif", str(HERE / "tree"))
    uris = {
        one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for one in json.loads(result.stdout)["runs"][0]["results"]
    }
    assert all(uri.startswith("file:///") for uri in uris)


@pytest.mark.parametrize(
    ("arguments", "is_coloured", "env"),
    [
        (("check", "tree"), True, {}),
        (("check", "tree"), False, {"NO_COLOR": "1"}),
        (("check", "tree"), True, {"NO_COLOR": ""}),
        (("check", "-o", "json", "tree"), False, {}),
        (("review", "tree/blue/pods.yaml"), True, {}),
        (("can-attach", "-n", "blue", "lan", "--manifests", "guarded"), True, {}),
        (("can-attach", "-n", "blue", "lan", "--manifests", "guarded"), False, {"NO_COLOR": "1"}),
        (("can-attach", "-n", "blue", "lan", "--manifests", "guarded", "-o", "json"), False, {}),
        (("rules", "-n", "blue", "--manifests", "guarded"), True, {}),
        (("rules", "-n", "blue", "--manifests", "guarded", "-o", "json"), False, {}),
        (("review", "tree/blue/pods.yaml"), False, {"NO_COLOR": "1"}),
    ],
)
def test_colours(arguments: tuple[str, ...], *, is_coloured: bool, env: dict[str, str]) -> None:
    """`color=True` means a terminal."""
    result = run(*arguments, color=True, env=env)
    assert ("\x1b[" in result.output) is is_coloured


def test_a_command_and_the_server_decide_alike() -> None:
    """The command prints the decision that the server makes of the same bytes."""
    problems: list[object] = []
    cluster, injection = manifests.load_snapshot("tree"), Injection()
    for document in manifests.read_file("tree/blue/pods.yaml", problems):  # type: ignore[arg-type]  # stays empty
        if not judging.is_judged(document):
            continue
        body = judging.admission_review(document.object, namespace=document.namespace)
        request = wire.decode(body)
        context = DecisionContext(cluster, Rules(), Configuration(injection=injection))
        decision = evaluate(request, context)
        answer = json.loads(wire.encode(request, decision))
        assert answer["response"]["uid"] == json.loads(body)["request"]["uid"]
        (judgement,) = judging.judge([document], judging.Webhook(context=context), [])
        assert json.loads(wire.encode(judgement.request, judgement.decision)) == answer
    assert problems == []


@pytest.mark.parametrize(
    ("api_version", "kind", "resource"),
    [
        ("v1", "Pod", "pods"),
        ("apps/v1", "Deployment", "deployments"),
        ("batch/v1", "CronJob", "cronjobs"),
        ("v1", "PodTemplate", "podtemplates"),
        ("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition", "network-attachment-definitions"),
    ],
)
def test_the_admission_review_of_an_object(api_version: str, kind: str, resource: str) -> None:
    obj = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}}
    request = json.loads(judging.admission_review(obj, namespace="blue"))["request"]
    group, _, version_name = api_version.rpartition("/")
    assert request["kind"] == {"group": group, "version": version_name, "kind": kind}
    assert request["resource"]["resource"] == resource
    assert request["operation"] == "CREATE"
    assert request["userInfo"]["username"] == "nadmit-review"
    assert request["object"] == obj
    assert request["uid"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8443", ("127.0.0.1", 8443)),
        (":8443", ("", 8443)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_an_address(text: str, address: tuple[str, int]) -> None:
    assert ADDRESS.convert(text, None, None) == address
    assert ADDRESS.convert(address, None, None) == address


@pytest.mark.parametrize("text", ["8443", "a:b", "a:65536", "::1:8443", "a:-1", "a:", "a:²"])
def test_other_texts_are_not_addresses(text: str) -> None:
    with pytest.raises(click.BadParameter):
        ADDRESS.convert(text, None, None)


@pytest.mark.slow
def test_a_server_without_manifests_says_why_it_does_not_start() -> None:
    result = run("serve", "--manifests", "nowhere")
    assert result.exit_code == 1
    assert result.stderr == "nadmit: nowhere: no such file or directory; name one that exists\n"


@pytest.mark.slow
def test_a_server_names_every_problem_of_its_manifests() -> None:
    result = run("serve", "--manifests", "inputs/unreadable")
    assert result.exit_code == 1
    assert result.stderr.startswith("nadmit: inputs/unreadable/template.yaml:1:5: ")


def test_a_tree_without_objects_is_a_wrong_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    result = run("check", "empty")
    assert result.exit_code == 2
    assert result.stderr == "empty: no Kubernetes object is found; put *.yaml, *.yml, *.json files there\n"


def test_a_file_without_objects_is_a_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# nothing\n---\n")
    result = run("check", str(tmp_path / "a.yaml"))
    assert result.exit_code == 2
    assert result.stderr.endswith("an object has apiVersion, kind and metadata; name what has one\n")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written_is_an_error() -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "webhook", "explain"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=_environ())
    assert done.returncode == 2
    assert done.stderr == (
        "nadmit: standard output cannot be written: no space left on device; make room, or write elsewhere\n"
    )


def test_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    form = " (compiled)" if options.is_compiled() else ""
    assert run("--version").stdout == f"nadmit {options.installed_version()}{form}\n"
    monkeypatch.setattr(options, "DISTRIBUTION", "no-such-distribution")
    assert options.installed_version() == "0+unknown"


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_of_the_table_is_there(name: str) -> None:
    with click.Context(nadmit) as context:
        command = nadmit.get_command(context, name)
    assert command is not None
    assert command.name == name


SCRIPT = """
import sys
from webhook.cli import nadmit
for arguments in (
    ["--help"],
    ["--version"],
    ["check", "tree"],
    ["review", "tree/blue/pods.yaml"],
    ["can-attach", "-n", "blue", "lan", "--manifests", "guarded"],
    ["rules", "-n", "blue", "--manifests", "guarded"],
):
    try:
        nadmit(arguments, prog_name="nadmit")
    except SystemExit:
        pass
    print("LOADED", arguments[0], sorted(set(sys.modules) & set(sys.argv[1:])))
"""


@pytest.mark.slow
def test_only_serve_pays_for_the_server() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *HEAVY], capture_output=True, text=True, check=True, cwd=HERE, env=_environ()
    )
    loaded = [line for line in done.stdout.splitlines() if line.startswith("LOADED")]
    commands = ("--help", "--version", "check", "review", "can-attach", "rules")
    assert loaded == [f"LOADED {command} []" for command in commands]


def _environ() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80"}


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A pseudo-terminal: the side that a person reads, and the side that the program writes to."""
    reader, writer = os.openpty()
    yield reader, writer
    os.close(reader)


@pytest.mark.slow
@pytest.mark.parametrize("files", [300, 301])
def test_a_large_tree_shows_progress_on_a_terminal(tmp_path: Path, terminal: tuple[int, int], files: int) -> None:
    for number in range(files):
        text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: pod-{number}}}\n"
        (tmp_path / f"{number}.yaml").write_text(text)
    reader, writer = terminal
    command = [sys.executable, "-m", "webhook", "check", str(tmp_path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=writer, check=True, cwd=HERE, env=_environ())
    os.write(writer, b".")
    os.close(writer)
    assert done.stdout == f"{files} objects in {files} files ({files} judged), 0 problems, 0 warnings\n".encode()
    assert (b"reading" in os.read(reader, 65536)) is (files > 300)


def test_a_review_of_a_deletion_warns_of_pods_in_the_tree(tmp_path: Path) -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: team-a, annotations: {%s: on-disk}}\nstatus: {phase: Running}\n"
    (tmp_path / "pod.yaml").write_text(pod % "k8s.v1.cni.cncf.io/networks")
    recording = ROOT / "examples/recordings/delete-network-attachment-definitions-on-disk.json"
    done = run("review", "--manifests", str(tmp_path), str(recording))
    assert done.exit_code == 0
    assert (
        "Warning: networkattachmentdefinition team-a/on-disk: 1 running pod uses network team-a/on-disk: it stays"
        in done.stderr
    )
    assert "networkattachmentdefinition.k8s.cni.cncf.io/on-disk allowed" in done.stdout
