"""The webhook without a cluster: recorded AdmissionReviews are sent to a real HTTPS server.

The program starts `nadmit serve` with `examples/cluster` on a loopback port, and sends it recorded reviews of an API
server over TLS, which it verifies with the generated CA. A new pod goes to /mutate first, and then with the changes to
/validate. The program prints each verdict as kubectl would, with the changes, and compares it with the expected one in
`examples/expected`. It ends with 0 if every verdict is as expected. `--write` writes the expected verdicts.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from webhook.admission.model.kinds import GroupKind
from webhook.admission.model.requests import Cause, Decision
from webhook.admission.mutation import jsonpatch
from webhook.report import diff, kubectl
from webhook.review import wire

HERE = Path(__file__).parent
NETWORKS = "k8s.v1.cni.cncf.io/networks"

VARIANTS = (
    ("a typo in a name", "data-plain"),
    ("a network of another namespace", "data-plane, infra/secret"),
    ("an address that no plugin can assign", '[{"name": "control-plane", "ips": ["10.9.0.5/24"]}]'),
    ("a key in the wrong letter case, which Go would read", '[{"name": "data-plane", "Namespace": "infra"}]'),
    ("several mistakes at once", '[{"name": "data-plane", "mac": "02:00", "ip": "10.9.0.5"}, null]'),
    ("an interface name that the kernel refuses", "data-plane@a-name-that-is-too-long"),
    ("a missing quote", '[{"name": "data-plane", "interface: "dp0"}]'),
)
"""(mistake, networks annotation): the pod `alice-pod` of team-a with that annotation."""


def reviews() -> Iterator[tuple[str, str, bytes]]:
    """Yield (name, title, body) of each review of the demo."""
    for path in sorted((HERE / "recordings").glob("*.json")):
        yield path.stem, path.stem, path.read_bytes()
    alice = (HERE / "recordings" / "create-pods-alice-pod.json").read_text()
    for number, (title, annotation) in enumerate(VARIANTS, start=1):
        review = json.loads(alice)
        review["request"]["object"]["metadata"]["annotations"][NETWORKS] = annotation
        yield f"variant-{number}", title, json.dumps(review).encode()


@contextmanager
def running_server(certs: Path) -> Iterator[tuple[str, int]]:
    """Start the server and yield its address when it is ready; stop it with SIGTERM."""
    command = [sys.executable, "-m", "webhook", "serve", "--manifests", str(HERE / "cluster"), "--cert-dir", str(certs)]
    command += ["--listen", "127.0.0.1:0", "--probe-listen", "127.0.0.1:0", "--drain-seconds", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            sys.exit(f"demo: the server did not start: {process.communicate()[1].strip()}")
        host, port = json.loads(line)["webhook"]
        try:
            yield host, port
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
            if process.returncode != 0:
                print(f"demo: the server ended with {process.returncode}", file=sys.stderr)


def ask(connection: http.client.HTTPSConnection, path: str, body: bytes) -> dict[str, Any]:
    """Send one review and return the `response` of the answer."""
    headers = {"Content-Type": "application/json", "User-Agent": "kube-apiserver-admission"}
    connection.request("POST", f"{path}?timeout=10s", body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"demo: HTTP {answer.status}: {text.decode()}")
    response: dict[str, Any] = json.loads(text)["response"]
    return response


def as_kubectl_shows_it(body: bytes, response: dict[str, Any]) -> str:
    """Return the lines that a kubectl user sees for an answer."""
    request = wire.decode(body)
    status = response.get("status", {})
    causes = status.get("details", {}).get("causes", ())
    decision = Decision(
        is_allowed=response["allowed"],
        code=status.get("code", 200),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        causes=tuple(Cause(cause["field"], cause["message"], cause["reason"]) for cause in causes),
        warnings=tuple(response.get("warnings", ())),
    )
    answer = kubectl.render(request, decision, webhook_name=kubectl.webhook_name(request.kind))
    return "\n".join([*kubectl.render_warnings(decision), answer]) + "\n"


def call_webhooks(connection: http.client.HTTPSConnection, body: bytes) -> tuple[dict[str, Any], bytes, list[str]]:
    """Call both webhooks as an API server does; return the last response, its review, and the changes."""
    review = json.loads(body)
    request, changes = review["request"], []
    if (request["kind"]["kind"], request["operation"]) == ("Pod", "CREATE"):
        mutated = ask(connection, "/mutate", body)
        if not mutated["allowed"]:
            return mutated, body, changes
        if "patch" in mutated:
            before = request["object"]
            request["object"] = jsonpatch.apply(json.loads(base64.b64decode(mutated["patch"])), before)
            name = kubectl.resource_name(GroupKind("", "Pod"), request["name"])
            changes = diff.render(before, request["object"], name=name)
            body = json.dumps(review).encode()
    return ask(connection, "/validate", body), body, changes


def check(name: str, text: str, *, write: bool) -> bool:
    """Compare a verdict with the expected one. With `write`, write it as the expected one first."""
    path = HERE / "expected" / f"{name}.txt"
    if write:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    expected = path.read_text() if path.exists() else ""
    if text != expected:
        print(f"  NOT AS EXPECTED ({path.relative_to(HERE.parent)}):\n{expected or '  (no such file)'}")
    return text == expected


class Verdict(NamedTuple):
    """The result of one review."""

    is_allowed: bool
    is_changed: bool
    is_expected: bool


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="demo.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the expected verdicts")
    write = parser.parse_args().write
    started = time.perf_counter()
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="nadmit-demo-") as folder, running_server(Path(folder)) as (host, port):
        trust = ssl.create_default_context(cafile=str(Path(folder) / "ca.crt"))
        connection = http.client.HTTPSConnection(host, port, context=trust, timeout=10)
        print(f"nadmit answers on https://{host}:{port} (verified with its own CA); the cluster is examples/cluster\n")
        for name, title, body in reviews():
            response, changed, changes = call_webhooks(connection, body)
            shown = changes if response["allowed"] else []
            text = as_kubectl_shows_it(changed, response) + "".join(f"{line}\n" for line in shown)
            print(f"# {title}\n{text}")
            verdicts.append(Verdict(response["allowed"], bool(shown), check(name, text, write=write)))
        connection.close()
    as_expected = sum(verdict.is_expected for verdict in verdicts)
    refused = sum(not verdict.is_allowed for verdict in verdicts)
    changed_pods = sum(verdict.is_changed for verdict in verdicts)
    seconds = time.perf_counter() - started
    print(
        f"{len(verdicts)} reviews, {refused} refused, {changed_pods} pods changed, {as_expected} as expected, "
        f"in {seconds:.1f} s"
    )
    return 0 if as_expected == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
