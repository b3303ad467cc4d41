"""Files about devices: the kubelet's checkpoint, and device information (NPWG Device Information Specification 1.1).

    <kubeletDir>/device-plugins/kubelet_internal_checkpoint     read on ADD
    <deviceInfoDir>/dp/<resource>-<device ID>-device.json       the device plugin's (§4.1); may be missing
    <deviceInfoDir>/cni/<network>-<container ID>_<interface>    ours, one per attachment (§4.2), named as by Multus

In names, "/" becomes "-". The last one begins as a copy of the second, is shown to the plugins (capability
`CNIDeviceInfoFile`), which may write it themselves where there was none, and goes to network-status as they leave it
(§6.1). It is on record before it is made, and is removed after the attachment's DEL; so a kill at any moment leaves no
file that nobody knows.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH102, PTH108, PTH119, PTH120, PTH123

from __future__ import annotations

import os
from errno import EFBIG

from cniplugin.cnierrors import DECODE_FAILURE, INVALID_ENVIRONMENT, IO_FAILURE, CniError
from cniplugin.host.regularfile import load_regular_file
from cniplugin.netspec.rawjson import loads

from .devices import parse_checkpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .devices import Devices

CHECKPOINT = "device-plugins/kubelet_internal_checkpoint"
CHECKPOINT_BYTES_MAX = 64 * 1024 * 1024
"""The real ones have about 1 KiB for each container with devices."""
NAME_BYTES_MAX = 255
"""NAME_MAX of Linux."""
INFO_BYTES_MAX = 65_536
"""The real ones have some hundred bytes; all annotations of a pod together may have 262,144."""


def load_own(kubelet_dir: str, pod_uid: str) -> Devices:
    """Return the devices that the kubelet gave a pod, by resource; `pod_uid` as the kubelet counts.

    Raises CniError 4 without a uid, 5 if the checkpoint cannot be read, 6 if it is no checkpoint.
    """
    if not pod_uid:
        raise CniError(INVALID_ENVIRONMENT, "CNI_ARGS: K8S_POD_UID is missing, by which the pod's devices are found")
    path = f"{kubelet_dir.rstrip('/')}/{CHECKPOINT}"
    try:
        return parse_checkpoint(load_regular_file(path, bytes_max=CHECKPOINT_BYTES_MAX), pod_uid)
    except OSError as error:
        fix = 'the plugin needs it for networks with a resource; if the kubelet has another directory, set "kubeletDir"'
        raise CniError(IO_FAILURE, f"{path}: the kubelet's devices cannot be read: {error.strerror}; {fix}") from error
    except ValueError as error:
        fix = "restart the kubelet, which writes it anew; if it stays so, this version of the kubelet is not known here"
        raise CniError(DECODE_FAILURE, f"{path}: this is no checkpoint of the kubelet's: {error}; {fix}") from error


def source_of(directory: str, resource: str, device: str) -> str:
    """Return the device plugin's file about a device."""
    return f"{directory.rstrip('/')}/dp/{_flat(resource)}-{_flat(device)}-device.json"


def path_of(directory: str, reference: str, container_id: str, ifname: str) -> str:
    """Return the file of an attachment; of a name that is too long, the network's part is cut."""
    tail = _tail(container_id, ifname)
    room = max(0, NAME_BYTES_MAX - len(os.fsencode(tail)))
    return f"{directory.rstrip('/')}/cni/{_flat(reference)[:room]}{tail}"


def is_of(path: str, container_id: str, ifname: str) -> bool:
    """Say whether a path names the file of this attachment, as a record that is damaged may not."""
    return os.path.basename(path).endswith(_tail(container_id, ifname))


def provide(path: str, source: str | None) -> None:
    """Make an attachment's file a copy of the device plugin's; let there be none where that has none.

    Raises CniError 5 for what the disk refuses, 6 if the device plugin's is no device information.
    """
    remove(path)
    data = _read(source) if source else None
    if source is None or data is None:
        return
    _parse(data, source)
    try:
        _make_directory(os.path.dirname(path))
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o444)
        with open(fd, "wb") as file:
            file.write(data)
    except OSError as error:
        raise CniError(IO_FAILURE, f"{path}: the device information cannot be written: {error.strerror}") from error


def load(path: str) -> dict[str, Any] | None:
    """Return the device information of an attachment, None if there is none. Raises CniError 5 or 6."""
    data = _read(path)
    return None if data is None else _parse(data, path)


def remove(path: str) -> None:
    """Remove an attachment's file; fine when there is none. Raises CniError 5."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        raise CniError(IO_FAILURE, f"{path}: the device information cannot be removed: {_why(error)}") from error


def _make_directory(path: str) -> None:
    """Make a directory and those above it. NB: os.makedirs leaves the mode of the latter to the umask."""
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        pass
    except FileNotFoundError:
        _make_directory(os.path.dirname(path))
        _make_directory(path)  # which another container's ADD may have made meanwhile


def _read(path: str) -> bytes | None:
    try:
        return load_regular_file(path, bytes_max=INFO_BYTES_MAX)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", 0) == EFBIG:
            _refuse(path, f"it has {_why(error)}")
        raise CniError(IO_FAILURE, f"{path}: the device information cannot be read: {_why(error)}") from error


def _why(error: Exception) -> str:
    """NB: a ValueError is that of a path with a NUL, which a resource's name may have brought."""
    return getattr(error, "strerror", None) or str(error)


def _parse(data: bytes, path: str) -> dict[str, Any]:
    """Return the object; its members are the device plugin's business."""
    problem = ""
    value = None
    try:
        value = loads(data)
    except (ValueError, RecursionError) as error:
        problem = str(error)
    if not isinstance(value, dict):
        _refuse(path, problem or "it is no object")
    return value


def _refuse(path: str, problem: str) -> NoReturn:
    fix = "whoever wrote it, a device plugin or a CNI plugin, must write it anew"
    raise CniError(DECODE_FAILURE, f"{path}: this is no device information: {problem}; {fix}")


def _flat(text: str) -> str:
    return text.replace("/", "-")


def _tail(container_id: str, ifname: str) -> str:
    return f"-{container_id}_{ifname}"
