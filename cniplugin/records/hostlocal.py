"""The addresses that the IPAM plugin host-local has reserved on this node (containernetworking/plugins, host-local).

    <dataDir>/<network>/<address>   = container ID [ CR LF interface ]   ; disk/backend.go; older: without interface
    <dataDir>/<network>/lock        ; flock(2) by each ADD and DEL
    <dataDir>/<network>/last_reserved_ip.<range>

A reservation is a file, so it outlives a reboot, and a container whose DEL never came. `release` removes one as
host-local's own DEL does: under its lock, and only if the file is the same as before.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH118, PTH208

from __future__ import annotations

import fcntl
import os
import time
from _socket import AF_INET, AF_INET6, inet_pton
from errno import EFBIG, EINVAL, EISDIR, ENOENT

from cniplugin.cnierrors import IO_FAILURE, TRY_AGAIN_LATER, CniError
from cniplugin.host.regularfile import load_regular_file
from cniplugin.netspec.names import is_network_name
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cniplugin.netspec.cniconfig import NetworkConfigList

TYPE = "host-local"
DATA_DIR = "/var/lib/cni/networks"
"""The `dataDir` of a configuration that has none."""

_FILE_BYTES_MAX = 4096
_NO_RESERVATION = frozenset({ENOENT, EISDIR, EINVAL, EFBIG})
"""Errors for a file that is gone, and for what `load_regular_file` refuses."""
_LOCK = "lock"
_POLL_S = 0.01


class Reservation(Record):
    """One reserved address. `network`: the directory of its network. `written_at`: seconds since the epoch."""

    network: str
    address: str
    container_id: str
    ifname: str
    written_at: float

    @property
    def path(self) -> str:
        """The file of the reservation."""
        return f"{self.network}/{self.address}"


def directories(config: NetworkConfigList, *, default: str = DATA_DIR) -> list[str]:
    """Return where host-local reserves addresses for a network: by its `dataDir`, and by the default one.

    The default counts for plugins that write the configuration of their IPAM themselves, such as flannel.
    """
    parts = [default]
    for plugin in config.plugins:
        ipam = plugin.conf.get("ipam")
        data_dir = ipam.get("dataDir") if isinstance(ipam, dict) and ipam.get("type") == TYPE else None
        if isinstance(data_dir, str) and data_dir:
            parts.append(data_dir)
    return list(dict.fromkeys(f"{part.rstrip('/')}/{config.name}" for part in parts))


def networks_below(data_dir: str) -> list[str]:
    """Return the directories of networks in a `dataDir`, sorted; none if it does not exist. Raises OSError."""
    names = _names(data_dir)
    return [f"{data_dir}/{name}" for name in names if os.path.isdir(os.path.join(data_dir, name))]  # noqa: PTH112


def load_reservations(network: str) -> Iterator[Reservation]:
    """Yield the reservations in the directory of a network, sorted by name; other files are passed over.

    Raises OSError if the directory or a file cannot be read.
    """
    for name in _names(network):
        if _is_address(name) and (reservation := _load(network, name)):
            yield reservation


def release(reservation: Reservation, *, deadline: float) -> bool:
    """Remove a reservation; say whether it was there. Another container may have the address by now.

    Raises CniError 11 if the lock of host-local is not free before `deadline`, 5 for a failure of the disk.
    """
    path = os.path.join(reservation.network, _LOCK)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _wait(fd, path, deadline)
            if _load(reservation.network, reservation.address) != reservation:
                return False
            os.unlink(reservation.path)  # noqa: PTH108
        finally:
            os.close(fd)
    except OSError as error:
        raise CniError(IO_FAILURE, f"{reservation.path}: it cannot be removed: {error.strerror}") from error
    return True


def _wait(fd: int, path: str, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise CniError(TRY_AGAIN_LATER, f"{path}: {TYPE} holds this lock; try again later") from None
            time.sleep(_POLL_S)
        else:
            return


def _load(network: str, address: str) -> Reservation | None:
    """Return the reservation in a file; None if the file is gone, or is not a reservation."""
    path = f"{network}/{address}"
    try:
        written_at = os.stat(path).st_mtime  # noqa: PTH116
        text = load_regular_file(path, bytes_max=_FILE_BYTES_MAX).decode()
    except UnicodeDecodeError:
        return None
    except OSError as error:
        if error.errno in _NO_RESERVATION:
            return None
        raise
    container_id, _, ifname = text.strip().partition("\n")
    container_id = container_id.strip()
    if not is_network_name(container_id):  # CNI 1.1 §2: the grammar of a container ID
        return None
    return Reservation(
        network=network, address=address, container_id=container_id, ifname=ifname.strip(), written_at=written_at
    )


def _is_address(name: str) -> bool:
    try:
        inet_pton(AF_INET6 if ":" in name else AF_INET, name)
    except (OSError, ValueError):
        return False
    return True


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
