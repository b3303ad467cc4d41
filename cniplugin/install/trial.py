"""Trying the plugin before the runtime does: VERSION of the program, STATUS of its configuration.

The program runs where the runtime will run it, through the mount of the node; a bundle runs before the link to it is
placed. So a file system that forbids programs, and a bundle for another architecture, are found. The configuration
names paths of the node, so the trial has each of them below the root. What cannot be seen from here is left out, and
the kubeconfig is then the account of this pod.

A problem of the configuration (codes 6 and 7) is one that every ADD would have. Every other answer depends on the state
of the network and of the API server, and is a note.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH110

from __future__ import annotations

import os
import time

from cniplugin.cnierrors import DECODE_FAILURE, INVALID_NETWORK_CONFIG, CniError
from cniplugin.netspec.rawjson import dumps, loads
from cniplugin.netspec.versions import VERSIONS
from cniplugin.protocol.invoke import Call, RuntimeConf, execute

from .commandline import InstallError
from .conflist import PLUGIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cniplugin.host.disk import Disk

TRIAL_S = 10.0
_OF_THE_CONFIGURATION = (DECODE_FAILURE, INVALID_NETWORK_CONFIG)
_SPARES = ("capabilities", "onApiUnavailable")
"""Keys by which some pods start without the API server, so that STATUS would not report wrong credentials."""
_NO_LOG = {"logFile": "", "logToStderr": False}


def try_version(executable: str, environ: Mapping[str, str]) -> str:
    """Run VERSION. Return a note, "" without one. Raises InstallError for a program that cannot be run, or that fails.

    An administrator may name any program, so an answer that cannot be read is only a note.
    """
    try:
        answer = execute(_call("VERSION", executable, {"cniVersion": VERSIONS[-1]}, environ))
    except CniError as error:
        raise InstallError(f"{executable}: it cannot be run, so nothing is changed: {error.msg}") from error
    try:
        is_right = isinstance(loads(answer)["supportedVersions"], list)
    except (ValueError, RecursionError, TypeError, KeyError):
        is_right = False
    return "" if is_right else f"warning: {executable}: it does not answer VERSION as a CNI plugin does"


def try_status(
    executable: str, disk: Disk, conf: Mapping[str, Any], environ: Mapping[str, str], *, kubeconfig: str, bin_dir: str
) -> str:
    """Run STATUS with a configuration of one plugin. Return a note, "" without one.

    `kubeconfig` and `bin_dir`: their paths as `disk` knows them, which can differ from the node's.
    Raises InstallError for a problem of the configuration.
    """
    seen = {key: _seen(disk, value) for key, value in conf.items()}
    request = {**seen, **_NO_LOG, "cniVersion": VERSIONS[-1]}
    for key in ("kubeconfig", *_SPARES):
        request.pop(key, None)
    if kubeconfig and os.path.exists(disk.at(kubeconfig)):
        request["kubeconfig"] = disk.at(kubeconfig)
    try:
        execute(_call("STATUS", executable, request, environ, path=disk.at(bin_dir)))
    except CniError as error:
        if error.code in _OF_THE_CONFIGURATION:
            raise InstallError(
                f"STATUS with the new configuration, by which no pod could start: {error.msg}"
            ) from error
        return f"STATUS, tried from here: {error.msg}"
    return ""


def _seen(disk: Disk, value: object) -> object:
    """Return a path of the node as this process sees it, if it is a path and is there; any other value as it is."""
    is_there = isinstance(value, str) and value.startswith("/") and os.path.exists(disk.at(value))
    return disk.at(str(value)) if is_there else value


def _call(
    command: str, executable: str, request: dict[str, Any], environ: Mapping[str, str], *, path: str = ""
) -> Call:
    clean = {name: value for name, value in environ.items() if not name.startswith("CNI_")}
    runtime = RuntimeConf(path=(path,), environ=clean, deadline=time.monotonic() + TRIAL_S)
    return Call(command=command, kind=PLUGIN, executable=executable, stdin=dumps(request), runtime=runtime)
