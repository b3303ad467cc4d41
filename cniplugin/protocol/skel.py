"""Being a CNI plugin: environment and stdin to an `Invocation`, results and errors to JSON (CNI 1.1 §2, §5).

As cni pkg/skel, with these differences:

- An error has `cniVersion`, as CNI 1.1 §5 asks and skel does not do.
- VERSION answers in the version it was asked in (CNI 1.1 §2).
- A network namespace that is the host's is refused before anything is done in it, not after.
- CNI_ARGS that cannot be read fail ADD and CHECK; DEL takes what it can read, since it must not fail for ever.
- Keys that stand twice in the configuration are refused (netspec.jsontext).
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
from cniplugin.netspec.versions import VERSION_WHEN_ABSENT, VERSIONS, number

from . import netconf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Command = Callable[["Invocation"], Mapping[str, Any] | None]

ABOUT = f"CNI plugin nadmit: attaches a pod to several networks\nCNI protocol versions supported: {', '.join(VERSIONS)}"

CONF_BYTES_MAX = 16 * 1_048_576
"""GC lists every attachment of the node; 100,000 of them are 10 MB."""

LOGGED_DETAILS_MAX = 20
LOGGED_CHARACTERS_MAX = 2_000
"""Of an error, in the log: a delegate may have printed anything."""

_SINCE = {"ADD": "0.1.0", "DEL": "0.1.0", "CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0", "VERSION": "0.1.0"}
"""The verbs, and the version of CNI that brought them (skel.go:258-336)."""

_REQUIRED = {
    "CNI_CONTAINERID": ("ADD", "CHECK", "DEL"),
    "CNI_NETNS": ("ADD", "CHECK"),
    "CNI_IFNAME": ("ADD", "CHECK", "DEL"),
    "CNI_PATH": ("ADD", "CHECK", "DEL", "GC", "STATUS"),
}
"""Variables and the verbs that cannot do without (CNI 1.1 §3; skel.go:62-142)."""

_IN_THE_POD = ("ADD", "DEL")
"""Verbs that must not be given the host's network namespace (skel.go:250-257, 285-292)."""


class Invocation(Record):
    """One call of this plugin by a runtime. What was not given is "".

    `args` is the text of CNI_ARGS, `pod_args` its K8S_POD_* pairs. `path` are the directories of CNI_PATH. `conf` is
    the configuration from stdin, never changed; VERSION may have any. `environ` is the whole environment.
    """

    command: str
    container_id: str
    netns: str
    ifname: str
    args: str
    pod_args: Mapping[str, str]  # never changed
    path: tuple[str, ...]
    conf: dict[str, Any]  # never changed
    cni_version: str
    environ: Mapping[str, str]


def read_invocation(environ: Mapping[str, str], read_stdin: Callable[[], bytes]) -> Invocation:
    """Return what the runtime asks for.

    Raises CniError: 4 for the environment (all missing variables in one message), 5 if stdin cannot be read, 6 if it
    is no JSON object, 7 if the network's name is missing or wrong. Versions are for `check_version`.
    """
    command = environ["CNI_COMMAND"]
    if command not in _SINCE:
        raise CniError(INVALID_ENVIRONMENT, f"unknown CNI_COMMAND: {command}")
    _check_environment(command, environ)
    args = environ.get("CNI_ARGS", "")
    text = _read_text(read_stdin)
    conf = _read_object(text) if command == "VERSION" else _read_conf(text)
    return Invocation(
        command=command,
        container_id=environ.get("CNI_CONTAINERID", ""),
        netns=environ.get("CNI_NETNS", ""),
        ifname=environ.get("CNI_IFNAME", ""),
        args=args,
        pod_args=_read_pod_args(args, is_strict=command in {"ADD", "CHECK"}),
        path=tuple(filter(None, environ.get("CNI_PATH", "").split(":"))),
        conf=conf,
        cni_version=_version_of(conf),
        environ=environ,
    )


def check_version(invocation: Invocation) -> None:
    """Raise CniError 1 if we do not speak the configuration's version, or if that version has no such verb."""
    version = invocation.cni_version
    if version not in VERSIONS:
        details = f'config is "{version}", plugin supports {jsontext.quote(VERSIONS)}'
        raise CniError(VERSION_INCOMPATIBLE, "incompatible CNI versions", details)
    since = _SINCE[invocation.command]
    if number(version) < number(since):
        details = f'config is "{version}", {invocation.command} is part of CNI since {since}'
        raise CniError(VERSION_INCOMPATIBLE, f"config version does not allow {invocation.command}", details)


