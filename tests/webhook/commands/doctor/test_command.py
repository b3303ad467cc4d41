"""The command: its output in golden files, its exit codes, and the form for an init container."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests import golden_files as golden
from tests.fakes.apiserver import Answer, failure
from tests.fakes.objects import write_kubeconfig
from tests.paths import ROOT
from webhook.cli import nadmit

from .doctorworld import DEPLOYMENT, OWN, SECRET, TOKEN, World, authority, healthy, leaf, pod


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with healthy(tmp_path) as made:
        yield made


def steady(text: str) -> str:
    """Return an output without what differs in each run."""
    text = re.sub(r"http://127\.0\.0\.1:\d+", "https://192.0.2.1:6443", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\dZ", "2026-11-29 10:00Z", text)
    text = re.sub(r"in 1 day, 23:5\d:\d\d", "in 1 day, 23:55:00", text)
    return re.sub(r"(until|in) \d{4}-\d\d-\d\d", r"\1 2027-11-29", text)


def break_much(world: World) -> None:
    """The first minutes of an installation from a clone, and some older sins."""
    world.version = "v1.36.1"
    world.pods[OWN] = [pod("nadmit-webhook-7d9f-x2x4p", "nadmit-webhook", on="n1", waiting="ErrImagePull")]
    world.change(DEPLOYMENT, lambda value: value["status"].update(availableReplicas=0))
    world.denied.add(("networkattachmentpolicies", "watch"))
    world.serve(leaf(authority(), days=2))
    world.warnings.clear()
    world.register("Observe")
    world.install_node_plugin(attached_by="multus", image="nadmit-node:0.0.9")
    world.renew("n2", time.time() + 75)
    world.forbidden.append("/apis/coordination.k8s.io/v1/namespaces/nadmit-system")


def test_golden_healthy(world: World) -> None:
    done = world.run()
    assert done.exit_code == 0
    golden.compare("doctor/healthy.txt", steady(done.output))


def test_golden_broken(world: World) -> None:
    break_much(world)
    done = world.run()
    assert done.exit_code == 1
    golden.compare("doctor/broken.txt", re.sub(r"n2 \(7\d s\)", "n2 (75 s)", steady(done.output)))


def test_golden_init(world: World) -> None:
    done = world.run("--init", "--namespace", OWN)
    assert done.exit_code == 0
    golden.compare("doctor/init.txt", steady(done.output))


def test_the_page_shows_what_is_printed_and_has_every_check() -> None:
    page = (ROOT / "docs/doctor.md").read_text()
    shown = page.partition("changes nothing\n")[2].partition("```")[0].splitlines()
    printed = (golden.ROOT / "doctor/broken.txt").read_text().splitlines()
    assert len(shown) > 5
    assert [line for line in shown if line not in printed] == ["..."]
    checks = {line[9:25].strip() for line in printed} - {""}
    assert [check for check in checks if line_of(check) not in page and "," not in check] == []


def line_of(check: str) -> str:
    """Return the beginning of a check's row in the table of the page."""
    return f"| `{check}` |"


def test_no_stale_golden_files() -> None:
    assert golden.stale("doctor", {"healthy.txt", "broken.txt", "init.txt"}) == []


def test_json_has_every_result_and_the_counts(world: World) -> None:
    world.denied.add(("secrets", "get"))
    done = world.run("--output", "json")
    value = json.loads(done.stdout)
    assert done.exit_code == 1
    assert value["version"] == "0.1.0"
    (wrong,) = [one for one in value["results"] if one["level"] != "ok"]
    assert (wrong["check"], wrong["level"], len(wrong["fixes"])) == ("rights", "error", 2)
    assert value["counts"] == {"ok": len(value["results"]) - 1, "warning": 0, "error": 1, "unknown": 0}


def test_strict_counts_warnings_and_what_is_unknown(world: World) -> None:
    assert world.run("--strict").exit_code == 0
    world.forbidden.append(SECRET)
    assert world.run().exit_code == 0
    assert world.run("--strict").exit_code == 1


def test_no_private_key_is_printed(world: World) -> None:
    for words in ((), ("-o", "json"), ("--init", "-n", OWN)):
        printed = world.run(*words).output
        assert not [secret for secret in ("c2VjcmV0", "BEGIN", TOKEN) if secret in printed]


def test_an_api_server_that_does_not_answer(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")
    done = CliRunner().invoke(nadmit, ["doctor", "--kubeconfig", str(kubeconfig)])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("nadmit: http://127.0.0.1:1: cannot be reached: connection refused; ")


def test_refused_credentials_end_the_examination(world: World) -> None:
    world.api.token = "right"
    ours = world.api.instead
    world.api.instead = lambda request: failure(401, "Unauthorized") if "deployments" in request.path else ours(request)
    done = world.run()
    assert done.exit_code == 2
    assert "the credentials are refused" in done.stderr


def test_a_kubeconfig_that_cannot_be_used(tmp_path: Path) -> None:
    done = CliRunner().invoke(nadmit, ["doctor", "--kubeconfig", str(tmp_path / "none")])
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--namespace", "Not A Name"], "does not name a namespace"),
        (["--output", "yaml"], "'yaml' is not one of"),
        (["--", "--tls-secret=x"], "'--tls-secret=x': options of serve belong to --init."),
    ],
)
def test_wrong_options(words: list[str], says: str) -> None:
    done = CliRunner().invoke(nadmit, ["doctor", *words])
    assert done.exit_code == 2
    assert says in done.output


# The form for an init container: it never keeps a pod from starting


def test_init_ends_with_0_whatever_it_finds(world: World) -> None:
    world.denied.update({("secrets", "get"), ("pods", "list")})
    world.api.delete(SECRET)
    done = world.run("--init", "--namespace", OWN)
    assert done.exit_code == 0
    assert "error    rights          this account lacks 2 of 47 rights: list pods, get secrets" in done.output
    assert f"Secret {OWN}/nadmit-tls: there is none, so no replica can start" in done.output


def test_init_with_the_options_of_serve(world: World) -> None:
    """Other options need other rights, and no Secret."""
    world.api.delete(SECRET)
    done = world.run("--init", "-n", OWN, "-o", "json", "--", "--tls-cert-file", "/certs/tls.crt", "--no-watch-pods")
    found = {one["check"]: one for one in json.loads(done.stdout)["results"]}
    assert found["rights"]["text"] == "this account has all 19 rights that it uses"
    assert found["certificate"]["level"] == "ok"


def test_init_before_there_is_a_certificate(world: World) -> None:
    world.change(SECRET, lambda value: value.update(data={}))
    assert "it is empty; the first replica makes the certificate" in world.run("--init", "-n", OWN).output


def test_init_without_an_api_server(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")
    done = CliRunner().invoke(nadmit, ["doctor", "--init", "--kubeconfig", str(kubeconfig)])
    assert done.exit_code == 0
    assert done.output.startswith("unknown  api server      http://127.0.0.1:1: cannot be reached")


def test_init_without_a_kubeconfig(tmp_path: Path) -> None:
    done = CliRunner().invoke(nadmit, ["doctor", "--init", "--kubeconfig", str(tmp_path / "none")])
    assert done.exit_code == 0
    assert done.output.startswith("unknown  api server ")


def test_init_gives_up_when_its_time_is_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.commands.doctor.doctorcommand.INIT_S", 1.0)
    world.api.next_answers.extend([*[Answer()] * 4, Answer(after_s=4)])  # the version and three kinds, then a right
    began = time.monotonic()
    done = world.run("--init", "-n", OWN)
    assert done.exit_code == 0
    assert time.monotonic() - began < 4
    assert "no answer in time" in done.output
