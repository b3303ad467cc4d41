"""Take one network, a list of plugins, through a CNI verb (CNI 1.1 §3; libcni api.go).

| verb   | order    | request, beside name and cniVersion        | skipped                 | after an error   |
| ------ | -------- | ------------------------------------------ | ----------------------- | ---------------- |
| ADD    | forward  | runtimeConfig, args, the previous result   |                         | stop             |
| CHECK  | forward  | the same, the attachment's final result    | < 0.4.0, disableCheck   | stop             |
| DEL    | backward | the same; no result below 0.4.0            |                         | stop             |
| GC     | forward  | cni.dev/valid-attachments                  | < 1.1.0, disableGC      | go on            |
| STATUS | forward  |                                            | < 1.1.0                 | stop             |

Integers and the order of keys are kept as written. As libcni, with these differences:

- A `prevResult` in the configuration is never passed on: the plugin would take it for a real result.
- A result of another version than the configuration's is converted for the next plugin.
- ADD looks for all executables first, so that a missing one leaves nothing behind.
- CHECK of a version without CHECK succeeds; in libcni it fails.
- `args.cni` gets the cni-args of the pod's element, key by key; the element wins (NPWG v1.3 §4.1.2.1.6).
- `ips` and `mac` reach plugins without the capability in CNI_ARGS, at ADD, as with Multus.

NB: this module does not undo a failed ADD. The caller has the record and takes the attachments back.
"""

from __future__ import annotations

from cniplugin.cnierrors import DECODE_FAILURE, PluginError, joined
from cniplugin.host.log import LOG
from cniplugin.netspec import result as results
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.jsontext import quote
from cniplugin.netspec.rawjson import loads
from cniplugin.netspec.versions import number

from . import invoke
from .invoke import Call, RuntimeConf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from cniplugin.netspec.cniconfig import NetworkConfigList, PluginConfig
    from cniplugin.netspec.result import Result

    Conf = dict[str, Any]

CHECK_SINCE = "0.4.0"
"""The version that added CHECK, and `prevResult` to DEL."""
GC_SINCE = STATUS_SINCE = "1.1.0"

_VERBS = {"ADD": "add", "CHECK": "check", "DEL": "delete", "GC": "GC", "STATUS": "status"}
"""The verbs as libcni writes them in its messages."""


def add_list(config: NetworkConfigList, runtime: RuntimeConf, meanwhile: Callable[[], None] | None = None) -> Conf:
    """Attach; return the result of the last plugin, a JSON object of the configuration's version.

    `meanwhile` is called once, while the first plugin runs; it must not raise. Raises PluginError with the code and
    the position of the plugin that failed, 6 if its output is not a result, 5 if an executable is missing.
    """
    executables = find_all(config, runtime)
    previous: Conf | None = None
    for position, (plugin, executable) in enumerate(zip(config.plugins, executables, strict=True)):
        request = _request(config, plugin, runtime, previous)
        given = _with_arguments(runtime, plugin) if runtime.arguments else runtime
        try:
            stdout = _execute(
                "ADD", config, plugin, request=request, runtime=given, executable=executable, meanwhile=meanwhile
            )
            previous = _result(stdout, config, plugin)
        except PluginError as error:
            error.position = position
            raise
        meanwhile = None
    return previous or {}


def find_all(config: NetworkConfigList, runtime: RuntimeConf) -> list[str]:
    """Return the executables for ADD, in order. Raises PluginError 5 if one is missing."""
    return [_find(plugin, config, runtime, command="ADD") for plugin in config.plugins]


def delete_list(config: NetworkConfigList, runtime: RuntimeConf, *, cached_result: Conf | None) -> None:
    """Detach, last plugin first. `cached_result` is the result of ADD, None if unknown; an unusable one is ignored.

    Raises PluginError at the first failure. The plugins before it are not called, so the caller can repeat the call.
    """
    previous = _usable(cached_result, config) if _supports(config, CHECK_SINCE) else None
    for plugin in reversed(config.plugins):
        _execute("DEL", config, plugin, request=_request(config, plugin, runtime, previous), runtime=runtime)


def delete_failed(config: NetworkConfigList, runtime: RuntimeConf, *, failed_at: int | None) -> None:
    """Detach an attachment whose ADD failed in the plugin at `failed_at`, from 0; None if ADD was killed.

    ADD never called the plugins after `failed_at`, so they hold nothing and their failures do not count. A failure of
    one of these, or of the one at `failed_at`, does not keep the plugins before it from their DEL. A plugin before it
    has attached, and its failure ends the call as in `delete_list`. Raises one PluginError for all failures that count,
    with the position of the first plugin of the list that failed.
    """
    failures: list[PluginError] = []
    for position, plugin in reversed(list(enumerate(config.plugins))):
        try:
            _execute("DEL", config, plugin, request=_request(config, plugin, runtime, None), runtime=runtime)
        except PluginError as failure:
            failure.position = position
            if failed_at is not None and position > failed_at:
                LOG.debug(f"not counted, ADD never called this plugin: {failure.msg}")
                continue
            failures.insert(0, failure)
            if failed_at is not None and position < failed_at:
                break
    if failures:
        raise joined(failures)


