"""Signals and changing files: a real process rereads its tree, configuration, tokens and certificate, and never ends by it."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from certs.authority import Pair, issue_ca, issue_leaf, make_key, parse_name, render_certificate, render_key
from tests.e2e.process import CLUSTER, RECORDINGS, Served, Unanswered, command, serving
from tests.fakes.apiserver import ApiServer
from tests.fakes.installed import MAPS, OWN, SECRETS, install, is_registered, options
from tests.fakes.objects import write_kubeconfig
from tests.fakes.waiting import wait_until
from tests.paths import ROOT
from tests.webhook.configuration.texts import BAD, HONOR, OFF

pytestmark = pytest.mark.slow
PLAIN = (RECORDINGS / "create-pods-plain.json").read_bytes()
NETWORK = """\
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {{name: {name}, namespace: team-a}}
spec: {{config: '{{"cniVersion": "1.0.0", "name": "{name}", "type": "macvlan"}}'}}
"""
NOW = datetime.now(UTC)


def metric(server: Served, name: str) -> float:
    """Return a sample; 0 for one that has not been counted yet."""
    return next(
        (float(line.split()[-1]) for line in server.get("/metrics")[1].splitlines() if line.startswith(f"{name} ")), 0.0
    )


def networks(server: Served) -> float:
    return metric(server, 'nadmit_objects{kind="networks"}')


def hang_up(server: Served) -> None:
    server.process.send_signal(signal.SIGHUP)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CLUSTER, tmp_path / "tree"))


class Authority:
    """An authority that is not nadmit's, and the leaves that it issues."""

    def __init__(self) -> None:
        key = make_key()
        self.pair = Pair(issue_ca(key, now=NOW - timedelta(days=1)), key)

    def write(self, directory: Path, *, now: datetime = NOW, has_ca: bool = False) -> None:
        """Write a pair as the API server puts it into a Secret of type kubernetes.io/tls."""
        directory.mkdir()
        key = make_key()
        names = [parse_name(name) for name in ("localhost", "127.0.0.1")]
        (directory / "tls.crt").write_bytes(render_certificate(issue_leaf(self.pair, key, names, now=now)))
        (directory / "tls.key").write_bytes(render_key(key))
        (directory / "tls.key").chmod(0o600)
        if has_ca:
            (directory / "ca.crt").write_bytes(self.pem)

    @property
    def pem(self) -> bytes:
        return render_certificate(self.pair.certificate)


def mount(secret: Path, number: int, authority: Authority, *, has_ca: bool, now: datetime = NOW) -> None:
    """Put a version of a Secret into a directory as the kubelet does: by a swap of the link ..data."""
    secret.mkdir(exist_ok=True)
    authority.write(secret / f"..{number}", now=now, has_ca=has_ca)
    (secret / "..new").symlink_to(f"..{number}")
    (secret / "..new").replace(secret / "..data")
    for file in (secret / f"..{number}").iterdir():
        if not (secret / file.name).is_symlink():
            (secret / file.name).symlink_to(f"..data/{file.name}")


