"""The sketch of a pod: everything that /mutate reads in the pod, and nothing else, as one hashable value.

The pods of a ReplicaSet differ in their names and in the generated name of the volume with their token. Those of a
StatefulSet or an indexed Job also differ in a label and an annotation. Their sketches are equal, so every pod but the
first costs a look-up (`decisioncache`). Pods with equal sketches get equal patches. A property test checks this: code
in `admission.mutation` that reads more of a pod must add it here. The check of the result of /mutate reads less, and
has a sketch of its own.

A sketch distinguishes present, null, empty and absent values, because a patch adds, replaces or appends accordingly.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, TypedDict

import msgspec
from msgspec import UNSET, Raw, UnsetType

from webhook.admission.model.injection import INJECT_INTO, find_suspects
from webhook.admission.model.requests import Read
from webhook.admission.mutation.netinfo import CONTAINER_NAME, HUGEPAGES, VOLUME, is_our_place

SKETCH_MAX = 4096
"""Bytes of a sketch that is kept; a `DecisionCache` keeps 2,048 of them."""

PARTS_MAX = 256
"""Texts of such a sketch. Even an empty text costs 50 bytes in Python, so 2,048 sketches take at most 50 MiB."""

_ABSENT = Raw(b"")
_NAME, _VARIABLE, _HUGEPAGES = VOLUME.encode(), CONTAINER_NAME.encode(), HUGEPAGES.encode()


class _Mount(msgspec.Struct, rename="camel", frozen=True, gc=False):
    name: str = ""
    mount_path: str = ""


class _Variable(msgspec.Struct, frozen=True, gc=False):
    name: str = ""


class _Resources(msgspec.Struct, frozen=True, gc=False):
    requests: dict[str, Raw] | UnsetType | None = UNSET
    limits: dict[str, Raw] | UnsetType | None = UNSET


class _Container(msgspec.Struct, rename="camel", frozen=True, gc=False):
    name: str | UnsetType | None = UNSET
    resources: _Resources | UnsetType | None = UNSET
    restart_policy: Raw = _ABSENT
    env: tuple[_Variable, ...] | UnsetType | None = UNSET
    volume_mounts: tuple[_Mount, ...] | UnsetType | None = UNSET


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


class _PartsOfContainer(TypedDict, total=False):
    name: str | None
    resources: _PartsOfResources | None
    restartPolicy: Any
    env: list[dict[str, Any]] | None
    volumeMounts: list[dict[str, Any]] | None


_decode_requests = msgspec.json.Decoder(tuple[_Requests, ...] | None).decode
_decode_containers = msgspec.json.Decoder(tuple[_Container, ...] | None).decode
_decode_volumes = msgspec.json.Decoder(tuple[Raw, ...] | None).decode
_decode_any = msgspec.json.Decoder(Any).decode
_decode_parts = msgspec.json.Decoder(list[_PartsOfContainer] | None).decode
_PARTS = (
    ("volumes", "volumes", msgspec.json.Decoder(list[dict[str, Any]] | None).decode),
    ("initContainers", "init_containers", _decode_parts),
    ("containers", "containers", _decode_parts),
    ("nodeSelector", "node_selector", msgspec.json.Decoder(dict[str, str] | None).decode),
    ("hostNetwork", "host_network", _decode_any),
    ("resourceClaims", "resource_claims", msgspec.json.Decoder(list[Any] | None).decode),
)
"""The members of `spec` in the order in which the API server writes them: each with its field here and its decoder."""


def read_parts(labels: Texts, annotations: Texts, spec: PodSpec) -> dict[str, Any] | None:
    """Return the parts of a pod that injection reads or changes, as plain JSON; None if a type is another."""
    try:
        parts = {name: decode(raw) for name, field, decode in _PARTS if (raw := getattr(spec, field))}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    metadata = {key: known for key, known in (("labels", labels), ("annotations", annotations)) if known is not UNSET}
    return {"metadata": metadata, "spec": parts}


def sketch_pod(read: Read, labels: Texts, annotations: Texts, spec: PodSpec) -> Hashable | None:
    """Return the sketch of a pod; None for an unusual pod, or one that is too large to be cached."""
    try:
        ordinary = _decode_containers(spec.containers)
        initial = _decode_containers(spec.init_containers) if spec.init_containers else UNSET
        volumes = _decode_volumes(spec.volumes) if spec.volumes else UNSET
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if any(len(parts) > PARTS_MAX for parts in (ordinary, initial, volumes) if isinstance(parts, tuple)):
        return None
    # What is empty, null or absent stands for itself. How long a list is to which the patch only adds does not matter.
    counts: list[Hashable] = [ordinary and len(ordinary), initial and len(initial), volumes and True]
    texts: list[str | bytes] = []
    for known, keys in ((labels, read.labels), (annotations, read.annotations)):
        counts.append(bool(known) if isinstance(known, dict) else known)
        if known:
            values = [known.get(key) for key in keys]
            counts += [value is None for value in values]
            texts += [value for value in values if value is not None]
    is_target_named = read.names or (isinstance(annotations, dict) and INJECT_INTO in annotations)
    has_claims = bool(spec.resource_claims)
    suspects = find_suspects(annotations) if annotations else []
    counts.append(len(suspects))
    texts += suspects
    texts += (bytes(spec.node_selector), bytes(spec.resource_claims), bytes(spec.host_network))
    if volumes:
        texts += _volume_texts(volumes)
    for containers, raw in ((ordinary, spec.containers), (initial, spec.init_containers)):
        if containers:
            text = bytes(raw)
            may_be_ours, names_matter = _may_have(text), is_target_named or _HUGEPAGES in text or b"\\" in text
            counts.append(may_be_ours)
            for one in containers:
                texts += (one.name if names_matter and isinstance(one.name, str) else "", bytes(one.restart_policy))
                counts += (isinstance(one.name, str) or one.name, one.env and True, one.volume_mounts and True)
                _add_resources(one.resources, counts, texts, is_every_name=has_claims)
                if may_be_ours:
                    counts += (_has_our_name(one), _has_our_mount(one))
    return _bounded(counts, texts)


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
    if len(texts) > PARTS_MAX or sum(map(len, texts)) > SKETCH_MAX:
        return None
    return (tuple(counts), tuple(texts))


def _add_resources(
    resources: _Resources | UnsetType | None, counts: list[Hashable], texts: list[str | bytes], *, is_every_name: bool
) -> None:
    """Add the resources of a container; two counts in any case.

    `is_every_name`: whether those without a domain count. No plugin has such a resource, but a claim may.
    """
    if not isinstance(resources, _Resources):
        counts += (resources, _NO_OBJECT)
        return
    for amounts in (resources.requests, resources.limits):
        if not isinstance(amounts, dict) or not amounts:
            counts.append(amounts if not isinstance(amounts, dict) else _EMPTY)
            continue
        read = [name for name in amounts if is_every_name or "/" in name or name.startswith(HUGEPAGES)]
        counts.append(len(read))
        for name in read:
            texts += (name, bytes(amounts[name]))


_NO_OBJECT, _EMPTY = "no object", "empty"


def _may_have(text: bytes) -> bool:
    """Say whether containers may have our names or mount paths; an escape may hide a letter of these."""
    return _NAME in text or _VARIABLE in text or b"\\" in text


def _has_our_name(container: _Container) -> bool:
    return any(one.name == CONTAINER_NAME for one in container.env or ())


def _has_our_mount(container: _Container) -> tuple[bool, bool]:
    """Return whether a mount has our volume's name, and whether one has its path."""
    mounts = container.volume_mounts or ()
    return any(one.name == VOLUME for one in mounts), any(is_our_place(one.mount_path) for one in mounts)


def _volume_texts(volumes: Sequence[Raw]) -> Iterator[bytes]:
    """Yield the volumes that may have our name, each with its index; an escape may hide a letter of the name.

    It also yields items that are not an object, because /mutate does not change a pod with such a volume.
    """
    for index, raw in enumerate(volumes):
        text = bytes(raw)
        if _NAME in text or b"\\" in text or not text.startswith(b"{"):
            yield b"%d " % index + text
