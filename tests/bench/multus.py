"""Multus beside the node plugin: the thin plugin, and the thick one with its daemon.

The path that the bench is given is a directory with the programs below, or one of them; the others are then looked for
beside it. The daemon finds its API server only as in a pod (`inpod`). It runs without `chrootDir`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.fakes.waiting import wait_until
from tests.realapi.assets import HOW_TO, find_assets

from .nodecluster import Cluster
from .peers import inpod

THIN = "multus"
THICK = ("multus-daemon", "multus-shim")
STARTS_WITHIN_S = 30.0


class MultusError(Exception):
    """Multus is not there, does not start, or does not attach."""


class Programs(NamedTuple):
    """The programs that were found, and what is missing for the other form; "" if nothing is."""

    thin: Path | None
    thick: tuple[Path, Path] | None
    missing: str


def find(given: str) -> Programs:
    """Return the programs at a path. Raises MultusError if there is neither form."""
    path = Path(given).absolute()
    if not path.exists():
        raise MultusError(f"MULTUS={given}: there is no such file or directory")
    directory = path if path.is_dir() else path.parent
    thin = path if path.is_file() and path.name not in THICK else directory / THIN
    daemon, shim = (directory / name for name in THICK)
    lacking = [str(one) for one in (thin, daemon, shim) if not os.access(one, os.X_OK) or one.is_dir()]
    found = Programs(
        thin=None if str(thin) in lacking else thin,
        thick=None if {str(daemon), str(shim)} & set(lacking) else (daemon, shim),
        missing=f"there is no program {', '.join(lacking)}" if lacking else "",
    )
    if found.thin is None and found.thick is None:
        raise MultusError(
            f"MULTUS={given}: {found.missing}; name a directory with {THIN}, or with {' and '.join(THICK)}"
        )
    return found


def require_api_server() -> None:
    """Raise MultusError if there is no real API server."""
    if find_assets() is None:
        raise MultusError(f"MULTUS: it writes protobuf, which only a real API server reads; {HOW_TO}")


def thin_conf(folder: Path, cluster: Cluster, default: dict[str, Any], plugins: Path) -> str:
    """Return the configuration of the thin plugin."""
    return json.dumps(
        {
            **_conf(folder, default, plugins),
            "type": THIN,
            "kubeconfig": str(cluster.kubeconfig(folder, "multus")),
        }
    )


def shim_conf(folder: Path, default: dict[str, Any], plugins: Path) -> str:
    """Return the configuration of the shim."""
    return json.dumps({**_conf(folder, default, plugins), "type": THICK[1], "daemonSocketDir": str(folder / "socket")})


def _conf(folder: Path, default: dict[str, Any], plugins: Path) -> dict[str, Any]:
    base = {"cniVersion": "1.0.0", "name": "pods", "delegates": [default], "binDir": str(plugins)}
    return {**base, "cniDir": str(folder / "multus-cache"), "logLevel": "panic"}


@contextmanager
def daemon(programs: tuple[Path, Path], folder: Path, cluster: Cluster, default: dict[str, Any]) -> Iterator[None]:
    """Run the daemon of the thick plugin. Raises MultusError with its output if it ends, or does not listen in time."""
    confs = folder / "daemon-conf"
    confs.mkdir()
    # NB: with a file instead of "auto", this daemon ends when it is ready. Nobody reads the configuration that it writes.
    (confs / "10-default.conf").write_text(json.dumps(default))
    config = {"cniVersion": "1.0.0", "logLevel": "error", "cniConfigDir": str(confs), "multusAutoconfigDir": str(confs)}
    config |= {"multusConfigFile": "auto", "socketDir": str(folder / "socket")}
    (folder / "daemon.json").write_text(json.dumps(config))
    program = [str(programs[0]), "-config", str(folder / "daemon.json")]
    command = inpod.command(folder, program, token=cluster.token("multus"), ca=cluster.ca())
    log = folder / "daemon.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=inpod.environ(*cluster.host_and_port()), stdout=output, stderr=output)
    try:
        socket = folder / "socket" / "multus.sock"
        wait_until(lambda: socket.exists() or process.poll() is not None, log.read_text, within_s=STARTS_WITHIN_S)
        if process.poll() is not None:
            raise MultusError(f"{programs[0]} ended with {process.returncode}: {log.read_text()[-2000:].strip()}")
        yield
    finally:
        process.kill()  # it would take 10 s to end by itself
        process.wait()
