"""Take one network, a list of plugins, through a CNI verb (CNI 1.1 §3; libcni api.go).

| verb   | order    | request has, beside name and cniVersion    | skipped                 | at an error      |
| ------ | -------- | ------------------------------------------ | ----------------------- | ---------------- |
| ADD    | forward  | runtimeConfig, args, the previous result   |                         | stop             |
| CHECK  | forward  | the same, the attachment's final result    | < 0.4.0, disableCheck   | stop             |
| DEL    | backward | the same; no result below 0.4.0            |                         | stop             |
| GC     | forward  | cni.dev/valid-attachments                  | < 1.1.0, disableGC      | go on, tell all  |
| STATUS | forward  |                                            | < 1.1.0                 | stop             |

Integers and the order of keys are kept as written. As libcni, with these differences:

- A `prevResult` that the configuration itself has is never passed on: it would be taken for a real one.
- A result of another version than the configuration's is converted before the next plugin gets it.
- ADD looks for all executables first, so a missing one leaves nothing behind.
- CHECK of an old version succeeds, as nothing can be asked (libcni fails, and with it a runtime that asks).
- `args.cni` gets what the pod's element asks for, key by key; the element wins (NPWG v1.3 §4.1.2.1.6).

NB: a failing ADD is not undone here. Whoever called it has the record and takes back what was attempted.
"""

from __future__ import annotations

from cniplugin.cnierrors import DECODE_FAILURE, PluginError
from cniplugin.netspec import result as results
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.jsontext import quote
from cniplugin.netspec.rawjson import loads
from cniplugin.netspec.record import Record
from cniplugin.netspec.versions import number

from . import invoke
from .invoke import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from cniplugin.netspec.cniconfig import NetworkConfigList, PluginConfig
    from cniplugin.netspec.result import Result

    Conf = dict[str, Any]

CHECK_SINCE = "0.4.0"
"""CHECK, and `prevResult` in DEL."""
GC_SINCE = STATUS_SINCE = "1.1.0"

_VERBS = {"ADD": "add", "CHECK": "check", "DEL": "delete", "GC": "GC", "STATUS": "status"}
"""As libcni writes them in its messages."""


class Target(Record):
    """What every delegate is told beside its request: the container's side, and where plugins are.

    `args` is the text of CNI_ARGS, `path` the directories of CNI_PATH, `environ` the runtime's environment, which
    delegates inherit. GC and STATUS need `path` and `environ` only.
    """

    container_id: str = ""
    netns: str = ""
    ifname: str = ""
    args: str = ""
    path: tuple[str, ...]
    environ: Mapping[str, str]


def add_list(
    config: NetworkConfigList,
    target: Target,
    *,
    caps: Mapping[str, object],
    cni_args: Mapping[str, object] | None,
    deadline: float | None,
    meanwhile: Callable[[], None] | None = None,
) -> Conf:
    """Attach; return the last plugin's result, a JSON object of the configuration's version.

    `caps` are the capability arguments; each plugin gets those that it declares. `deadline` as in `Call`. Raises
    PluginError with the code of the plugin that failed, 6 if what it printed is no result, 5 if one is missing.
    `meanwhile` is called once, while the first plugin runs; it must not raise.
    """
    executables = find_all(config, target)
    previous: Conf | None = None
    for plugin, executable in zip(config.plugins, executables, strict=True):
        request = _request(config, plugin, caps=caps, cni_args=cni_args, previous=previous)
        call = _call("ADD", config, plugin, executable, request=request, target=target, deadline=deadline)
        previous = _result(_execute(call, config, meanwhile), config, plugin)
        meanwhile = None
    return previous or {}


def find_all(config: NetworkConfigList, target: Target) -> list[str]:
    """Return the executables of an ADD, in order. Raises PluginError 5 if one is missing."""
    return [_find(plugin, config, target, command="ADD") for plugin in config.plugins]


def delete_list(
    config: NetworkConfigList,
    target: Target,
    *,
    caps: Mapping[str, object],
    cni_args: Mapping[str, object] | None,
    cached_result: Conf | None,
    deadline: float | None,
) -> None:
    """Detach, last plugin first. `cached_result` is what ADD returned, if it is known; an unusable one is ignored.

    Raises PluginError at the first failure: the plugins before it are not called, so the caller can do it again.
    """
    previous = _usable(cached_result, config) if _speaks(config, CHECK_SINCE) else None
    for plugin in reversed(config.plugins):
        request = _request(config, plugin, caps=caps, cni_args=cni_args, previous=previous)
        _run("DEL", config, plugin, request=request, target=target, deadline=deadline)


def check_list(
    config: NetworkConfigList,
    target: Target,
    *,
    caps: Mapping[str, object],
    cni_args: Mapping[str, object] | None,
    cached_result: Conf | None,
    deadline: float | None,
) -> None:
    """Check an attachment, given what ADD returned. Raises PluginError at the first failure."""
    if config.disable_check or not _speaks(config, CHECK_SINCE):
        return
    previous = _usable(cached_result, config)
    for plugin in config.plugins:
        request = _request(config, plugin, caps=caps, cni_args=cni_args, previous=previous)
        _run("CHECK", config, plugin, request=request, target=target, deadline=deadline)


