"""A subject file: the program that is tested, how it is started and configured, and what is known to differ.

    implementation: {organization: ..., project: ..., url: ..., version: ..., contact: [...]}
    profiles: [npwg-1.3-core, ...]
    plugin:
      command: [path, argument ...]
      configuration: {cniVersion: 1.0.0, type: ..., kubeconfig: "{kubeconfig}", delegates: ["{defaultNetwork}"]}
    daemon: {command: [...], environment: {}, files: {path: content}, ready: {socket: path}}
    webhook: {address: ..., authority: file, definitions: {path, operations}, pods: ..., changes: ...}
    deviations: [{tests: ["npwgcore/test_x.py::test_y*", ...], reason: ...}]
    notApplicable: [{tests: ..., reason: ...}]

`$NAME` and `${NAME}` in a text are variables of the environment. The rig fills in `{name}` later; the names are those
of `rig.node.Node.values`. A key that nobody reads is an error.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .profilelist import BY_NAME

Json = dict[str, Any]
_LISTS = ("deviations", "notApplicable")


class SubjectError(Exception):
    """The subject file cannot be used; the text says where and why."""


class MissingVariableError(SubjectError):
    """The subject file needs a variable of the environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """Who made the program. `version` may be the output of a command, which the suite runs."""

    organization: str
    project: str
    url: str
    version: str = ""
    version_command: Sequence[str] = ()
    contact: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """How the plugin is called, and its configuration with placeholders."""

    command: Sequence[str]
    configuration: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A process that must run beside the plugin or is the webhook.

    `ready`: a socket, a file or a port that appears, or a URL that is answered with 200.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    files: Mapping[str, Any]
    ready: Mapping[str, Any]
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where reviews of one kind go, and the operations for which the webhook is registered."""

    path: str
    operations: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """The routes of a webhook, by `definitions`, `pods` and `changes`; one that is absent is not served.

    `address` is `host:port` of a webhook that runs already, `authority` the file of its certificate's authority, and
    `server_name` a name in the certificate, if that is not the host. They are "" if the suite starts the webhook, as
    the subject's daemon. `objects`: what the API server has for it, besides the cluster of `hooks.testcluster`.
    `features`: those of FEATURES that its settings switch on, with the labels, annotations and keys of
    `hooks.testcluster`, within `settles_s` after its start.
    """

    address: str
    authority: str
    server_name: str
    routes: Mapping[str, Route]
    objects: Sequence[Json]
    features: frozenset[str]
    settles_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """Tests that are known to fail, or that do not apply, by name or pattern, and why."""

    tests: str
    reason: str

    def matches(self, test: str) -> bool:
        """Say whether a test belongs to it."""
        return test == self.tests or fnmatch.fnmatchcase(test, self.tests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject file. `here` is its folder."""

    here: Path
    implementation: Implementation
    profiles: Sequence[str]
    plugin: Plugin | None
    daemon: Daemon | None
    webhook: Webhook | None
    deviations: Sequence[Deviation]
    not_applicable: Sequence[Deviation]

    def deviation_of(self, test: str) -> Deviation | None:
        """Return the deviation that a test belongs to."""
        return _matching(self.deviations, test)

    def inapplicable(self, test: str) -> Deviation | None:
        """Return the reason why a test is not run."""
        return _matching(self.not_applicable, test)


def _matching(rows: Sequence[Deviation], test: str) -> Deviation | None:
    return next((one for one in rows if one.matches(test)), None)


