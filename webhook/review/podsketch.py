"""The sketch of a pod: everything that /mutate reads in the pod, and nothing else, as one hashable value.

The pods of a ReplicaSet differ in their names and in the generated name of the volume with their token. Those of a
StatefulSet or an indexed Job also differ in a label and an annotation. Their sketches are equal, so every pod but the
first costs a look-up (`decisioncache`). Pods with equal sketches get equal patches. A property test checks this: code
in `admission.mutation` that reads more of a pod must add it here. The check of the result of /mutate reads less, and
has a sketch of its own.

A sketch distinguishes present, null, empty and absent values, because a patch adds, replaces or appends accordingly.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, TypedDict

import msgspec
from msgspec import UNSET, Raw, UnsetType

from webhook.admission.model.injection import INJECT_INTO, find_suspects
from webhook.admission.model.podspec import ALWAYS
from webhook.admission.model.requests import Read
from webhook.admission.mutation.netinfo import CONTAINER_NAME, HUGEPAGES, VOLUME, is_our_place

SKETCH_MAX = 4096
"""Bytes of a sketch that is kept; a `DecisionCache` keeps 2,048 of them."""

PARTS_MAX = 256
"""Texts of such a sketch. Even an empty text costs 50 bytes in Python, so 2,048 sketches take at most 50 MiB."""

COUNTS_MAX = 768
"""Facts of such a sketch beside its texts, of 8 bytes each: those of 120 containers."""

_ABSENT = Raw(b"")
_NAME, _VARIABLE, _HUGEPAGES = VOLUME.encode(), CONTAINER_NAME.encode(), HUGEPAGES.encode()


class _Mount(msgspec.Struct, rename="camel", frozen=True, gc=False):
    name: str = ""
    mount_path: str = ""


class _Variable(msgspec.Struct, frozen=True, gc=False):
    name: str = ""


class _Resources(msgspec.Struct, frozen=True, gc=False):
    requests: dict[str, str] | UnsetType | None = UNSET
    limits: dict[str, str] | UnsetType | None = UNSET


class _Container(msgspec.Struct, rename="camel", frozen=True, gc=False):
    name: str | None = None
    resources: _Resources | UnsetType | None = UNSET
    restart_policy: str | None = None
    env: tuple[_Variable, ...] | UnsetType | None = UNSET
    volume_mounts: tuple[_Mount, ...] | UnsetType | None = UNSET


class _Volume(msgspec.Struct, frozen=True, gc=False):
    name: str | None = None


Texts = dict[str, str] | UnsetType | None


class PodSpec(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """The members of `spec` that injection reads, undecoded: the decoder has to skip these bytes anyway."""

    containers: Raw = _ABSENT
    init_containers: Raw = _ABSENT
    volumes: Raw = _ABSENT
    node_selector: Raw = _ABSENT
    resource_claims: Raw = _ABSENT
    host_network: Raw = _ABSENT


class _Requests(msgspec.Struct, rename="camel", frozen=True, gc=False):
    resources: Raw = _ABSENT
    restart_policy: Raw = _ABSENT


# The parts of a pod as plain JSON: the decoder skips the other members, and checks the types of these


class _PartsOfResources(TypedDict, total=False):
    requests: dict[str, Any] | None
    limits: dict[str, Any] | None


class _PartsOfMount(TypedDict, total=False):
    name: Any
    mountPath: Any


class _PartsOfVariable(TypedDict, total=False):
    name: Any


class _PartsOfContainer(TypedDict, total=False):
    name: str | None
    resources: _PartsOfResources | None
    restartPolicy: Any
    env: list[_PartsOfVariable] | None
    volumeMounts: list[_PartsOfMount] | None


class _PartsOfVolume(TypedDict, total=False):
    name: Any
    downwardAPI: Any


_decode_requests = msgspec.json.Decoder(tuple[_Requests, ...] | None).decode
_decode_containers = msgspec.json.Decoder(tuple[_Container, ...] | None).decode
_decode_volumes = msgspec.json.Decoder(tuple[_Volume, ...] | None).decode
_decode_items = msgspec.json.Decoder(tuple[Raw, ...]).decode
_decode_any = msgspec.json.Decoder(Any).decode
_decode_parts = msgspec.json.Decoder(list[_PartsOfContainer] | None).decode
_decode_parts_of_volumes = msgspec.json.Decoder(list[_PartsOfVolume] | None).decode
_decode_selector = msgspec.json.Decoder(dict[str, str] | None).decode
_decode_claims = msgspec.json.Decoder(list[Any] | None).decode


def read_parts(labels: Texts, annotations: Texts, spec: PodSpec) -> dict[str, Any] | None:
    """Return the parts of a pod that injection reads or changes, as plain JSON; None if a type is another.

    The members of `spec` are in the order in which the API server writes them.
    """
    written = (
        ("volumes", spec.volumes, _decode_parts_of_volumes),
        ("initContainers", spec.init_containers, _decode_parts),
        ("containers", spec.containers, _decode_parts),
        ("nodeSelector", spec.node_selector, _decode_selector),
        ("hostNetwork", spec.host_network, _decode_any),
        ("resourceClaims", spec.resource_claims, _decode_claims),
    )
    try:
        parts: dict[str, Any] = {key: decode(raw) for key, raw, decode in written if raw}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    metadata: dict[str, Any] = {}
    if labels is not UNSET:
        metadata["labels"] = labels
    if annotations is not UNSET:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": parts}


def sketch_pod(read: Read, labels: Texts, annotations: Texts, spec: PodSpec) -> Hashable | None:
    """Return the sketch of a pod; None for an unusual pod, or one that is too large to be cached."""
    try:
        ordinary = _decode_containers(spec.containers)
        initial = _decode_containers(spec.init_containers) if spec.init_containers else UNSET
        volumes = _decode_volumes(spec.volumes) if spec.volumes else UNSET
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if volumes and len(volumes) > PARTS_MAX:  # to look through 50,000 takes as long as all the rest
        return None
    # What is empty, null or absent stands for itself. How long a list is to which the patch only adds does not matter.
    counts: list[Hashable] = [ordinary and len(ordinary), initial and len(initial), volumes and True]
    texts: list[str | bytes] = [bytes(spec.node_selector), bytes(spec.resource_claims), bytes(spec.host_network)]
    for known, keys in ((labels, read.labels), (annotations, read.annotations)):
        counts.append(bool(known) if isinstance(known, dict) else known)
        if known and not keys.isdisjoint(known):
            values = [known.get(key) for key in keys]
            counts += [value is None for value in values]
            texts += [value for value in values if value is not None]
        counts.append(len(texts))
    is_target_named = read.names
    if annotations:
        is_target_named |= INJECT_INTO in annotations
        texts += find_suspects(annotations)
    counts.append(len(texts))
    if volumes:
        texts += _our_volumes(volumes, spec.volumes)
    for containers, raw in ((ordinary, spec.containers), (initial, spec.init_containers)):
        if containers:
            counts.append(len(texts))
            some = containers[:PARTS_MAX]  # more would make no sketch: each has five counts
            _add_containers(some, bytes(raw), counts, texts, is_target_named, bool(spec.resource_claims))
    return _bounded(counts, texts)


def _add_containers(
    containers: Sequence[_Container],
    raw: bytes,
    counts: list[Hashable],
    texts: list[str | bytes],
    is_target_named: bool,  # noqa: FBT001
    has_claims: bool,  # noqa: FBT001
) -> None:
    """Add the containers of one list. An escape in the bytes may hide a letter of a name."""
    is_escaped = b"\\" in raw
    may_be_ours = is_escaped or _NAME in raw or _VARIABLE in raw
    names_matter = is_target_named or is_escaped or _HUGEPAGES in raw
    counts += (may_be_ours, names_matter)
    for one in containers:
        resources = one.resources
        counts += (one.env and True, one.volume_mounts and True, one.restart_policy == ALWAYS)
        if isinstance(resources, _Resources):
            _add_amounts(resources.requests, counts, texts, has_claims)
            _add_amounts(resources.limits, counts, texts, has_claims)
        else:
            counts += (resources, _NO_OBJECT)
        if names_matter:
            texts.append(one.name or "")
        if may_be_ours:
            counts += (_has_our_name(one), _has_our_mount(one))


def sketch_requests(spec: PodSpec) -> Hashable | None:
    """Return all that determines how much a pod requests; None as for `sketch_pod`."""
    try:
        ordinary = _decode_requests(spec.containers)
        initial = _decode_requests(spec.init_containers) if spec.init_containers else UNSET
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if len(ordinary or ()) + len(initial or ()) > PARTS_MAX:
        return None
    texts: list[str | bytes] = [bytes(spec.resource_claims)]
    for one in (*(ordinary or ()), *(initial or ())):
        texts += (bytes(one.resources), bytes(one.restart_policy))
    return _bounded((ordinary and len(ordinary), initial and len(initial)), texts)


def _bounded(counts: Sequence[Hashable], texts: Sequence[str | bytes]) -> Hashable | None:
    """Return the sketch of these parts. NB: the counts tell where one part ends and the next begins."""
    if len(texts) > PARTS_MAX or len(counts) > COUNTS_MAX or sum(map(len, texts)) > SKETCH_MAX:
        return None
    return (tuple(counts), tuple(texts))


def _add_amounts(
    amounts: dict[str, str] | UnsetType | None,
    counts: list[Hashable],
    texts: list[str | bytes],
    is_every_name: bool,  # noqa: FBT001 - by position: this runs for each container
) -> None:
    """Add the requests or the limits of a container; one count in any case.

    `is_every_name`: whether those without a domain count. No plugin has such a resource, but a claim may.
    """
    if not amounts:
        counts.append(_EMPTY if isinstance(amounts, dict) else amounts)
        return
    number = 0
    for name, amount in amounts.items():
        if is_every_name or "/" in name or name.startswith(HUGEPAGES):
            texts += (name, amount)
            number += 1
    counts.append(number)


_NO_OBJECT, _EMPTY = "no object", "empty"


def _has_our_name(container: _Container) -> bool:
    return any(one.name == CONTAINER_NAME for one in container.env or ())


def _has_our_mount(container: _Container) -> tuple[bool, bool]:
    """Return whether a mount has our volume's name, and whether one has its path."""
    mounts = container.volume_mounts or ()
    return any(one.name == VOLUME for one in mounts), any(is_our_place(one.mount_path) for one in mounts)


def _our_volumes(volumes: Sequence[_Volume], raw: Raw) -> list[bytes]:
    """Return the volumes that have our name, each with its index."""
    if VOLUME not in [volume.name for volume in volumes]:
        return []
    items = enumerate(zip(volumes, _decode_items(raw), strict=True))
    return [b"%d " % index + bytes(item) for index, (volume, item) in items if volume.name == VOLUME]