def gc_list(
    config: NetworkConfigList,
    target: Target,
    *,
    valid: Iterable[tuple[str, str]],
    deadline: float | None,
) -> None:
    """Have each plugin free what belongs to no valid attachment; `valid` are pairs of container id and interface.

    Raises one PluginError for all failures, with the first one's code. Stale attachments that are known by their
    record are the caller's to delete.
    """
    if config.disable_gc or not _speaks(config, GC_SINCE):
        return
    attachments = [{"containerID": container_id, "ifname": ifname} for container_id, ifname in valid]
    failures: list[PluginError] = []
    for plugin in config.plugins:
        request = _plain_request(config, plugin)
        # The second key is the name in an older text of the specification, which plugins have copied.
        request |= {"cni.dev/valid-attachments": attachments, "cni.dev/attachments": attachments}
        try:
            _run("GC", config, plugin, request=request, target=_of_the_node(target), deadline=deadline)
        except PluginError as failure:
            failures.append(failure)
    if failures:
        raise _joined(failures)


def status_list(config: NetworkConfigList, target: Target, *, deadline: float | None) -> None:
    """Ask whether the network can take attachments. Raises the first PluginError, with the plugin's code (50, 51)."""
    if not _speaks(config, STATUS_SINCE):
        return
    for plugin in config.plugins:
        request = _plain_request(config, plugin)
        _run("STATUS", config, plugin, request=request, target=_of_the_node(target), deadline=deadline)


def _speaks(config: NetworkConfigList, since: str) -> bool:
    return number(config.cni_version) >= number(since)


def _of_the_node(target: Target) -> Target:
    return Target(path=target.path, environ=target.environ)


def _plain_request(config: NetworkConfigList, plugin: PluginConfig) -> Conf:
    """Return the plugin's object with the network's name and version, which overwrite its own."""
    conf = {key: value for key, value in plugin.conf.items() if key != "prevResult"}
    return {**conf, "name": config.name, "cniVersion": config.cni_version}


def _request(
    config: NetworkConfigList,
    plugin: PluginConfig,
    *,
    caps: Mapping[str, object],
    cni_args: Mapping[str, object] | None,
    previous: Conf | None,
) -> Conf:
    """Return the request of ADD, CHECK, DEL (CNI 1.1 §3 "Deriving request configuration")."""
    request = _plain_request(config, plugin)
    # NB: without anything to give, a runtimeConfig that stands in the configuration is left alone (libcni).
    runtime = {name: value for name, value in caps.items() if name in plugin.capabilities and value is not None}
    if runtime:
        request["runtimeConfig"] = runtime
    if cni_args:
        args = request.get("args") or {}
        request["args"] = {**args, "cni": {**(args.get("cni") or {}), **cni_args}}
    if previous is not None:
        request["prevResult"] = previous
    return request


def _run(
    command: str,
    config: NetworkConfigList,
    plugin: PluginConfig,
    *,
    request: Conf,
    target: Target,
    deadline: float | None,
) -> None:
    """Call one plugin whose output does not matter."""
    executable = _find(plugin, config, target, command=command)
    _execute(_call(command, config, plugin, executable, request=request, target=target, deadline=deadline), config)


def _find(plugin: PluginConfig, config: NetworkConfigList, target: Target, *, command: str) -> str:
    try:
        return invoke.find(plugin.type, target.path)
    except PluginError as error:
        raise _named(error, config, command) from error


def _call(
    command: str,
    config: NetworkConfigList,
    plugin: PluginConfig,
    executable: str,
    *,
    request: Conf,
    target: Target,
    deadline: float | None,
) -> Call:
    return Call(
        command=command,
        kind=plugin.type,
        network=config.name,
        executable=executable,
        stdin=quote(request),
        container_id=target.container_id,
        netns=target.netns,
        ifname=target.ifname,
        args=target.args,
        path=target.path,
        environ=target.environ,
        deadline=deadline,
    )


def _execute(call: Call, config: NetworkConfigList, meanwhile: Callable[[], None] | None = None) -> bytes:
    try:
        return invoke.execute(call, meanwhile)
    except PluginError as error:
        raise _named(error, config, call.command) from error


def _named(error: PluginError, config: NetworkConfigList, command: str) -> PluginError:
    """Return the error with the plugin, the network and the verb in front (libcni api.go pluginDescription)."""
    where = f"plugin type={quote(error.plugin)} name={quote(config.name)}"
    msg = f"{where} failed ({_VERBS[command]}): {error.msg}"
    return PluginError(error.plugin, command, error.code, msg, error.details)


def _joined(failures: list[PluginError]) -> PluginError:
    first, *more = failures
    lines = [first.details] if first.details else []
    lines += [f"{failure.msg}: {failure.details}" if failure.details else failure.msg for failure in more]
    return PluginError(first.plugin, first.command, first.code, first.msg, "\n".join(lines))


def _result(stdout: bytes, config: NetworkConfigList, plugin: PluginConfig) -> Conf:
    """Return what a plugin printed as a result of the configuration's version, as written if it is one already."""
    try:
        read = results.parse(stdout, cni_version=config.cni_version)
        return _of_version(read, loads(stdout) or {}, config)
    except SpecErrors as errors:
        error = PluginError(plugin.type, "ADD", DECODE_FAILURE, f"what it printed is no CNI result: {errors}")
        raise _named(error, config, "ADD") from errors


def _usable(cached: Conf | None, config: NetworkConfigList) -> Conf | None:
    if cached is None:
        return None
    try:
        return _of_version(results.parse(cached, cni_version=config.cni_version), cached, config)
    except SpecErrors:
        return None


def _of_version(read: Result, written: Conf, config: NetworkConfigList) -> Conf:
    if read.cni_version == config.cni_version:
        return {**written, "cniVersion": config.cni_version}
    return results.convert(read, config.cni_version)
