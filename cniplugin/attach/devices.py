"""The device of an attachment: the kubelet's checkpoint, the choice, and device information.

`claimdevices` reads the devices of ResourceClaims; they join those of the checkpoint.

    <kubeletDir>/device-plugins/kubelet_internal_checkpoint     read on ADD
    <deviceInfoDir>/dp/<resource>-<device ID>-device.json       written by the device plugin; may be absent
    <deviceInfoDir>/cni/<network>-<container ID>_<interface>    ours, one per attachment, named as by Multus

    checkpoint = {"Data": {"PodDeviceEntries": [entry...] / null, "RegisteredDevices": registered, ...}, ...}
    registered = {resource: any...} / null   ; one for each resource of a device plugin of the node; may be absent
    entry      = {"PodUID": text, "ResourceName": text, "DeviceIDs": ids / null, ...}
    ids        = [id...]                        ; older kubelets
               / {NUMA node: [id...] / null}    ; newer ones, "-1" for devices without a node

(kubernetes pkg/kubelet/cm/devicemanager/checkpoint.) The kubelet replaces the checkpoint as a whole, before it has the
sandbox made. Its `Checksum` covers Go's print of its structs, so it is not verified here. The kubelet writes the first
checkpoint when the first device plugin registers. So a node that has the kubelet's socket, but no checkpoint beside it,
has no device plugin.

A resource that is not registered, and of which the pod has nothing, is not a device plugin's: it counts places on the
node, as those of bridge-marker and of ovs-cni's marker do. A network with such a resource needs no device, unless one
of the pod's claims should give it (`ClaimDevices.should_give`).

An attachment whose network names another resource gets the next device of it that the pod has, in the order of the IDs,
for all containers and claims together (as Multus since 4.3, SortDeviceIDs). A `deviceID` in the annotation chooses one
of them. A device is given once; a PCI address is the same device under every resource. Multus attaches without a device
if none is left, and reports nothing.

Device information (NPWG Device Information Specification 1.1 §4.1, §4.2, §6.1): in file names, "/" becomes "-". Our
file begins as a copy of the device plugin's. The plugins get its path (capability `CNIDeviceInfoFile`) and may write
it. network-status shows it as they leave it. Its path is recorded before the file is made, and the file is removed
after DEL of the attachment, so a kill at any moment leaves no file without a record.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH102, PTH108, PTH119, PTH120, PTH123

from __future__ import annotations

import os
from errno import EFBIG

from cniplugin.access.model.decision import Verdict
from cniplugin.cnierrors import DECODE_FAILURE, INVALID_ENVIRONMENT, IO_FAILURE, NO_DEVICE, CniError
from cniplugin.host.regularfile import load_regular_file
from cniplugin.netspec.errors import show
from cniplugin.netspec.netattachdef import BY_CLAIM, has_domain, is_counted, source_of
from cniplugin.netspec.rawjson import loads
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, NoReturn

    from cniplugin.netspec.cniconfig import NetworkConfigList
    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
    from cniplugin.netspec.plan import Attachment, Plan

    Devices = Mapping[str, tuple[str, ...]]
    """Device IDs by resource, sorted: for each resource of a device plugin, () if the pod has nothing of it."""


class ClaimDevices(Record):
    """The devices that a pod's ResourceClaims give.

    `mapped`: the resources of its containers that a claim gives. `requested`: the resources that its containers name.
    `gaps`: why a claim or a device of it gives nothing. `is_unknown`: a claim could give any resource, because it, or
    its devices, could not be read.
    """

    devices: Devices
    mapped: frozenset[str] = frozenset()
    requested: frozenset[str] = frozenset()
    gaps: tuple[str, ...] = ()
    is_unknown: bool = False

    def should_give(self, network: NetworkAttachmentDefinition) -> bool:
        """Say whether the devices of a network come from a claim, also if no claim gives one.

        If nobody knows what a claim gives, it is the source of a resource that has no other one: containers request
        the resources of device plugins and counted ones, and a claim never gives the latter.
        """
        resource = network.resource_name
        if not resource:
            return False
        if resource in self.mapped or source_of(network.annotations) == BY_CLAIM or not has_domain(resource):
            return True
        return self.is_unknown and resource not in self.requested and not is_counted(resource)


INJECTED = ("deviceID", "pciBusID")
"""Keys with the device in the configuration of each plugin (Multus; sriov reads the first, host-device the second)."""
LISTED_MAX = 5
CHECKPOINT = "device-plugins/kubelet_internal_checkpoint"
SOCKET = "device-plugins/kubelet.sock"
"""Where device plugins register. The kubelet makes it when it starts, in the directory of the checkpoint."""
CHECKPOINT_BYTES_MAX = 64 * 1024 * 1024
"""Real checkpoints have about 1 KiB for each container with devices."""
NAME_BYTES_MAX = 255
"""NAME_MAX of Linux."""
INFO_BYTES_MAX = 65_536
"""Real files have some hundred bytes; all annotations of a pod together may have 262,144."""


def load_devices(kubelet_dir: str, pod_uid: str) -> Devices:
    """Return the devices that the kubelet gave a pod, by resource; `pod_uid` is the kubelet's own.

    Raises CniError 4 without a uid, 5 if the checkpoint cannot be read, 6 if its content is not a checkpoint. On a node
    without device plugins there is no checkpoint, and the pod has no devices of the kubelet.
    """
    if not pod_uid:
        raise CniError(INVALID_ENVIRONMENT, "CNI_ARGS: K8S_POD_UID is missing, which identifies the pod's devices")
    directory = kubelet_dir.rstrip("/")
    path = f"{directory}/{CHECKPOINT}"
    try:
        return parse_checkpoint(load_regular_file(path, bytes_max=CHECKPOINT_BYTES_MAX), pod_uid)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and os.path.lexists(f"{directory}/{SOCKET}"):
            return {}
        fix = 'the plugin needs it for networks with a resource; if the kubelet has another directory, set "kubeletDir"'
        raise CniError(IO_FAILURE, f"{path}: the kubelet's devices cannot be read: {error.strerror}; {fix}") from error
    except ValueError as error:
        fix = (
            "restart the kubelet, which writes it again; if that does not help, this kubelet's format is not supported"
        )
        raise CniError(DECODE_FAILURE, f"{path}: this is not a checkpoint of the kubelet: {error}; {fix}") from error


def parse_checkpoint(data: bytes, pod_uid: str) -> Devices:
    """Return the devices of one pod by resource. Raises ValueError with the place where the format differs."""
    try:
        value = loads(data)
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    devices: dict[str, set[str]] = {}
    content = _member(value, "Data", dict, "the checkpoint")
    entries = _member(content, "PodDeviceEntries", list, "Data")
    registered = _member(content, "RegisteredDevices", dict, "Data") if "RegisteredDevices" in content else ()
    devices.update((resource, set()) for resource in registered)
    for index, entry in enumerate(entries):
        where = f"Data.PodDeviceEntries[{index}]"
        if _member(entry, "PodUID", str, where) == pod_uid:
            ids = _read_ids(entry.get("DeviceIDs"), f"{where}.DeviceIDs")
            devices.setdefault(_member(entry, "ResourceName", str, where), set()).update(ids)
    return {resource: tuple(sorted(ids)) for resource, ids in devices.items()}


def _member(value: object, key: str, kind: type, where: str) -> Any:
    """Return a member of this kind. A list or an object may be null, as Go writes an empty one."""
    member = value.get(key) if isinstance(value, dict) else None
    if kind is not str and member is None and isinstance(value, dict) and key in value:
        return kind()
    if member is None or type(member) is not kind:
        raise ValueError(f'{where} has no "{key}" that is {_KINDS[kind]}')
    return member


_KINDS: Mapping[type, str] = {dict: "an object", list: "a list", str: "a string"}


def _read_ids(value: object, where: str) -> list[str]:
    parts = list(value.values()) if isinstance(value, dict) else [value]
    ids = []
    for part in parts:
        if not isinstance(part, list | None) or not all(isinstance(item, str) and item for item in part or ()):
            raise ValueError(f"{where} is neither a list of strings nor an object of such lists")
        ids += part or []
    return ids


def is_short(plan: Plan, own: Devices) -> bool:
    """Say whether an attachment has a resource and gets none of these devices, so that claims may have its device."""
    if find_foreign(plan, own):
        return True
    chosen, _ = _choose(plan, own)
    without = [item for item in plan.attachments if item.interface not in chosen]
    resources = {item.network.resource_name for item in without} - {""}
    return not all(map(is_counted, resources))


def join(plan: Plan, own: Devices, claims: ClaimDevices) -> Devices:
    """Return the devices of the kubelet and of the claims; () for a resource of the plan that a claim should give."""
    expected = {item.network.resource_name for item in plan.attachments if claims.should_give(item.network)}
    resources = {**own, **claims.devices, **dict.fromkeys(expected)}
    return {one: tuple(sorted({*own.get(one, ()), *claims.devices.get(one, ())})) for one in resources}


def find_foreign(plan: Plan, own: Devices) -> tuple[Attachment, ...]:
    """Return the attachments whose `deviceID` is not a device that the pod has of the network's resource."""
    return tuple(
        attachment
        for attachment in plan.attachments
        if attachment.element.device_id
        and attachment.network.resource_name
        and attachment.element.device_id not in own.get(attachment.network.resource_name, ())
    )