def check_netns(invocation: Invocation) -> None:
    """Raise CniError 8 if CNI_NETNS is our own namespace, the host's; CNI_NETNS_OVERRIDE=TRUE or 1 allows it."""
    if invocation.command not in _IN_THE_POD or not invocation.netns:
        return
    if invocation.environ.get("CNI_NETNS_OVERRIDE", "").upper() in {"TRUE", "1"}:
        return
    try:
        given, own = os.stat(invocation.netns), os.stat("/proc/self/ns/net")  # noqa: PTH116  # pathlib costs 5 ms
    except (OSError, ValueError):  # a namespace that is gone is none of ours
        return
    if (given.st_dev, given.st_ino) == (own.st_dev, own.st_ino):
        msg = "plugin's netns and netns from CNI_NETNS should not be the same"
        raise CniError(INVALID_NETNS, msg, f"CNI_NETNS is {invocation.netns}")


def render_version(conf_text: str) -> str:
    """Return the answer to VERSION, in the version that was asked in; our newest if it names none (CNI 1.1 §5)."""
    return jsontext.quote({"cniVersion": _version_in(conf_text), "supportedVersions": VERSIONS})


def render_error(error: CniError, cni_version: str) -> str:
    """Return the error as JSON (CNI 1.1 §5); `details` is left out when there is nothing in it."""
    value = {"cniVersion": cni_version, "code": error.code, "msg": error.msg}
    return jsontext.quote({**value, "details": error.details} if error.details else value)


def from_spec_errors(errors: SpecErrors) -> CniError:
    """Return what breaks the standard as CNI says it: 6 for what is no JSON, else 7; the first one, then the rest."""
    first, *more = errors
    code = DECODE_FAILURE if first.rule.startswith("json-") else INVALID_NETWORK_CONFIG
    lines = [*([first.excerpt] if first.excerpt else []), *(render(error) for error in more)]
    return CniError(code, render(first), "\n".join(lines))


def run(
    environ: Mapping[str, str],
    stdin: Callable[[], bytes],
    stdout: Callable[[bytes], object],
    commands: Mapping[str, Command],
) -> int:
    """Serve one call of a runtime and return the exit code.

    `stdin` reads everything, `stdout` writes all it is given; it is called at most once, with one line of JSON.
    `commands` has a function for each verb but VERSION; it returns the JSON object to print, or None. Whatever it
    raises becomes a CNI error: a bug has code 999, and its traceback goes to stderr. Without a command: what we are.
    The log has the outcome, but for VERSION, after the runtime has its answer.
    """
    if not environ.get("CNI_COMMAND"):
        sys.stderr.write(ABOUT + "\n")
        return 0
    LOG.begin(environ["CNI_COMMAND"], environ.get("CNI_CONTAINERID", ""))
    given: list[bytes] = []

    def read_once() -> bytes:
        given.append(stdin())
        return given[0]

    failure: CniError | None = None
    try:
        text, tell = _serve(environ, read_once, commands), LOG.error
    except Exception as error:  # noqa: BLE001  # the last one who can say it in JSON
        is_expected = isinstance(error, CniError | SpecErrors)
        failure, tell = _cni_error(error), LOG.error if is_expected else LOG.panic
        text = render_error(failure, _version_in(given[0].decode("utf-8", "replace") if given else ""))
    is_heard = not text or _is_written(text, stdout)
    if failure is not None:
        _log_failure(failure, tell)
    elif is_heard and environ["CNI_COMMAND"] != "VERSION":
        LOG.done()
    LOG.end()
    return 1 if failure or not is_heard else 0


def _is_written(text: str, stdout: Callable[[bytes], object]) -> bool:
    try:
        stdout(text.encode("utf-8", "backslashreplace") + b"\n")
    except OSError as error:
        LOG.error(f"the runtime is gone and did not get its answer, it will ask for DEL: {error.strerror}")
        return False
    return True


def _log_failure(failure: CniError, tell: Callable[[str], None]) -> None:
    """Log an error with what else there is to it, each in a line that is not too long."""
    tell(f"failed ms={LOG.ms_since(LOG.started)} code={failure.code}: {failure.msg[:LOGGED_CHARACTERS_MAX]}")
    for line in failure.details.splitlines()[:LOGGED_DETAILS_MAX]:
        tell(f"detail: {line[:LOGGED_CHARACTERS_MAX]}")


def claim_stdout() -> Callable[[bytes], object]:
    """Return a writer to stdout and send all else that is printed to stderr, so that JSON stays alone."""
    own = os.dup(1)
    os.dup2(2, 1)

    def write(data: bytes) -> None:
        while data:
            data = data[os.write(own, data) :]

    return write


def _serve(environ: Mapping[str, str], read_stdin: Callable[[], bytes], commands: Mapping[str, Command]) -> str:
    invocation = read_invocation(environ, read_stdin)
    if invocation.command == "VERSION":
        return render_version(jsontext.quote(invocation.conf))
    _set_up_log(invocation)
    check_version(invocation)
    check_netns(invocation)
    result = commands[invocation.command](invocation)
    return "" if result is None else jsontext.quote(result)


