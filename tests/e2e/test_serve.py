"""The server as a process: its verdicts, log, metrics, probes and end."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cniplugin.netspec import REVISION
from tests.e2e.process import RECORDINGS, Unanswered, serving
from tests.paths import EXAMPLES, ROOT

pytestmark = pytest.mark.slow


def test_the_demo_shows_every_verdict_as_expected() -> None:
    """The demo sends every recorded review over TLS."""
    done = subprocess.run([sys.executable, "examples/demo.py"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"(\d+) reviews, \d+ refused, [1-9] pods changed, \1 as expected", done.stdout)


def test_every_expected_verdict_is_in_use() -> None:
    names = {path.stem for path in RECORDINGS.glob("*.json")}
    expected = {path.stem for path in (EXAMPLES / "expected").glob("*.txt")}
    assert {name for name in expected - names if not name.startswith("variant-")} == set()
    assert names <= expected


def test_one_line_per_review_without_bodies(tmp_path: Path) -> None:
    body = (RECORDINGS / "create-pods-web-7b9fbb666b.json").read_bytes()
    with serving(tmp_path / "certs") as server:
        server.post(body)
        short = server.post((RECORDINGS / "create-pods-dry.json").read_bytes())
        patched = server.post((RECORDINGS / "create-pods-dry.json").read_bytes(), "/mutate")
        plain = server.post((RECORDINGS / "create-pods-plain.json").read_bytes(), "/mutate")
    assert server.process.returncode == 0
    listening, ready, denied, dry, mutated, unchanged = server.lines
    assert listening["event"] == "listening"
    assert (ready["event"], ready["networks"], ready["namespaces"]) == ("ready", 5, 4)
    assert denied["event"] == "review"
    assert denied["uid"] == json.loads(body)["request"]["uid"]
    assert (denied["kind"], denied["namespace"], denied["operation"]) == ("Pod", "team-b", "CREATE")
    assert (denied["decision"], denied["rules"]) == ("deny", ["PostureIsolated"])
    assert (dry["dry_run"], dry["decision"], dry["rules"]) == (True, "deny", ["resource-shortfall"])
    assert "a network needs 1 x intel.com/sriov_data" in short["status"]["message"]
    assert (mutated["path"], mutated["decision"]) == ("/mutate", "allow")
    assert mutated["operations"] == len(json.loads(base64.b64decode(patched["patch"]))) == 4
    assert (unchanged["decision"], "operations" in unchanged, "patch" in plain) == ("allow", False, False)
    assert "busybox" not in json.dumps(server.lines)
    assert len(server.errors.splitlines()) == 5
    assert "nadmit: INFO: ready after" in server.errors
    begun, ended = server.errors.splitlines()[-2:]
    assert begun.startswith("nadmit: INFO: drain begins: /readyz is 503, connections are accepted for 0 s more, then ")
    assert re.fullmatch(r"nadmit: INFO: drain ended: no request was cut off after 0\.\d s, \d answered", ended)


def test_paths_with_the_tokens_of_a_file(tmp_path: Path) -> None:
    """A client without a token gets 404 for each path, and no output contains a token."""
    body = (RECORDINGS / "create-pods-dry.json").read_bytes()
    (tmp_path / "tokens").write_text("0123456789abcdef\nfedcba9876543210\n")
    with serving(tmp_path / "certs", "--path-token-file", str(tmp_path / "tokens")) as server:
        for token in ("0123456789abcdef", "fedcba9876543210"):
            assert server.post(body, f"/validate/{token}?timeout=5s")["uid"]
        for path in ("/validate", "/mutate", "/validate/0123456789abcdee", "/0123456789abcdef"):
            with pytest.raises(Unanswered) as caught:
                server.post(body, path)
            assert caught.value.args[0] == 404
            assert "0123456789" not in caught.value.args[1]
        metrics = server.get("/metrics")[1]
    assert 'nadmit_http_responses_total{code="200",path="/validate"} 2.0' in metrics
    assert 'nadmit_refusals_total{reason="path"} 4.0' in metrics
    said = json.dumps(server.lines) + server.errors + metrics
    assert "0123456789" not in said
    assert "fedcba" not in said


def test_probes_and_metrics(tmp_path: Path) -> None:
    with serving(tmp_path / "certs", "--contact", "#net-team") as server:
        assert server.get("/healthz") == (200, "ok")
        assert server.get("/readyz") == (200, "ready")
        response = server.post((RECORDINGS / "create-pods-web-7b9fbb666b.json").read_bytes())
        assert "or ask #net-team for" in response["status"]["message"]
        status, text = server.get("/metrics")
    assert status == 200
    for line in (
        'nadmit_reviews_total{decision="deny",kind="Pod",operation="CREATE",path="/validate"} 1.0',
        'nadmit_findings_total{rule="PostureIsolated"} 1.0',
        'nadmit_review_seconds_count{path="/validate"} 1.0',
        'nadmit_http_responses_total{code="200",path="/validate"} 1.0',
        'nadmit_certificate_loads_total{result="ok"} 1.0',
        'nadmit_objects{kind="networks"} 5.0',
        f'nadmit_info{{netspec_revision="{REVISION}",version="0.1.0"}} 1.0',
    ):
        assert line in text, line
    assert re.search(r"nadmit_certificate_not_after_seconds 1\.\d+e\+09", text)


def test_no_label_has_a_value_that_a_client_chooses(tmp_path: Path) -> None:
    """Closed label sets: an unknown kind, operation or path counts as `other`."""
    review = json.loads((RECORDINGS / "create-pods-plain.json").read_text())
    review["request"]["kind"] = {"group": "evil", "version": "v1", "kind": "Label-1234"}
    review["request"]["operation"] = "OP-1234"
    with serving(tmp_path / "certs") as server:
        assert server.post(json.dumps(review).encode())["allowed"]
        text = server.get("/metrics")[1]
    assert "1234" not in text
    assert 'kind="other",operation="other"' in text


def test_a_status_writer_may_be_named(tmp_path: Path) -> None:
    """With --protect-network-status, or mode Deny, all other accounts are refused (side door 20)."""
    review = json.loads((RECORDINGS / "update-pods-status-bothpod.json").read_text())
    review["request"]["object"]["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"] = "[]"
    agent = "system:serviceaccount:net:agent"
    with serving(tmp_path / "certs", "--protect-network-status", "--status-writer", agent) as server:
        refused = server.post(json.dumps(review).encode())
        review["request"]["userInfo"]["username"] = agent
        allowed = server.post(json.dumps(review).encode())
    assert refused["status"]["details"]["causes"][0]["reason"] == "NetworkStatusProtected"
    assert allowed["allowed"]


def test_unreadable_policies_are_logged_at_the_start_and_still_decide(tmp_path: Path) -> None:
    tree = ROOT / "tests" / "webhook" / "commands" / "inputs" / "unreadable-policies"
    with serving(tmp_path / "certs", manifests=tree) as server:
        assert server.get("/readyz") == (200, "ready")
        metrics = server.get("/metrics")[1]
    lines = [line for line in server.errors.splitlines() if "WARNING" in line]
    assert len(lines) == 4
    assert lines[1].startswith(f'nadmit: WARNING: {tree}/all.yaml:22:7: NetworkAttachmentPolicy "typos": spec.att')
    assert 'nadmit_objects{kind="policies"} 1.0' in metrics
    assert 'nadmit_objects{kind="policyconfigs"} 1.0' in metrics
    assert server.lines[1]["event"] == "ready"