def check_list(config: NetworkConfigList, runtime: RuntimeConf, *, cached_result: Conf | None) -> None:
    """Check an attachment; `cached_result` is the result of ADD. Raises PluginError at the first failure."""
    if config.disable_check or not _supports(config, CHECK_SINCE):
        return
    previous = _usable(cached_result, config)
    for plugin in config.plugins:
        _execute("CHECK", config, plugin, request=_request(config, plugin, runtime, previous), runtime=runtime)


def gc_list(config: NetworkConfigList, runtime: RuntimeConf, *, valid: Iterable[tuple[str, str]]) -> None:
    """Have each plugin free all other attachments; `valid` has pairs of container ID and interface.

    Raises one PluginError for all failures, with the code of the first. The caller deletes the stale attachments that
    have a record.
    """
    if config.disable_gc or not _supports(config, GC_SINCE):
        return
    attachments = [{"containerID": container_id, "ifname": ifname} for container_id, ifname in valid]
    failures: list[PluginError] = []
    for plugin in config.plugins:
        request = _plain_request(config, plugin)
        # The second key is the name in an older text of the specification, which plugins have copied.
        request |= {"cni.dev/valid-attachments": attachments, "cni.dev/attachments": attachments}
        try:
            _execute("GC", config, plugin, request=request, runtime=runtime)
        except PluginError as failure:
            failures.append(failure)
    if failures:
        raise joined(failures)


def status_list(config: NetworkConfigList, runtime: RuntimeConf) -> None:
    """Ask whether the network can take attachments. Raises the first PluginError, with the plugin's code (50, 51)."""
    if not _supports(config, STATUS_SINCE):
        return
    for plugin in config.plugins:
        _execute("STATUS", config, plugin, request=_plain_request(config, plugin), runtime=runtime)


def _supports(config: NetworkConfigList, since: str) -> bool:
    return number(config.cni_version) >= number(since)


def _plain_request(config: NetworkConfigList, plugin: PluginConfig) -> Conf:
    """Return the plugin's object with the name and version of the network, which overwrite its own."""
    conf = {key: value for key, value in plugin.conf.items() if key != "prevResult"}
    return {**conf, "name": config.name, "cniVersion": config.cni_version}


def _request(config: NetworkConfigList, plugin: PluginConfig, runtime: RuntimeConf, previous: Conf | None) -> Conf:
    """Return the request of ADD, CHECK, DEL (CNI 1.1 §3 "Deriving request configuration")."""
    request = _plain_request(config, plugin)
    # NB: without capability arguments, a runtimeConfig in the configuration stays as it is (libcni).
    given = runtime.capability_args.items()
    arguments = {name: value for name, value in given if name in plugin.capabilities and value is not None}
    if arguments:
        request["runtimeConfig"] = arguments
    if runtime.cni_args:
        args = request.get("args") or {}
        request["args"] = {**args, "cni": {**(args.get("cni") or {}), **runtime.cni_args}}
    if previous is not None:
        request["prevResult"] = previous
    return request


def _with_arguments(runtime: RuntimeConf, plugin: PluginConfig) -> RuntimeConf:
    """Return the runtime with the requests that a plugin gets in CNI_ARGS, because it declares no capability for them.

    `invoke` adds IgnoreUnknown, without which a plugin refuses arguments that it does not know.
    """
    arguments = [argument for capability, argument in runtime.arguments if capability not in plugin.capabilities]
    if not arguments:
        return runtime
    return runtime.replace(args=";".join([*filter(None, runtime.args.split(";")), *arguments]))


def _find(plugin: PluginConfig, config: NetworkConfigList, runtime: RuntimeConf, *, command: str) -> str:
    try:
        return invoke.find(plugin.type, runtime.path)
    except PluginError as error:
        raise _named(error, config, command) from error


def _execute(
    command: str,
    config: NetworkConfigList,
    plugin: PluginConfig,
    *,
    request: Conf,
    runtime: RuntimeConf,
    executable: str = "",
    meanwhile: Callable[[], None] | None = None,
) -> bytes:
    """Call one plugin and return its stdout."""
    call = Call(
        command=command,
        kind=plugin.type,
        network=config.name,
        executable=executable or _find(plugin, config, runtime, command=command),
        stdin=quote(request),
        runtime=runtime,
    )
    try:
        return invoke.execute(call, meanwhile)
    except PluginError as error:
        raise _named(error, config, command) from error


def _named(error: PluginError, config: NetworkConfigList, command: str) -> PluginError:
    """Return the error with the plugin, the network and the verb in front (libcni api.go pluginDescription)."""
    where = f"plugin type={quote(error.plugin)} name={quote(config.name)}"
    named = error.within(f"{where} failed ({_VERBS[command]})")
    named.command = command
    return named


def _result(stdout: bytes, config: NetworkConfigList, plugin: PluginConfig) -> Conf:
    """Return the output of a plugin as a result of the configuration's version; unchanged if it has that version."""
    try:
        read = results.parse(stdout, cni_version=config.cni_version)
        return _of_version(read, loads(stdout) or {}, config)
    except SpecErrors as errors:
        error = PluginError(plugin.type, "ADD", DECODE_FAILURE, f"its output is not a CNI result: {errors}")
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