def _set_up_log(invocation: Invocation) -> None:
    """Have all that follows told where the configuration says, even if something else in it is refused."""
    conf, given = netconf.parse_log(invocation.conf), invocation.pod_args
    name = given.get("K8S_POD_NAME", "")
    LOG.tell_of(invocation.container_id, f"{given.get('K8S_POD_NAMESPACE', '')}/{name}" if name else "")
    LOG.set_up(file=conf.log_file, level=conf.log_level, to_stderr=conf.log_to_stderr, options=conf.log_options)


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
    needed = [name for name, commands in _REQUIRED.items() if command in commands]
    missing = [name for name in needed if not environ.get(name)]
    if missing:
        raise CniError(INVALID_ENVIRONMENT, f"required env variables [{','.join(missing)}] missing")
    if "CNI_CONTAINERID" in needed and not names.is_network_name(environ["CNI_CONTAINERID"]):
        allowed = "letters, digits, '_', '.' and '-', starting with a letter or digit"
        shown = show(environ["CNI_CONTAINERID"])
        raise CniError(INVALID_ENVIRONMENT, f"CNI_CONTAINERID has other characters: {shown}; allowed: {allowed}")
    problem = names.interface_problem(environ["CNI_IFNAME"]) if "CNI_IFNAME" in needed else None
    if problem:
        shown, allowed = show(environ["CNI_IFNAME"]), names.ALLOWED_INTERFACE
        raise CniError(INVALID_ENVIRONMENT, f"CNI_IFNAME: {problem}: {shown}; allowed: {allowed}")


def _read_text(read_stdin: Callable[[], bytes]) -> str:
    try:
        return read_stdin().decode()
    except OSError as error:
        raise CniError(IO_FAILURE, f"error reading from stdin: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        msg = f"the configuration on stdin is not UTF-8 from byte {error.start} on"
        raise CniError(DECODE_FAILURE, msg) from error


def _read_conf(text: str) -> dict[str, Any]:
    """Return the configuration, with a name (skel.go:166-175, 216-230)."""
    try:
        conf = jsontext.parse(text, what="the configuration on stdin", bytes_max=CONF_BYTES_MAX, section="CNI 1.1 §2")
    except SpecErrors as errors:
        raise from_spec_errors(errors) from errors
    if not isinstance(conf, dict):
        raise CniError(DECODE_FAILURE, f"the configuration on stdin is no object: {show(conf)}")
    version, name = conf.get("cniVersion"), conf.get("name")
    if not isinstance(version, str | None):
        raise CniError(DECODE_FAILURE, f"cniVersion: wrong JSON type: {show(version)}; allowed: a string")
    if not isinstance(name, str | None):
        raise CniError(DECODE_FAILURE, f"name: wrong JSON type: {show(name)}; allowed: a string")
    if not name:
        raise CniError(INVALID_NETWORK_CONFIG, "name: the network has no name")
    if not names.is_network_name(name):
        allowed = "letters, digits, '_', '.' and '-', starting with a letter or digit"
        msg = f"name: the network name has other characters: {show(name)}; allowed: {allowed}"
        raise CniError(INVALID_NETWORK_CONFIG, msg)
    return conf


def _read_object(text: str) -> dict[str, Any]:
    """Return the object that a text holds, or an empty one."""
    try:
        value = jsontext.parse(text, what="the configuration on stdin", bytes_max=CONF_BYTES_MAX)
    except SpecErrors:
        return {}
    return value if isinstance(value, dict) else {}


def _version_of(conf: Mapping[str, object]) -> str:
    version = conf.get("cniVersion")
    return version if isinstance(version, str) and version else VERSION_WHEN_ABSENT


def _version_in(conf_text: str) -> str:
    """Return the version to answer in: the configuration's as it is written, or our newest."""
    version = _read_object(conf_text).get("cniVersion")
    return version if isinstance(version, str) and version else VERSIONS[-1]


def _read_pod_args(args: str, *, is_strict: bool) -> dict[str, str]:
    """Return the K8S_POD_* pairs of CNI_ARGS, `k=v;k=v`; a value may have "=" in it, of one key the last counts."""
    found: dict[str, str] = {}
    for pair in filter(None, args.split(";")):
        key, equals, value = pair.partition("=")
        if is_strict and not (key and equals):
            raise CniError(INVALID_ENVIRONMENT, f'CNI_ARGS: {show(pair)} is no pair; allowed: "key=value;key=value"')
        if equals and key.startswith("K8S_POD_"):
            found[key] = value
    return found