def refuse_foreign(attachment: Attachment, own: Devices, claims: ClaimDevices | None = None) -> Verdict:
    """Return the refusal of an attachment that `find_foreign` returned. No posture allows another pod's device."""
    resource = attachment.network.resource_name
    return Verdict(
        is_allowed=False,
        code="ForeignDevice",
        reason=f"device {show(attachment.element.device_id)} is not one that the pod has of resource {show(resource)}",
        decider=f"{_givers(claims)}, which gave the pod these: {_list(own.get(resource, ())) or 'none'}",
        fix="remove deviceID and take the next free device, or ask for a device that the pod has",
    )


def assign(plan: Plan, own: Devices, claims: ClaimDevices | None = None) -> Plan:
    """Return the plan with each attachment's device, in `device`, `runtime_config` and each plugin's configuration.

    Attachments with a `deviceID` go first; the caller has refused those of `find_foreign`. `claims`: what `own` has
    from them, for the text of an error. Raises CniError 101.
    """
    chosen, taken = _choose(plan, own)
    for attachment in plan.attachments:
        if attachment.network.resource_name in own and attachment.interface not in chosen:
            _refuse_exhausted(attachment, plan, own, taken, claims)
    return plan.replace(attachments=tuple(_give(item, chosen.get(item.interface)) for item in plan.attachments))


