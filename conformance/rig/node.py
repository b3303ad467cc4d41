"""A node with one pod: the subject, its configuration, its API server, its delegates and the container."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from conformance.placeholders import fill
from conformance.subject import Plugin, Subject

from .clusterserver import DEFAULT_KEY, NAMESPACE, NETWORKS_KEY, POD, STATUS_KEY, TOKEN, ClusterServer
from .container import Container, ip
from .daemon import RunningDaemon
from .outcome import Outcome
from .recorder import Call, Delegates

CALL_S = 40.0
_KILLED_S = 1.0
ADD, DEL, CHECK, GC, STATUS, VERSION = "ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"
DEFAULT = "cluster"
"""The type of the recorder that is the default network of a case, and the name of that network."""
CNI_VERSION = "1.0.0"
DEVICE_INFO, KUBELET = Path("/run/k8s.cni.cncf.io/devinfo"), Path("/var/lib/kubelet")
"""Where every node has them; /run and /var/lib are file systems of the run."""
SERVICE_ACCOUNT = Path("/run/secrets/kubernetes.io/serviceaccount")

Json = dict[str, Any]
_numbers = itertools.count(1)


def _open_when_read(path: Path, outcome: Future[Outcome]) -> int:
    """Open a named pipe for writing as soon as a process reads it."""
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        assert not wait([outcome], timeout=0.005).done, f"ADD ended before its delegate waited: {outcome.result()}"


class Node:
    """What all cases of a run share: folders, API server, delegates, the daemon of the subject."""

    def __init__(self, subject: Subject, work: Path) -> None:
        assert subject.plugin is not None
        self.subject = subject
        self.plugin: Plugin = subject.plugin
        self.work = work
        self.api = ClusterServer()
        self.bin_dir, self.conf_dir, self.state = (self._folder(name) for name in ("bin", "conf", "state"))
        self.delegates = Delegates(self.bin_dir)
        self.values = {
            "work": str(work),
            "here": str(subject.here),
            "binDir": str(self.bin_dir),
            "confDir": str(self.conf_dir),
            "state": str(self.state),
            "deviceInfoDir": str(DEVICE_INFO),
            "kubeletDir": str(KUBELET),
            "kubeconfig": str(work / "kubeconfig"),
            "python": os.environ.get("CONFORMANCE_PYTHON", "python3"),
            "host": "127.0.0.1",
            "port": str(self.api.port),
        }
        self.daemon = (
            None if subject.daemon is None else RunningDaemon(subject.daemon, self.values, work / "daemon.log")
        )

    def _folder(self, name: str) -> Path:
        path = self.work / name
        path.mkdir(parents=True)
        return path

    def __enter__(self) -> Self:
        self.api.__enter__()
        try:
            self.write_kubeconfig()
            if self.daemon is not None:
                self._write_service_account()
                self.daemon.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if self.daemon is not None:
            self.daemon.stop()
        self.api.close()

    def write_kubeconfig(self, **changes: str) -> None:
        """Write the kubeconfig of the subject. `changes`: `server` or `token`."""
        authority = self.work / "ca.crt"
        authority.write_text(self.api.ca, encoding="utf-8")
        cluster = {"server": changes.get("server", self.api.url), "certificate-authority": str(authority)}
        value = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": changes.get("token", TOKEN)}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        Path(self.values["kubeconfig"]).write_text(json.dumps(value), encoding="utf-8")

    def _write_service_account(self) -> None:
        """Give the daemon the account of a pod. NB: /run is a file system of the suite's own."""
        SERVICE_ACCOUNT.mkdir(parents=True, exist_ok=True)
        for name, text in (("token", TOKEN), ("ca.crt", self.api.ca), ("namespace", "kube-system")):
            (SERVICE_ACCOUNT / name).write_text(text, encoding="utf-8")

    def recover(self) -> None:
        """After a delegate has killed its caller: start the daemon again, if that was the caller."""
        if self.daemon is not None:
            self.daemon.wait_for_end(_KILLED_S)
            self.ensure_daemon()

    def ensure_daemon(self) -> None:
        """Start the daemon again if it has ended."""
        if self.daemon is not None and not self.daemon.is_running():
            self.daemon.restart()


