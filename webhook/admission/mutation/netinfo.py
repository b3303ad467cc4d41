"""Pod network information: the pod's labels, annotations and hugepages as files below /etc/podnetinfo.

Every ordinary container and the target mount a downward API volume `podnetinfo`, unless they have a mount of that name,
at that path or below it. A volume of that name with other content belongs to the pod: it does not change, and nothing
mounts it. With hugepages, each amount of a container is a file, in MiB, and the variable CONTAINER_NAME holds the name
by which a container finds its own files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from webhook.admission.model import podspec
from webhook.admission.model.podspec import Container, Json, parse_quantity

VOLUME = "podnetinfo"
MOUNT_PATH = "/etc/podnetinfo"
_BELOW = f"{MOUNT_PATH}/"
_MOUNT = {"name": VOLUME, "readOnly": True, "mountPath": MOUNT_PATH}
CONTAINER_NAME = "CONTAINER_NAME"
HUGEPAGES = "hugepages-"
ITEMS_MAX = 4096
"""Files of the volume: 256 containers with requests and limits of eight sizes. A longer volume is the pod's own."""


def has_volume(pod: Json) -> bool:
    """Say whether the pod has a volume of the name."""
    return _volume(pod) is not None


def is_foreign(pod: Json) -> bool:
    """Say whether the pod has a volume of the name with other content."""
    volume = _volume(pod)
    return volume is not None and not _is_ours(volume[1])


def inject_netinfo(pod: Json, target: Container | None, *, exposes_hugepages: bool) -> Json:
    """Return the pod with the volume, its mounts, and the names of containers with hugepages."""
    readers = podspec.containers(pod)
    values = [container.value for container in readers]
    if target is not None and target.path not in [container.path for container in readers]:
        readers.append(target)
        values.append(_at(pod, target.path))
    volume = _volume(pod)
    foreign = volume is not None and not _is_ours(volume[1])
    if not foreign:
        values = [_mounted(value) for value in values]
    mounting = [container for container, value in zip(readers, values, strict=True) if _has_volume_mount(value)]
    pages: list[tuple[Container, str, str]] = []
    if exposes_hugepages:
        every = ((container, *page) for container in mounting for page in _hugepages(container))
        pages = list(islice(every, ITEMS_MAX - len(_METADATA)))
        having = {container.path for container, *_ in pages}
        values = [_named(value) if one.path in having else value for one, value in zip(readers, values, strict=True)]
    pod = podspec.put_containers(pod, readers, values)
    if foreign or not mounting:
        return pod
    items = [*_metadata_items(pod), *[_hugepages_item(container.name, *page) for container, *page in pages]]
    return _fill_volume(pod, volume, items)


def _at(pod: Json, path: podspec.Path) -> Json:
    """Return the container at a path."""
    _, key, index = path
    value: Json = podspec.spec_of(pod)[str(key)][int(index)]
    return value


# Mounts and names


def is_our_place(mount_path: object) -> bool:
    """Say whether a mount path is the volume's path, or below it.

    NB: the volume is mounted read-only, so the runtime cannot create a path below it, and the container would not
    start.
    """
    return f"{mount_path}/".startswith(_BELOW)


def _has_mount(container: Json) -> bool:
    """Say whether a container mounts the volume, or has another mount at its path."""
    mounts = container.get("volumeMounts") or ()
    return any(mount.get("name") == VOLUME or is_our_place(mount.get("mountPath")) for mount in mounts)


def _has_volume_mount(container: Json) -> bool:
    """Say whether a container mounts the volume."""
    return VOLUME in [mount.get("name") for mount in container.get("volumeMounts") or ()]


def _mounted(container: Json) -> Json:
    if _has_mount(container):
        return container
    return {**container, "volumeMounts": [*(container.get("volumeMounts") or ()), _MOUNT.copy()]}