def serial(server: Served) -> str:
    """Return the serial number of the served leaf, verified."""
    trust = ssl.create_default_context(cafile=str(server.ca))
    with (
        socket.create_connection(server.webhook, timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        found = connection.getpeercert()
    assert found is not None
    return str(found["serialNumber"])


def test_sighup_reads_everything_again(tmp_path: Path, tree: Path) -> None:
    config, tokens, schemas = tmp_path / "config.yaml", tmp_path / "tokens", tmp_path / "schemas"
    config.write_bytes(HONOR)
    tokens.write_text("0123456789abcdef\n")
    schemas.mkdir()
    (schemas / "own.yaml").write_text("type: own-plugin\nkind: main\nsource: ours\nkeys: {}\n")
    more = ("--config", str(config), "--path-token-file", str(tokens), "--plugin-schemas", str(schemas))
    with serving(tmp_path / "certs", *more, manifests=tree) as server:
        first = serial(server)
        assert networks(server) == 5
        (tree / "more.yaml").write_text(NETWORK.format(name="more"))
        config.write_bytes(OFF)
        tokens.write_text("fedcba9876543210\n")
        (schemas / "other.yaml").write_text("type: other-plugin\nkind: main\nsource: ours\nkeys: {}\n")
        (tmp_path / "certs" / "tls.crt").unlink()  # a start makes it anew
        hang_up(server)
        wait_until(lambda: serial(server) != first)
        wait_until(lambda: networks(server) == 6)
        assert server.post(PLAIN, "/validate/fedcba9876543210")["allowed"]
        with pytest.raises(Unanswered):
            server.post(PLAIN, "/validate/0123456789abcdef")
        seen = json.loads(server.get("/configz")[1])
        assert seen["configuration"]["injection"]["enabled"] is False
        assert seen["pluginTypes"]["other-plugin"] == "--plugin-schemas"
        hang_up(server)
        assert server.post(PLAIN, "/validate/fedcba9876543210")["allowed"]
    assert server.process.returncode == 0
    line = next(line for line in server.errors.splitlines() if "SIGHUP: " in line)
    for source in (
        f"tree {tree}: read, in force",
        f"configuration {config}: read, in force",
        f"path tokens {tokens}: read, in force",
        f"plugin schemas {schemas}: read, in force",
        f"certificate {tmp_path}/certs/tls.crt: read, in force",
    ):
        assert source in line


def test_sighup_with_everything_broken_changes_nothing(tmp_path: Path, tree: Path) -> None:
    config, tokens = tmp_path / "config.yaml", tmp_path / "tokens"
    config.write_bytes(HONOR)
    tokens.write_text("0123456789abcdef\n")
    with serving(
        tmp_path / "certs", "--config", str(config), "--path-token-file", str(tokens), manifests=tree
    ) as server:
        first = serial(server)
        (tree / "networks.yaml").write_text("a: [1\nb: 2\n")
        config.write_bytes(BAD)
        tokens.write_text("TOO-SHORT\n")
        (tmp_path / "certs" / "tls.crt").write_text("garbage")
        for _ in range(3):
            hang_up(server)
        wait_until(lambda: json.loads(server.get("/configz")[1])["refused"])
        wait_until(lambda: metric(server, 'nadmit_certificate_loads_total{result="error"}') == 1)
        assert server.get("/readyz") == (200, "ready")
        assert (networks(server), serial(server)) == (5, first)
        assert server.post(PLAIN, "/validate/0123456789abcdef")["allowed"]
    assert server.process.returncode == 0
    assert f"{tree}/networks.yaml:2:" in server.errors
    assert f"nadmit: WARNING: the tree {tree} is refused; what was in force stays; correct it" in server.errors
    assert "TOO-SHORT" not in server.errors
    line = next(line for line in server.errors.splitlines() if "SIGHUP: " in line)
    assert line.count(": refused, what was in force stays") == 4


def test_sighup_reads_the_objects_of_a_cluster_again(tmp_path: Path) -> None:
    """The ConfigMap, which an idle replica reads each five minutes, and the Secret, which it reads each 45 s."""
    with ApiServer() as api:
        install(api)
        more = options(write_kubeconfig(tmp_path / "kubeconfig", api.url))
        with serving(tmp_path / "certs", *more, manifests=None) as server:
            wait_until(lambda: server.get("/readyz") == (200, "ready"), lambda: server.get("/readyz"))
            wait_until(lambda: is_registered(api))

            def reads() -> tuple[int, int]:
                asked = [request.path for request in api.get_requests()]
                return asked.count(f"{MAPS}/nadmit-webhook"), asked.count(f"{SECRETS}/nadmit-tls")

            for _ in range(2):
                before = reads()
                hang_up(server)
                wait_until(lambda: all(now > then for now, then in zip(reads(), before, strict=True)), within_s=30)  # noqa: B023
    assert server.process.returncode == 0
    assert (
        f"nadmit: INFO: SIGHUP: ConfigMap {OWN}/nadmit-webhook: is being read; Secret {OWN}/nadmit-tls: "
        in server.errors
    )


def test_a_tree_is_followed_without_a_signal(tmp_path: Path, tree: Path) -> None:
    with serving(tmp_path / "certs", manifests=tree) as server:
        (tree / "more.yaml").write_text(NETWORK.format(name="more"))
        wait_until(lambda: networks(server) == 6, within_s=20)
        shutil.rmtree(tree)
        log: list[str] = []
        wait_until(lambda: "is refused" in log_so_far(server, log), within_s=20)
        assert networks(server) == 6
        shutil.copytree(CLUSTER, tree)
        wait_until(lambda: networks(server) == 5, within_s=20)
    assert f"{tree}: no such file or directory; name one that exists" in "".join(log)
    assert server.errors.count(f"nadmit: INFO: tree in force: {tree}: 5 networks, 4 namespaces") == 1


def log_so_far(server: Served, log: list[str]) -> str:
    """Add what is new on standard error to a list, and return all of it."""
    assert server.process.stderr is not None
    descriptor = server.process.stderr.fileno()
    if select.select([descriptor], [], [], 0)[0]:
        log.append(os.read(descriptor, 1 << 20).decode())
    return "".join(log)


def test_signals_that_do_nothing(tmp_path: Path) -> None:
    with serving(tmp_path / "certs") as server:
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
            server.process.send_signal(number)
            assert server.post(PLAIN)["allowed"]
    assert server.process.returncode == 0


def test_sighup_does_not_end_a_start(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path / "certs"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    with process:
        status = Path(f"/proc/{process.pid}/status")
        wait_until(lambda: _catches(status, signal.SIGHUP))
        process.send_signal(signal.SIGHUP)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "listening"
        assert process.stderr is not None
        for line in process.stderr:
            if "SIGHUP: " in line:
                break
        else:
            raise AssertionError("the signal was forgotten")
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


def _catches(status: Path, number: signal.Signals) -> bool:
    caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("has_ca", [False, True], ids=["pair alone", "with ca.crt"])
def test_a_mounted_secret_is_served_and_followed_and_never_written(tmp_path: Path, *, has_ca: bool) -> None:
    secret, authority = tmp_path / "secret", Authority()
    mount(secret, 1, authority, has_ca=has_ca)
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    (secret / "..1").chmod(0o555)
    secret.chmod(0o555)
    before = sorted(path.name for path in secret.iterdir())
    with serving(secret) as server:
        server.ca = tmp_path / "ca.crt"
        first = serial(server)
        assert server.post(PLAIN)["allowed"]
        hang_up(server)
        assert sorted(path.name for path in secret.iterdir()) == before
        secret.chmod(0o755)
        mount(secret, 2, authority, has_ca=has_ca)
        wait_until(lambda: serial(server) != first, within_s=20)
        assert server.post(PLAIN)["allowed"]
    assert server.process.returncode == 0
    assert f"{secret} has a certificate of somebody else, without ca.key: it is served as it is" in server.errors
    assert "WARNING" not in server.errors


def test_a_given_pair_gets_no_tokens_beside_it(tmp_path: Path) -> None:
    """A server that registers itself keeps tokens of paths in --cert-dir; not in a Secret of somebody else."""
    secret, authority = tmp_path / "secret", Authority()
    mount(secret, 1, authority, has_ca=True)
    before = sorted(path.name for path in secret.iterdir())
    with ApiServer() as api:
        install(api)
        more = ("--kubeconfig", str(write_kubeconfig(tmp_path / "kubeconfig", api.url)), "--namespace", OWN)
        with serving(secret, *more, "--webhook-configuration", "nadmit", manifests=None) as server:
            wait_until(lambda: is_registered(api))
    assert sorted(path.name for path in secret.iterdir()) == before
    assert "registered paths have no token" in server.errors


def test_a_certificate_that_is_not_valid_yet_is_a_warning(tmp_path: Path) -> None:
    """It is served; a client with the right clock refuses it."""
    secret, authority = tmp_path / "secret", Authority()
    mount(secret, 1, authority, has_ca=True, now=NOW + timedelta(hours=2))
    with serving(secret) as server:
        assert server.get("/readyz") == (200, "ready")
        assert metric(server, "nadmit_certificate_not_before_seconds") > NOW.timestamp() + 3600
        with pytest.raises(ssl.SSLCertVerificationError, match="not yet valid"):
            server.post(PLAIN)
        mount(secret, 2, authority, has_ca=True)
        wait_until(partial(_answers, server), within_s=20)
    assert f"nadmit: WARNING: certificate file {secret}/tls.crt: not valid before 20" in server.errors
    assert "an API server with the same clock refuses it until then; compare the clocks, or renew it" in server.errors


def _answers(server: Served) -> bool:
    try:
        return bool(server.post(PLAIN)["allowed"])
    except ssl.SSLCertVerificationError:
        return False