def load_subject(path: Path) -> Subject:
    """Read a subject file. Raises SubjectError."""
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SubjectError(f"{path}: the subject cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SubjectError(f"{path}: the subject is not YAML: {' '.join(str(error).split())}") from error
    try:
        return _read(path.resolve().parent, value)
    except SubjectError as error:
        raise type(error)(f"{path}: {error}") from error


def _read(here: Path, value: object) -> Subject:
    root = _mapping(value, "the file")
    _known(root, "", "implementation", "profiles", "plugin", "daemon", "webhook", *_LISTS)
    profiles = [str(name) for name in _list(root.get("profiles"), "profiles")]
    for name in profiles:
        if name not in BY_NAME:
            raise SubjectError(f"profiles: there is no profile {name!r}; allowed: {', '.join(BY_NAME)}")
    return Subject(
        here=here,
        implementation=_implementation(_mapping(root.get("implementation"), "implementation")),
        profiles=profiles,
        plugin=_plugin(_mapping(root["plugin"], "plugin")) if "plugin" in root else None,
        daemon=_daemon(_mapping(root["daemon"], "daemon")) if "daemon" in root else None,
        webhook=_webhook(_mapping(root["webhook"], "webhook")) if "webhook" in root else None,
        deviations=_deviations(root, "deviations"),
        not_applicable=_deviations(root, "notApplicable"),
    )


def _implementation(value: Json) -> Implementation:
    _known(value, "implementation.", "organization", "project", "url", "version", "versionCommand", "contact")
    return Implementation(
        organization=_text(value, "implementation.organization"),
        project=_text(value, "implementation.project"),
        url=_text(value, "implementation.url"),
        version=_version(value),
        version_command=_words(value.get("versionCommand") or [], "implementation.versionCommand"),
        contact=_words(value.get("contact") or [], "implementation.contact"),
    )


def _version(value: Json) -> str:
    """NB: YAML reads 1.10 without quotes as the number 1.1."""
    version = value.get("version", "")
    if not isinstance(version, str):
        raise SubjectError(f"implementation.version: it must be a text; write it in quotes: {version!r}")
    return str(expand(version))


def _plugin(value: Json) -> Plugin:
    _known(value, "plugin.", "command", "configuration")
    configuration = _mapping(value.get("configuration"), "plugin.configuration")
    if not isinstance(configuration.get("type"), str):
        raise SubjectError("plugin.configuration.type: it must be the name of the plugin")
    return Plugin(command=_words(value.get("command"), "plugin.command"), configuration=expand(configuration))


def _daemon(value: Json) -> Daemon:
    _known(value, "daemon.", "command", "environment", "files", "ready", "timeoutSeconds")
    ready = _mapping(value.get("ready"), "daemon.ready")
    if len(ready) != 1 or not ready.keys() <= {"socket", "file", "port", "url"}:
        raise SubjectError("daemon.ready: exactly one of socket, file, port and url is needed")
    environment = expand(_mapping(value.get("environment") or {}, "daemon.environment"))
    return Daemon(
        command=_words(value.get("command"), "daemon.command"),
        environment={str(key): str(text) for key, text in environment.items()},
        files=expand(_mapping(value.get("files") or {}, "daemon.files")),
        ready=expand(ready),
        timeout_s=_seconds(value.get("timeoutSeconds", 30), "daemon.timeoutSeconds"),
    )


FEATURES = ("pod-information", "hugepages", "resource-name-keys", "annotations-by-label")
"""What a webhook may put into pods beside resources and node selectors, or read beside one annotation."""
ROUTES = ("definitions", "pods", "changes")


def _webhook(value: Json) -> Webhook:
    _known(value, "webhook.", "address", "authority", "serverName", "objects", "features", "settlesSeconds", *ROUTES)
    made = Webhook(
        address=str(expand(value.get("address", ""))),
        authority=str(expand(value.get("authority", ""))),
        server_name=str(expand(value.get("serverName", ""))),
        routes={name: _route(_mapping(value[name], f"webhook.{name}"), name) for name in ROUTES if name in value},
        objects=[
            expand(_mapping(one, "webhook.objects[]")) for one in _list(value.get("objects") or [], "webhook.objects")
        ],
        features=_features(value.get("features") or []),
        settles_s=_seconds(value.get("settlesSeconds", 1), "webhook.settlesSeconds"),
    )
    if not made.routes:
        raise SubjectError(f"webhook: it serves nothing; at least one of {', '.join(ROUTES)} is needed")
    if made.address and not re.fullmatch(r".+:\d{1,5}", made.address):
        raise SubjectError(f"webhook.address: it is {made.address!r}; allowed: host:port")
    if bool(made.address) != bool(made.authority):
        raise SubjectError("webhook: address and authority belong together: give both, or a daemon")
    return made


def _features(value: object) -> frozenset[str]:
    names = [str(name) for name in _list(value, "webhook.features")]
    for name in names:
        if name not in FEATURES:
            raise SubjectError(f"webhook.features: there is no feature {name!r}; allowed: {', '.join(FEATURES)}")
    return frozenset(names)


def _route(value: Json, name: str) -> Route:
    _known(value, f"webhook.{name}.", "path", "operations")
    operations = [str(word) for word in _list(value.get("operations"), f"webhook.{name}.operations")]
    return Route(path=_text(value, f"webhook.{name}.path"), operations=operations)


def _deviations(root: Json, key: str) -> list[Deviation]:
    return [each for one in _list(root.get(key) or [], key) for each in _deviation(one, f"{key}[]")]


def _deviation(value: object, where: str) -> list[Deviation]:
    """Return a row for each name: `tests` is one name or pattern, or a list of them."""
    one = _mapping(value, where)
    _known(one, f"{where}.", "tests", "reason")
    tests, reason = one.get("tests"), " ".join(_text(one, f"{where}.reason").split())
    names = tests if isinstance(tests, list) else [_text(one, f"{where}.tests")]
    return [Deviation(tests=str(name), reason=reason) for name in names]


def expand(value: Any) -> Any:
    """Replace the variables of the environment in each text. Raises MissingVariableError."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _variable(found[1] or found[2]), value)
    if isinstance(value, list):
        return [expand(one) for one in value]
    if isinstance(value, dict):
        return {expand(key) if isinstance(key, str) else key: expand(one) for key, one in value.items()}
    return value


_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")


def _variable(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise MissingVariableError(f"the variable {name} of the environment is not set") from None


def _mapping(value: object, where: str) -> Json:
    if not isinstance(value, dict):
        raise SubjectError(f"{where}: it must be a mapping")
    return value


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise SubjectError(f"{where}: it must be a list")
    return value


def _seconds(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise SubjectError(f"{where}: it must be a number of seconds, and it is {value!r}")
    return float(value)


def _words(value: object, where: str) -> list[str]:
    return [str(expand(str(word))) for word in _list(value, where)]


def _text(value: Json, where: str) -> str:
    text = value.get(where.rpartition(".")[2])
    if not isinstance(text, str) or not text.strip():
        raise SubjectError(f"{where}: it must be a text")
    return text.strip()


def _known(value: Json, where: str, *keys: str) -> None:
    for key in value:
        if key not in keys:
            raise SubjectError(f"{where}{key}: there is no such key; allowed: {', '.join(keys)}")
