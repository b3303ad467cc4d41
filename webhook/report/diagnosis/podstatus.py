"""The networks of a pod: what it asks for, and what network-status says that it has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cniplugin.netspec.annotation import PodSelections, read_pod, texts_of
from cniplugin.netspec.selection import NETWORK_STATUS_KEYS, NetworkSelectionElement
from webhook.admission.model.kinds import NETWORK_NAMESPACE
from webhook.admission.plugins.goparsing import read_address
from webhook.admission.view.addressclaims import mac_key

from .causes import Attachment
from .objectset import Json, part, text, texts


class Definition(NamedTuple):
    """The parts of a definition that a cause names; each is "" if it is not written. `name`: of its configuration."""

    name: str = ""
    plugin: str = ""
    ipam: str = ""
    master: str = ""


class Has(NamedTuple):
    """One entry of network-status. `devices`: the texts in its device information that name the device."""

    name: str
    interface: str
    addresses: tuple[str, ...]
    mac: str
    is_default: bool
    devices: tuple[str, ...] = ()


def selections_of(pod: Json, network_namespace: str = NETWORK_NAMESPACE) -> PodSelections:
    """Return what the annotations of a pod, or of the pod of a template, ask for."""
    annotations = texts(pod, "metadata", "annotations")
    namespace = text(pod, "metadata", "namespace")
    return read_pod(*texts_of(annotations), namespace=namespace, network_namespace=network_namespace)


def reference_of(element: NetworkSelectionElement) -> str:
    """Return a network as namespace/name."""
    return f"{element.namespace}/{element.name}"


def status_of(pod: Json) -> list[Has] | None:
    """Return network-status, None without one. What cannot be read counts as absent."""
    annotations = texts(pod, "metadata", "annotations")
    written = next((annotations[key] for key in NETWORK_STATUS_KEYS if key in annotations), None)
    if written is None:
        return None
    try:
        value = json.loads(written)
    except (ValueError, RecursionError):  # NB: the author of a pod can nest a text as deep as the API server lets it
        return None
    return [_entry(one) for one in value if isinstance(one, Mapping)] if isinstance(value, list) else None


def _entry(one: Mapping[str, Any]) -> Has:
    ips = one.get("ips")
    addresses = tuple(_whole(str(address)) for address in ips) if isinstance(ips, list) else ()
    devices = tuple(map(_whole, _device_texts(part(one, "device-info"))))
    is_default = one.get("default") is True
    name, interface, mac = (_whole(text(one, key)) for key in ("name", "interface", "mac"))
    return Has(name, interface, addresses, mac, is_default, devices)


def _whole(written: str) -> str:
    """Return a text without half characters, which JSON can escape and no output can hold."""
    return written if written.isascii() else written.encode(errors="replace").decode()


_KINDS_OF_DEVICE = frozenset({"type", "version", "mode", "role", "driver"})


def _device_texts(info: Json) -> Iterator[str]:
    """Yield the texts of a device information (device-info spec v1.1) but those that many devices share.

    Those of one device are in an object under its type: `{"type": "pci", "pci": {"pci-address": "0000:18:02.5"}}`.
    """
    for device in (info, *(one for one in info.values() if isinstance(one, Mapping))):
        for key, value in device.items():
            if isinstance(value, str) and value and key not in _KINDS_OF_DEVICE:
                yield value


def match(pod: Json, selections: PodSelections) -> tuple[Attachment, ...]:
    """Return each selected network of a pod with its entry of network-status; see `match_entries`."""
    return match_entries(status_of(pod) or (), selections)


def match_entries(entries: Iterable[Has], selections: PodSelections) -> tuple[Attachment, ...]:
    """Return each selected network with its entry of network-status, if it has one. An entry counts once."""
    rest = list(entries)
    found = []
    for position, element in selections.elements:
        reference, item = reference_of(element), 0 if position is None else position + 1
        fitting = [one for one in rest if one.name == reference]
        exact = [one for one in fitting if element.interface in {None, one.interface}]
        chosen = next(iter(exact or fitting), None)
        if chosen is None:
            found.append(Attachment(reference, item, element.interface or ""))
            continue
        rest.remove(chosen)
        found.append(Attachment(reference, item, chosen.interface, chosen.addresses, is_attached=True))
    return tuple(found)


def ignored(entries: Sequence[Has], selections: PodSelections) -> tuple[str, str] | None:
    """Return the first network that a pod has in another way than it asks, and how; None if there is none."""
    attached = match_entries(entries, selections)
    macs = {(one.name, one.interface): one.mac for one in entries}
    for (_, element), has in zip(selections.elements, attached, strict=True):
        if not has.is_attached:
            continue
        mac = macs.get((has.reference, has.interface), "")
        if differences := _differences(element, has, mac):
            return has.reference, "; ".join(differences)
    return None


def _differences(element: NetworkSelectionElement, has: Attachment, mac: str) -> Sequence[str]:
    asked = [address.partition("/")[0] for address in element.ips]
    having = {_normal(address) for address in has.addresses}
    lacking = [address for address in asked if _normal(address) not in having]
    found = []
    if lacking and has.addresses:
        found.append(f"it asks for address {_listed(lacking)} and has {_listed(has.addresses)}")
    if element.mac and mac and mac_key(element.mac) != mac_key(mac):
        found.append(f"it asks for MAC address {element.mac} and has {mac}")
    if element.interface and has.interface and element.interface != has.interface:
        found.append(f"it asks for interface {element.interface} and has {has.interface}")
    return found


SHOWN_MAX = 4
"""Addresses that a message names: the author of a pod can write thousands."""


def _listed(addresses: Sequence[str]) -> str:
    more = f" and {len(addresses) - SHOWN_MAX} more" if len(addresses) > SHOWN_MAX else ""
    return f"{', '.join(addresses[:SHOWN_MAX])}{more}"


def _normal(written: str) -> str:
    address = read_address(written.partition("/")[0])
    return written if address is None else str(address)


def definition_of(written: Json | None) -> Definition:
    """Return the parts of a definition. A configuration that cannot be read has none."""
    try:
        config = json.loads(text(written, "spec", "config") or "{}")
    except ValueError:
        return Definition()
    if not isinstance(config, dict):
        return Definition()
    listed = config.get("plugins")
    plugins = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else [config]
    first = plugins[0] if plugins else {}
    master = next((value for key in _MASTERS if isinstance(value := first.get(key), str) and value), "")
    return Definition(text(config, "name"), text(first, "type"), text(first, "ipam", "type"), master)


_MASTERS = ("master", "device", "link", "hwaddr", "pciBusID", "pf")
"""Keys by which plugins name an interface of the node."""