def _choose(plan: Plan, own: Devices) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the devices by interface, and the interfaces by `_identity` of their device."""
    taken: dict[str, str] = {}
    chosen: dict[str, str] = {}
    for attachment in plan.attachments:
        asked = attachment.element.device_id
        if asked:
            key = _identity(attachment.network.resource_name, asked)
            if key in taken:
                _refuse_twice(attachment, asked, taken[key])
            taken[key], chosen[attachment.interface] = attachment.interface, asked
    for attachment in plan.attachments:
        resource = attachment.network.resource_name
        if resource in own and attachment.interface not in chosen:
            free = (device for device in own[resource] if _identity(resource, device) not in taken)
            device = next(free, None)
            if device is not None:
                taken[_identity(resource, device)], chosen[attachment.interface] = attachment.interface, device
    return chosen, taken


def without_device(conf: dict[str, Any], device: str) -> dict[str, Any]:
    """Return a network's object without the keys of `assign`, which is the same for all attachments to it."""
    if "plugins" in conf:
        return {**conf, "plugins": [without_device(plugin, device) for plugin in conf["plugins"]]}
    return {key: value for key, value in conf.items() if key not in INJECTED or value != device}


def _identity(resource: str, device: str) -> str:
    """Return a key of the device. An ID is unique within its resource, a PCI address on the node."""
    is_pci = len(device) == len("0000:00:00.0") and (device[4], device[7], device[10]) == (":", ":", ".")
    return device.casefold() if is_pci else f"{resource} {device}"


def _give(attachment: Attachment, device: str | None) -> Attachment:
    """NB: if the network has no resource, `deviceID` is only a capability argument, as in Multus."""
    if device is None or not attachment.network.resource_name:
        return attachment
    return attachment.replace(
        device=device,
        network=_inject(attachment.network, device),
        runtime_config={**attachment.runtime_config, "deviceID": device},
    )


def _inject(network: NetworkAttachmentDefinition, device: str) -> NetworkAttachmentDefinition:
    config = network.config
    return network if config is None else network.replace(config=inject(config, device))


def inject(config: NetworkConfigList, device: str) -> NetworkConfigList:
    """Return a network with a device in the configuration of each plugin."""
    given = dict.fromkeys(INJECTED, device)
    plugins = tuple(plugin.replace(conf={**plugin.conf, **given}) for plugin in config.plugins)
    conf = {**config.conf, "plugins": [plugin.conf for plugin in plugins]} if config.is_list else plugins[0].conf
    return config.replace(plugins=plugins, conf=conf)


def _refuse_twice(attachment: Attachment, device: str, holder: str) -> NoReturn:
    where = f"network {attachment.network.reference} ({attachment.interface})"
    fix = "ask for another device, or remove deviceID and take the next free one"
    raise CniError(NO_DEVICE, f"{where}: deviceID: the device is already given to {holder}: {show(device)}; {fix}")


def _refuse_exhausted(
    attachment: Attachment, plan: Plan, own: Devices, taken: Mapping[str, str], claims: ClaimDevices | None
) -> NoReturn:
    resource = attachment.network.resource_name
    devices = own.get(resource, ())
    askers = [item.interface for item in plan.attachments if item.network.resource_name == resource]
    held = [f"{device} is given to {taken[_identity(resource, device)]}" for device in devices]
    has = f"{len(devices)} of it ({_list(held)})" if devices else "none of it"
    asks = f"{len(askers)} attachments need one each" if len(askers) > 1 else "1 attachment needs one"
    raise CniError(
        NO_DEVICE,
        f"network {attachment.network.reference} ({attachment.interface}): there is no device of resource "
        f"{show(resource)} left: {_givers(claims)} gave the pod {has}, and {asks} ({_list(askers)}); "
        f"request {len(askers)} of the resource in resources.limits of the pod's containers or by its resourceClaims, "
        "or select fewer networks",
        "\n".join(_tell_claims(resource, claims)),
    )