class Case:
    """One test: a container, and a pod with it. After the test nothing of the pod is left on the node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.api = node.api
        self.delegates = node.delegates
        self.number = next(_numbers)
        self.container = Container(f"conf-{os.getpid()}-{self.number}")
        self.container_id = f"conf{os.getpid()}x{self.number}"
        self.uid = ""
        self.default_network: Json = self.config(DEFAULT, name=DEFAULT)
        self.last_result: Json | None = None

    def __enter__(self) -> Self:
        self.delegates.reset()
        self.api.reset()
        for path in (self.node.conf_dir, DEVICE_INFO, KUBELET):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        self.delegates.install(DEFAULT)
        self.node.ensure_daemon()
        self.container.make()
        self.pod()
        return self

    def __exit__(self, *error: object) -> None:
        """Detach what is left, also of a test that failed. NB: the test decides whether that succeeds, not this."""
        self.api.heal()
        self.node.write_kubeconfig()
        self.delegates.forget_scripts()
        self.node.ensure_daemon()
        try:
            self.delete()
        finally:
            self.container.remove()
            for link in json.loads(ip("-j", "link", "show")):
                if link["ifname"] != "lo":
                    subprocess.run(["ip", "link", "delete", link["ifname"]], check=False, capture_output=True)

    # The cluster

    def config(self, kind: str, *, capabilities: Sequence[str] = (), **keys: Any) -> Json:
        """Return the configuration of one plugin, and install a recorder of its type unless it is a real plugin."""
        self.delegates.install(kind)
        declared = {"capabilities": dict.fromkeys(capabilities, True)} if capabilities else {}
        made = {"cniVersion": CNI_VERSION, "type": kind, **declared, **keys}
        return {key: value for key, value in made.items() if value is not None}

    def chain(self, *plugins: Json, **keys: Any) -> Json:
        """Return a list of plugins, without versions of their own."""
        inner = [{key: value for key, value in one.items() if key not in {"cniVersion", "name"}} for one in plugins]
        return {"cniVersion": CNI_VERSION, **keys, "plugins": inner}

    def define(
        self,
        name: str,
        config: object = ...,
        *,
        namespace: str = NAMESPACE,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        """Put a definition; without a configuration it is a recorder of the same type as the name."""
        given = self.config(name) if config is ... else config
        self.api.put_definition(name, given, namespace=namespace, annotations=annotations)

    def pod(
        self,
        networks: object = None,
        *,
        default: str | None = None,
        annotations: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> None:
        """Put the pod. A selection that is not a text becomes JSON."""
        text = networks if isinstance(networks, str) or networks is None else json.dumps(networks)
        given = {NETWORKS_KEY: text, DEFAULT_KEY: default, **(annotations or {})}
        self.uid = self.api.put_pod({key: value for key, value in given.items() if value is not None}, **fields)

    # The runtime

    def configuration(self, **changes: Any) -> Json:
        """Return the configuration of the subject; a change to None removes the key."""
        values = {**self.node.values, "defaultNetwork": self.default_network}
        made = {**fill(self.node.plugin.configuration, values), **changes}
        return {key: value for key, value in made.items() if value is not None}

    def environ(self, verb: str, **changes: str | None) -> dict[str, str]:
        """Return the environment of a call; a change to None removes the variable."""
        pairs = {
            "IgnoreUnknown": "1",
            "K8S_POD_NAMESPACE": NAMESPACE,
            "K8S_POD_NAME": POD,
            "K8S_POD_INFRA_CONTAINER_ID": self.container_id,
            "K8S_POD_UID": self.uid,
        }
        made: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": self.container_id,
            "CNI_NETNS": self.container.path,
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": ";".join(f"{key}={value}" for key, value in pairs.items()),
            "CNI_PATH": str(self.node.bin_dir),
            **changes,
        }
        return {key: value for key, value in made.items() if value is not None}

    def command(self) -> list[str]:
        """Return the command of the subject."""
        return [str(word) for word in fill(list(self.node.plugin.command), self.node.values)]

    def call(self, verb: str, configuration: object = None, /, **environ: str | None) -> Outcome:
        """Run the subject. A configuration that is a text goes to stdin as it is."""
        given = self.configuration() if configuration is None else configuration
        text = given if isinstance(given, str) else json.dumps(given)
        began = time.monotonic()
        with subprocess.Popen(
            self.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environ(verb, **environ),
            cwd=self.node.work,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                out, err = process.communicate(text, timeout=CALL_S)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise AssertionError(f"{verb}: no answer within {CALL_S:.0f} s") from None
        return Outcome(process.returncode, out, err, time.monotonic() - began)

    def add(self, **changes: Any) -> Outcome:
        """ADD, with changes of the configuration. Its result goes to the DEL and CHECK that follow."""
        outcome = self.call(ADD, self.configuration(**changes))
        if outcome.code == 0:
            self.last_result = outcome.answer()
        return outcome

    def delete(self, **changes: Any) -> Outcome:
        """DEL."""
        return self.call(DEL, self.configuration(**{"prevResult": self.last_result, **changes}))

    def check(self, **changes: Any) -> Outcome:
        """CHECK."""
        return self.call(CHECK, self.configuration(**{"prevResult": self.last_result, **changes}))

    def collect(self, *valid: tuple[str, str], **changes: Any) -> Outcome:
        """GC. `valid`: container and interface of each attachment that is in use."""
        known = [{"containerID": container, "ifname": ifname} for container, ifname in valid]
        made = self.configuration(**{"cniVersion": "1.1.0", "cni.dev/valid-attachments": known, **changes})
        return self.call(GC, made, CNI_CONTAINERID=None, CNI_NETNS=None, CNI_IFNAME=None, CNI_ARGS=None)

    def status(self, **changes: Any) -> Outcome:
        """STATUS."""
        made = self.configuration(**{"cniVersion": "1.1.0", **changes})
        return self.call(STATUS, made, CNI_CONTAINERID=None, CNI_NETNS=None, CNI_IFNAME=None, CNI_ARGS=None)

    def version(self, cni_version: str = CNI_VERSION) -> Outcome:
        """VERSION."""
        gone = {"CNI_CONTAINERID": None, "CNI_NETNS": None, "CNI_IFNAME": None, "CNI_ARGS": None, "CNI_PATH": None}
        return self.call(VERSION, {"cniVersion": cni_version}, **gone)

    @contextmanager
    def adding(self, kind: str) -> Iterator[Future[Outcome]]:
        """Run the block while the ADD of a recorder waits."""
        path = self.node.work / f"hold-{self.number}"
        os.mkfifo(path)
        self.delegates.script(kind, ADD, {"hold": str(path)})
        with ThreadPoolExecutor(1) as pool:
            outcome = pool.submit(self.add)
            pipe = _open_when_read(path, outcome)
            try:
                yield outcome
            finally:
                os.close(pipe)
                path.unlink()

    # What is seen

    def calls(self, verb: str | None = None, kind: str | None = None) -> list[Call]:
        """Return the calls of the recorders, of one verb and one type, or of all."""
        return self.delegates.calls(verb, kind)

    def the_call(self, verb: str, kind: str) -> Call:
        """Return the only call of a verb and a type."""
        found = self.calls(verb, kind)
        assert len(found) == 1, f"{kind} must get one {verb}; it got {len(found)}"
        return found[0]

    def network_status(self) -> list[Json]:
        """Return the network-status of the pod; [] without one."""
        text = self.api.pod()["metadata"].get("annotations", {}).get(STATUS_KEY)
        found = [] if text is None else json.loads(text)
        assert isinstance(found, list), f"network-status is not a list: {text}"
        return found

    def status_of(self, ifname: str) -> Json:
        """Return the entry of an interface in network-status."""
        found = [entry for entry in self.network_status() if entry.get("interface") == ifname]
        assert len(found) == 1, f"one entry of network-status must be of {ifname}: {self.network_status()}"
        return found[0]

    def left(self, also: Callable[[Path], bool] = lambda _: True) -> list[str]:
        """Return what is left of the container: links, and files in the folders of the rig that name it."""
        folders = (self.node.state, DEVICE_INFO, Path("/var/lib/cni"), Path("/run/cni"))
        files = [path for folder in folders if folder.exists() for path in sorted(folder.rglob("*"))]
        named = [str(path) for path in files if path.is_file() and self._names(path) and also(path)]
        return [*self.container.links(), *named]

    def _names(self, path: Path) -> bool:
        """Say whether a file is about the container. NB: an empty file, such as a lock, is not a trace."""
        if not path.stat().st_size:
            return False
        return self.container_id in path.name or self.container_id in path.read_text(encoding="utf-8", errors="replace")
