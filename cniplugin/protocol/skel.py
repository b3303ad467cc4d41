"""This process as a CNI plugin: environment and stdin to an `Invocation`, results and errors to JSON (CNI 1.1 §2, §5).

As cni pkg/skel, with these differences:

- An error has `cniVersion`. CNI 1.1 §5 requires it; skel leaves it out.
- The answer to VERSION has the version of the request (CNI 1.1 §2).
- The network namespace of the host is refused before the verb does anything, not after.
- Malformed CNI_ARGS fail ADD and CHECK. DEL uses the pairs that it can read, because it must not fail for ever.
- A configuration with a duplicate key is refused (netspec.jsontext).
"""

from __future__ import annotations

import os
import sys

from cniplugin.cnierrors import (
    DECODE_FAILURE,
    INTERNAL,
    INVALID_ENVIRONMENT,
    INVALID_NETNS,
    INVALID_NETWORK_CONFIG,
    IO_FAILURE,
    VERSION_INCOMPATIBLE,
    CniError,
)
from cniplugin.host.log import LOG
from cniplugin.netspec import jsontext, names
from cniplugin.netspec.errors import SpecErrors, render, show
from cniplugin.netspec.record import Record
from cniplugin.netspec.versions import VERSIONS, number

from . import cniargs, netconf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .netconf import NetConf

    Command = Callable[["Invocation"], Mapping[str, Any] | None]
    LoadCommands = Callable[[], Mapping[str, Command]]

ABOUT = f"CNI plugin nadmit: attaches a pod to several networks\nCNI protocol versions supported: {', '.join(VERSIONS)}"

CONF_BYTES_MAX = 16 * 1_048_576
"""GC lists every attachment of the node; 100,000 of them are 10 MB."""

LOGGED_DETAILS_MAX = 20
LOGGED_CHARACTERS_MAX = 2_000
"""Limits of an error in the log; a delegate can print anything."""

_SINCE = {"ADD": "0.1.0", "DEL": "0.1.0", "CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0", "VERSION": "0.1.0"}
"""The verbs, each with the first version of CNI that has it (skel.go:258-336)."""

_REQUIRED = {
    "CNI_CONTAINERID": ("ADD", "CHECK", "DEL"),
    "CNI_NETNS": ("ADD", "CHECK"),
    "CNI_IFNAME": ("ADD", "CHECK", "DEL"),
    "CNI_PATH": ("ADD", "CHECK", "DEL", "GC", "STATUS"),
}
"""Variables, each with the verbs that require it (CNI 1.1 §3; skel.go:62-142)."""

_IN_THE_POD = ("ADD", "DEL")
"""Verbs that refuse the network namespace of the host (skel.go:250-257, 285-292)."""

OWN_NETNS = "/proc/self/ns/net"
_STDIN = "the configuration on stdin"


class Invocation(Record):
    """One call of this plugin by a runtime. A variable that is absent is "".

    `args` is CNI_ARGS as given; `pod_namespace`, `pod_name` and `pod_uid` are its K8S_POD_* values. `path` has the
    directories of CNI_PATH. `environ` is the whole environment.
    """

    command: str
    container_id: str
    netns: str
    ifname: str
    args: str
    pod_namespace: str
    pod_name: str
    pod_uid: str
    path: tuple[str, ...]
    conf: NetConf
    environ: Mapping[str, str]

    @property
    def owner(self) -> str:
        """The pod as errors name it, or the container if CNI_ARGS have no pod."""
        return f"pod {self.pod_namespace}/{self.pod_name}" if self.pod_name else f"container {self.container_id}"