def _named(container: Json) -> Json:
    """Return the container with its name in its environment; an existing variable of that name does not change."""
    known = container.get("env") or []
    if any(variable.get("name") == CONTAINER_NAME for variable in known):
        return container
    variable = {"name": CONTAINER_NAME, "value": container.get("name")}
    return {**container, "env": [*known, variable]}


# The volume


def _volume(pod: Json) -> tuple[int, Json] | None:
    volumes = podspec.spec_of(pod).get("volumes") or ()
    for index, volume in enumerate(volumes):
        if volume.get("name") == VOLUME:
            return index, volume
    return None


def _items(volume: Json) -> list[Any] | None:
    source = volume.get("downwardAPI")
    items = source.get("items") if isinstance(source, dict) else None
    return items if isinstance(items, list) else None


def _key(item: Any) -> object:
    """Return the fields that identify an item, without the defaults of the API server (`fieldRef.apiVersion`)."""
    field, resource = item.get("fieldRef") or {}, item.get("resourceFieldRef") or {}
    return item.get("path"), field.get("fieldPath"), resource.get("containerName"), resource.get("resource")


def _is_ours(volume: Json) -> bool:
    """Say whether a volume holds only items that this module writes."""
    items = _items(volume) or []
    return 0 < len(items) <= ITEMS_MAX and all(_is_our_item(item) for item in items)


def _is_our_item(item: Any) -> bool:
    if not isinstance(item, dict) or not all(isinstance(item.get(key) or {}, dict) for key in _REFERENCES):
        return False
    resource = item.get("resourceFieldRef") or {}
    page = str(resource.get("resource"))
    kind, _, name = page.partition(".")
    if name.startswith(HUGEPAGES) and kind in {"requests", "limits"}:
        return _key(item) == _key(_hugepages_item(str(resource.get("containerName")), kind, name))
    return _key(item) in _METADATA_KEYS


_REFERENCES = ("fieldRef", "resourceFieldRef")
_METADATA = ("labels", "annotations")


def _metadata_items(pod: Json) -> list[Json]:
    """NB: each pod gets values of its own, because whoever gets a pod may change it."""
    metadata = pod.get("metadata") or {}
    return [_metadata_item(name) for name in _METADATA if metadata.get(name)]


def _metadata_item(name: str) -> Json:
    return {"path": name, "fieldRef": {"fieldPath": f"metadata.{name}"}}


_METADATA_KEYS = [_key(_metadata_item(name)) for name in _METADATA]


def _hugepages(container: Container) -> Iterator[tuple[str, str]]:
    """Yield (requests or limits, resource) for the hugepages of a container; sizes in alphabetical order."""
    resources = container.value.get("resources") or {}
    for kind in ("requests", "limits"):
        for name, figure in sorted((resources.get(kind) or {}).items()):
            if name.startswith(HUGEPAGES) and name != HUGEPAGES and parse_quantity(figure):
                yield kind, name


def _hugepages_item(container: str, kind: str, resource: str) -> Json:
    """Return the file of one amount: `hugepages_1G_limit_<container>` for `limits.hugepages-1Gi`."""
    size = resource.removeprefix(HUGEPAGES).replace("i", "")
    return {
        "path": f"hugepages_{size}_{kind.removesuffix('s')}_{container}",
        "resourceFieldRef": {"containerName": container, "resource": f"{kind}.{resource}", "divisor": "1Mi"},
    }


def _fill_volume(pod: Json, existing: tuple[int, Json] | None, items: Sequence[Json]) -> Json:
    """Return the pod with a volume that has these items, beside those of an earlier pass, with its index."""
    if existing is None:
        volumes = podspec.spec_of(pod).get("volumes") or ()
        volume = {"name": VOLUME, "downwardAPI": {"items": items}}
        return podspec.put(pod, ("spec", "volumes"), [*volumes, volume])
    index, volume = existing
    known = _items(volume) or []
    keys = {_key(item) for item in known}
    missing = [item for item in items if _key(item) not in keys]
    if not missing:
        return pod
    return podspec.put(pod, ("spec", "volumes", index, "downwardAPI", "items"), [*known, *missing])
