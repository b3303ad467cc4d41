"""Which device an attachment gets: the kubelet's checkpoint to a pod's devices, and those to the attachments of a plan.

    checkpoint = {"Data": {"PodDeviceEntries": [entry...] / null, ...}, ...}
    entry      = {"PodUID": text, "ResourceName": text, "DeviceIDs": ids / null, ...}
    ids        = [id...]                        ; older kubelets
               / {NUMA node: [id...] / null}    ; newer ones, "-1" for devices without a node

(kubernetes pkg/kubelet/cm/devicemanager/checkpoint.) The kubelet replaces the file as a whole, and before it has the
sandbox made. Its `Checksum` is taken over Go's print of its structs, so it is not verified here.

An attachment whose network names a resource gets the next device of it that the kubelet gave the pod: all containers
together, in the order of the IDs. A `deviceID` in the annotation chooses one of them. No device is given twice; a PCI
address is the same device under each resource. Multus gives no device, and no error, when none is left.
"""

from __future__ import annotations

from cniplugin.access.model.values import Verdict
from cniplugin.cnierrors import NO_DEVICE, CniError
from cniplugin.netspec import cniconfig
from cniplugin.netspec.errors import show
from cniplugin.netspec.jsontext import quote
from cniplugin.netspec.rawjson import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, NoReturn

    from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
    from cniplugin.netspec.plan import Attachment, Plan

    Devices = Mapping[str, tuple[str, ...]]
    """Device IDs by resource, sorted."""

INJECTED = ("deviceID", "pciBusID")
"""Keys that tell each plugin of the network its device (Multus; sriov reads the one, host-device the other)."""
LISTED_MAX = 5


def parse_checkpoint(data: bytes, pod_uid: str) -> Devices:
    """Return the devices of one pod by resource. Raises ValueError, which says where the text is another."""
    try:
        value = loads(data)
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    found: dict[str, set[str]] = {}
    entries = _member(_member(value, "Data", dict, "the checkpoint"), "PodDeviceEntries", list, "Data")
    for index, entry in enumerate(entries):
        where = f"Data.PodDeviceEntries[{index}]"
        if _member(entry, "PodUID", str, where) == pod_uid:
            ids = _read_ids(entry.get("DeviceIDs"), f"{where}.DeviceIDs")
            found.setdefault(_member(entry, "ResourceName", str, where), set()).update(ids)
    return {resource: tuple(sorted(ids)) for resource, ids in found.items()}


def _member(value: object, key: str, kind: type, where: str) -> Any:
    """Return a member of the kind; a list may be null, as Go writes an empty one."""
    member = value.get(key) if isinstance(value, dict) else None
    if kind is list and member is None and isinstance(value, dict) and key in value:
        return []
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


def find_foreign(plan: Plan, own: Devices) -> tuple[Attachment, ...]:
    """Return the attachments whose `deviceID` is none of the pod's devices of the network's resource."""
    return tuple(
        attachment
        for attachment in plan.attachments
        if attachment.element.device_id
        and attachment.network.resource_name
        and attachment.element.device_id not in own.get(attachment.network.resource_name, ())
    )


def refuse_foreign(attachment: Attachment, own: Devices) -> Verdict:
    """Return the refusal of an attachment that `find_foreign` found; no posture allows another pod's device."""
    resource = attachment.network.resource_name
    return Verdict(
        is_allowed=False,
        code="ForeignDevice",
        reason=f"device {show(attachment.element.device_id)} is not one that the pod has of resource {show(resource)}",
        decided=f"the kubelet, which gave the pod of it: {_list(own.get(resource, ())) or 'none'}",
        fix="remove deviceID and take the next device that is free, or ask for one that the pod has",
    )


def assign(plan: Plan, own: Devices) -> Plan:
    """Return the plan with each attachment's device, in `device`, `runtime_config` and each plugin's configuration.

    Devices that are asked for by `deviceID` go first; see to `find_foreign` before. Raises CniError 101.
    """
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
        if resource and attachment.interface not in chosen:
            free = (device for device in own.get(resource, ()) if _identity(resource, device) not in taken)
            device = next(free, None)
            if device is None:
                _refuse_exhausted(attachment, plan, own, taken)
            taken[_identity(resource, device)], chosen[attachment.interface] = attachment.interface, device
    return plan.replace(attachments=tuple(_give(item, chosen.get(item.interface)) for item in plan.attachments))


def without_device(conf: dict[str, Any], device: str) -> dict[str, Any]:
    """Return a network's object without what `assign` wrote: the same for all attachments to it."""
    if "plugins" in conf:
        return {**conf, "plugins": [without_device(plugin, device) for plugin in conf["plugins"]]}
    return {key: value for key, value in conf.items() if key not in INJECTED or value != device}


def _identity(resource: str, device: str) -> str:
    """Return what tells two devices apart: an ID means something within its resource, a PCI address everywhere."""
    is_pci = len(device) == len("0000:00:00.0") and (device[4], device[7], device[10]) == (":", ":", ".")
    return device.casefold() if is_pci else f"{resource} {device}"


def _give(attachment: Attachment, device: str | None) -> Attachment:
    """NB: without a resource, a `deviceID` of the annotation is only a capability argument, as in Multus."""
    if device is None or not attachment.network.resource_name:
        return attachment
    return attachment.replace(
        device=device,
        network=_inject(attachment.network, device),
        runtime_config={**attachment.runtime_config, "deviceID": device},
    )


def _inject(network: NetworkAttachmentDefinition, device: str) -> NetworkAttachmentDefinition:
    config = network.config
    if config is None:
        return network
    given = dict.fromkeys(INJECTED, device)
    if config.is_list:
        conf = {**config.conf, "plugins": [{**plugin.conf, **given} for plugin in config.plugins]}
    else:
        conf = {**config.conf, **given}
    return network.replace(config=cniconfig.parse(quote(conf), name=config.name))


def _refuse_twice(attachment: Attachment, device: str, holder: str) -> NoReturn:
    where = f"network {attachment.network.reference} ({attachment.interface})"
    fix = "ask for another one, or for none and take the next that is free"
    raise CniError(NO_DEVICE, f"{where}: deviceID: the device is given to {holder} already: {show(device)}; {fix}")


def _refuse_exhausted(attachment: Attachment, plan: Plan, own: Devices, taken: Mapping[str, str]) -> NoReturn:
    resource = attachment.network.resource_name
    devices = own.get(resource, ())
    askers = [item.interface for item in plan.attachments if item.network.resource_name == resource]
    held = [f"{device} is given to {taken[_identity(resource, device)]}" for device in devices]
    has = f"{len(devices)} of it ({_list(held)})" if devices else "none of it"
    asks = f"{len(askers)} attachments need one each" if len(askers) > 1 else "1 attachment needs one"
    raise CniError(
        NO_DEVICE,
        f"network {attachment.network.reference} ({attachment.interface}): there is no device of resource "
        f"{show(resource)} left: the kubelet gave the pod {has}, and {asks} ({_list(askers)}); "
        f"request {len(askers)} of the resource in resources.limits of the pod's containers, or select fewer networks",
    )


def _list(items: Iterable[str]) -> str:
    shown = list(items)
    more = f" and {len(shown) - LISTED_MAX} more" if len(shown) > LISTED_MAX else ""
    return ", ".join(shown[:LISTED_MAX]) + more