class Stdin:
    """The configuration of this call, read once. `version`: the CNI version of the answer; our newest by default."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self.version = VERSIONS[-1]

    def load(self) -> object:
        """Return the JSON value. Raises CniError 5 if stdin cannot be read, 6 if it is not UTF-8; SpecErrors."""
        try:
            text = self._read().decode()
        except OSError as error:
            raise CniError(IO_FAILURE, f"error reading from stdin: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise CniError(DECODE_FAILURE, f"{_STDIN} is not UTF-8 from byte {error.start} on") from error
        conf = jsontext.parse(text, what=_STDIN, bytes_max=CONF_BYTES_MAX, section="CNI 1.1 §2")
        version = conf.get("cniVersion") if isinstance(conf, dict) else None
        if isinstance(version, str) and version:
            self.version = version
        return conf


def read_invocation(environ: Mapping[str, str], stdin: Stdin) -> Invocation:
    """Return the request of the runtime. Sets up the log by the configuration, before it can be refused.

    Raises SpecErrors if stdin is not JSON, and CniError: 4 for the environment (all missing variables in one message),
    5 if stdin cannot be read, 6 if it is not an object, 7 if the configuration is wrong, 1 for its version, 8 for
    CNI_NETNS.
    """
    command, container_id, args = (
        environ["CNI_COMMAND"],
        environ.get("CNI_CONTAINERID", ""),
        environ.get("CNI_ARGS", ""),
    )
    _check_environment(command, environ)
    raw = _check_object(stdin.load())
    pod = cniargs.read_pod(args, is_strict=command in {"ADD", "CHECK"})
    namespace, name = pod.get("K8S_POD_NAMESPACE", ""), pod.get("K8S_POD_NAME", "")
    reading = netconf.read(raw)
    conf = reading.conf
    invocation = Invocation(
        command=command,
        container_id=container_id,
        netns=environ.get("CNI_NETNS", ""),
        ifname=environ.get("CNI_IFNAME", ""),
        args=args,
        pod_namespace=namespace,
        pod_name=name,
        pod_uid=pod.get("K8S_POD_UID", ""),
        path=tuple(filter(None, environ.get("CNI_PATH", "").split(":"))),
        conf=conf,
        environ=environ,
    )
    LOG.set_subject(container_id, f"{namespace}/{name}" if name else "")
    LOG.set_up(
        file=conf.log_file,
        level=conf.log_level,
        to_stderr=conf.log_to_stderr,
        options=conf.log_options,
        is_for_failures=not conf.has_log_file,
    )
    check_version(command, conf.cni_version)
    check_netns(command, environ)
    try:
        warnings = reading.check(command)
    except CniError as error:
        raise (error.of(invocation.owner) if container_id else error) from error
    for warning in warnings:
        LOG.verbose(f"warning: {warning}")
    return invocation


def check_version(command: str, version: str) -> None:
    """Raise CniError 1 if this plugin does not support the version, or if the version does not have the verb."""
    if version not in VERSIONS:
        details = f'config is "{version}", plugin supports {jsontext.quote(VERSIONS)}'
        raise CniError(VERSION_INCOMPATIBLE, "incompatible CNI versions", details)
    since = _SINCE[command]
    if number(version) < number(since):
        details = f'config is "{version}", {command} is part of CNI since {since}'
        raise CniError(VERSION_INCOMPATIBLE, f"config version does not allow {command}", details)


def check_netns(command: str, environ: Mapping[str, str]) -> None:
    """Raise CniError 8 if CNI_NETNS is our own namespace, that of the host, unless CNI_NETNS_OVERRIDE is TRUE or 1."""
    netns = environ.get("CNI_NETNS", "")
    if command not in _IN_THE_POD or not netns or allows_own_netns(environ):
        return
    try:
        given, own = os.stat(netns), os.stat(OWN_NETNS)  # noqa: PTH116  # pathlib costs 5 ms
    except (OSError, ValueError):  # a namespace that is gone is not ours
        return
    if (given.st_dev, given.st_ino) == (own.st_dev, own.st_ino):
        msg = "plugin's netns and netns from CNI_NETNS should not be the same"
        raise CniError(INVALID_NETNS, msg, f"CNI_NETNS is {netns}")


def allows_own_netns(environ: Mapping[str, str]) -> bool:
    """Say whether the runtime allows the network namespace of the host (skel.go:250-257)."""
    return environ.get("CNI_NETNS_OVERRIDE", "").upper() in {"TRUE", "1"}


def render_version(stdin: Stdin) -> str:
    """Return the answer to VERSION, in the version of the request or else in our newest (CNI 1.1 §5)."""
    try:  # noqa: SIM105  # contextlib costs 1 ms
        stdin.load()
    except SpecErrors:
        pass
    return jsontext.quote({"cniVersion": stdin.version, "supportedVersions": VERSIONS})


def render_error(error: CniError, cni_version: str) -> str:
    """Return the error as JSON (CNI 1.1 §5), without `details` if they are empty."""
    value = {"cniVersion": cni_version, "code": error.code, "msg": error.msg}
    return jsontext.quote({**value, "details": error.details} if error.details else value)


def from_spec_errors(errors: SpecErrors) -> CniError:
    """Return problems as a CNI error: 6 for text that is not JSON, else 7. The first is `msg`, the others `details`."""
    first, *more = errors
    code = DECODE_FAILURE if first.rule in jsontext.RULES else INVALID_NETWORK_CONFIG
    lines = [*([first.excerpt] if first.excerpt else []), *(render(error) for error in more)]
    return CniError(code, render(first), "\n".join(lines))


def run(
    environ: Mapping[str, str],
    stdin: Callable[[], bytes],
    stdout: Callable[[bytes], object],
    load_commands: LoadCommands,
) -> int:
    """Serve one call of a runtime and return the exit code.

    `stdin` reads everything. `stdout` writes everything; it is called at most once, with one line of JSON.
    `load_commands` returns a function for each verb but VERSION. The function returns the JSON object to print, or
    None. An exception becomes a CNI error; a bug has code 999, and its traceback goes to stderr. Without CNI_COMMAND,
    the process prints ABOUT. The outcome is logged when the runtime has its answer.
    """
    command = environ.get("CNI_COMMAND")
    if not command:
        sys.stderr.write(ABOUT + "\n")
        return 0
    LOG.begin(command, environ.get("CNI_CONTAINERID", ""))
    conf = Stdin(stdin)
    failure: CniError | None = None
    report = LOG.error
    try:
        text = _serve(environ, conf, load_commands)
    except Exception as error:  # noqa: BLE001  # a bug must reach the runtime as JSON too
        failure = _cni_error(error)
        report = LOG.error if isinstance(error, CniError | SpecErrors) else LOG.panic
        text = render_error(failure, conf.version)
    is_delivered = not text or _write(text, stdout)
    if failure is not None:
        _log_failure(failure, report)
    elif is_delivered and command != "VERSION":
        LOG.done()
    return 1 if failure or not is_delivered else 0


def _write(text: str, stdout: Callable[[bytes], object]) -> bool:
    """Write the answer; say whether the runtime could get it."""
    try:
        stdout(text.encode("utf-8", "backslashreplace") + b"\n")
    except OSError as error:
        LOG.error(f"the runtime is gone and did not get its answer, it will ask for DEL: {error.strerror}")
        return False
    return True


def _log_failure(failure: CniError, report: Callable[[str], None]) -> None:
    """Log an error and its details, in lines of bounded length."""
    report(f"failed ms={LOG.ms_since(LOG.started)} code={failure.code}: {failure.msg[:LOGGED_CHARACTERS_MAX]}")
    for line in failure.details.splitlines()[:LOGGED_DETAILS_MAX]:
        report(f"detail: {line[:LOGGED_CHARACTERS_MAX]}")


def claim_stdout() -> Callable[[bytes], object]:
    """Return a writer to stdout, and redirect file descriptor 1 to stderr, so that nothing mixes with the JSON."""
    own = os.dup(1)
    os.dup2(2, 1)

    def write(data: bytes) -> None:
        while data:
            data = data[os.write(own, data) :]

    return write


def _serve(environ: Mapping[str, str], stdin: Stdin, load_commands: LoadCommands) -> str:
    command = environ["CNI_COMMAND"]
    if command == "VERSION":
        return render_version(stdin)
    invocation = read_invocation(environ, stdin)
    result = load_commands()[command](invocation)
    return "" if result is None else jsontext.quote(result)


def _cni_error(error: Exception) -> CniError:
    if isinstance(error, CniError):
        return error
    if isinstance(error, SpecErrors):
        return from_spec_errors(error)
    if LOG.is_on_stderr:
        sys.excepthook(type(error), error, error.__traceback__)
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    code = place.tb_frame.f_code if place is not None else None
    where = f"{code.co_filename}:{place.tb_lineno} in {code.co_name}" if place is not None and code is not None else ""
    return CniError(INTERNAL, f"internal error: {type(error).__name__}: {error}", where)


def _check_environment(command: str, environ: Mapping[str, str]) -> None:
    if command not in _SINCE:
        raise CniError(INVALID_ENVIRONMENT, f"unknown CNI_COMMAND: {command}")
    needed = [name for name, commands in _REQUIRED.items() if command in commands]
    missing = [name for name in needed if not environ.get(name)]
    if missing:
        raise CniError(INVALID_ENVIRONMENT, f"required env variables [{','.join(missing)}] missing")
    if "CNI_CONTAINERID" in needed and not names.is_network_name(environ["CNI_CONTAINERID"]):
        shown = show(environ["CNI_CONTAINERID"])
        raise CniError(
            INVALID_ENVIRONMENT, f"CNI_CONTAINERID has other characters: {shown}; allowed: {names.ALLOWED_NETWORK_NAME}"
        )
    problem = names.interface_problem(environ["CNI_IFNAME"]) if "CNI_IFNAME" in needed else None
    if problem:
        shown, allowed = show(environ["CNI_IFNAME"]), names.ALLOWED_INTERFACE
        raise CniError(INVALID_ENVIRONMENT, f"CNI_IFNAME: {problem}: {shown}; allowed: {allowed}")


def _check_object(conf: object) -> dict[str, Any]:
    """Return the configuration if it is an object with a name (skel.go:166-175, 216-230)."""
    if not isinstance(conf, dict):
        raise CniError(DECODE_FAILURE, f"{_STDIN} is not an object: {show(conf)}")
    for key in ("cniVersion", "name"):
        if not isinstance(conf.get(key), str | None):
            raise CniError(DECODE_FAILURE, f"{key}: wrong JSON type: {show(conf[key])}; allowed: a string")
    name = conf.get("name")
    if not name:
        raise CniError(INVALID_NETWORK_CONFIG, "name: the network has no name")
    if not names.is_network_name(name):
        msg = f"name: the network name has other characters: {show(name)}; allowed: {names.ALLOWED_NETWORK_NAME}"
        raise CniError(INVALID_NETWORK_CONFIG, msg)
    return conf