def _givers(claims: ClaimDevices | None) -> str:
    return "the kubelet" if claims is None else "the kubelet and the ResourceClaims"


def _tell_claims(resource: str, claims: ClaimDevices | None) -> Iterator[str]:
    """Yield lines about what the claims of a pod give instead of a resource."""
    if claims is None:
        return
    others = [f"{show(name)} ({_list(ids)})" for name, ids in claims.devices.items() if name != resource]
    if others:
        yield f"the claims give devices of other resources: {_list(others)}"
    yield from claims.gaps[:LISTED_MAX]
    if len(claims.gaps) > LISTED_MAX:
        yield f"and {len(claims.gaps) - LISTED_MAX} more devices or claims that give nothing"


def _list(items: Iterable[str]) -> str:
    shown = list(items)
    more = f" and {len(shown) - LISTED_MAX} more" if len(shown) > LISTED_MAX else ""
    return ", ".join(shown[:LISTED_MAX]) + more


def device_plugin_file(directory: str, resource: str, device: str) -> str:
    """Return the device plugin's file about a device."""
    return f"{directory.rstrip('/')}/dp/{_flat(resource)}-{_flat(device)}-device.json"


def info_file_of(directory: str, reference: str, container_id: str, ifname: str) -> str:
    """Return the file of an attachment. If the name is too long, the network's part is cut."""
    tail = _tail(container_id, ifname)
    room = max(0, NAME_BYTES_MAX - len(os.fsencode(tail)))
    return f"{directory.rstrip('/')}/cni/{_flat(reference)[:room]}{tail}"


def is_info_file_of(path: str, container_id: str, ifname: str) -> bool:
    """Say whether a path is the file of this attachment; a path from Multus' cache can be another one."""
    return os.path.basename(path).endswith(_tail(container_id, ifname))


def provide_info(path: str, source: str | None) -> None:
    """Replace an attachment's file by a copy of `source`, the device plugin's file. Without that there is no file.

    Raises CniError 5 for a failure of the disk, 6 if the device plugin's file is not device information.
    """
    remove_info(path)
    data = _read_info(source) if source else None
    if source is None or data is None:
        return
    _parse_info(data, source)
    try:
        _make_directory(os.path.dirname(path))
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o444)
        with open(fd, "wb") as file:
            file.write(data)
    except OSError as error:
        raise CniError(IO_FAILURE, f"{path}: the device information cannot be written: {error.strerror}") from error


def load_info(path: str) -> dict[str, Any] | None:
    """Return the device information of an attachment, None without one. Raises CniError 5 or 6."""
    data = _read_info(path)
    return None if data is None else _parse_info(data, path)


def remove_info(path: str) -> None:
    """Remove an attachment's file, if it exists. Raises CniError 5."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        raise CniError(IO_FAILURE, f"{path}: the device information cannot be removed: {_why(error)}") from error


def _make_directory(path: str) -> None:
    """Make a directory and its parents. NB: os.makedirs leaves the mode of the parents to the umask."""
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        pass
    except FileNotFoundError:
        _make_directory(os.path.dirname(path))
        _make_directory(path)  # NB: another container's ADD may make it at the same time


def _read_info(path: str) -> bytes | None:
    try:
        return load_regular_file(path, bytes_max=INFO_BYTES_MAX)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", 0) == EFBIG:
            _refuse_info(path, f"it has {_why(error)}")
        raise CniError(IO_FAILURE, f"{path}: the device information cannot be read: {_why(error)}") from error


def _why(error: Exception) -> str:
    """NB: a path with a zero byte, from a resource's name, raises ValueError."""
    return getattr(error, "strerror", None) or str(error)


def _parse_info(data: bytes, path: str) -> dict[str, Any]:
    """Return the object. Its members are not checked."""
    try:
        value = loads(data)
    except (ValueError, RecursionError) as error:
        _refuse_info(path, str(error))
    if not isinstance(value, dict):
        _refuse_info(path, "it is not an object")
    return value


def _refuse_info(path: str, problem: str) -> NoReturn:
    fix = "the device plugin or CNI plugin that wrote it must write it again"
    raise CniError(DECODE_FAILURE, f"{path}: this is not device information: {problem}; {fix}")


def _flat(text: str) -> str:
    return text.replace("/", "-")


def _tail(container_id: str, ifname: str) -> str:
    return f"-{container_id}_{ifname}"
