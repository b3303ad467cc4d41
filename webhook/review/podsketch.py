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

import msgspec
from msgspec import UNSET, Raw, UnsetType

from webhook.admission.model.injection import find_suspects
from webhook.admission.model.requests import Read
from webhook.admission.mutation.netinfo import CONTAINER_NAME, VOLUME, is_our_place

SKETCH_MAX = 4096
"""Bytes of a sketch that is kept; a `DecisionCache` keeps 2,048 of them."""

PARTS_MAX = 256
"""Texts of such a sketch. Even an empty text costs 50 bytes in Python, so 2,048 sketches take at most 50 MiB."""

_ABSENT = Raw(b"")
_NAME, _VARIABLE = VOLUME.encode(), CONTAINER_NAME.encode()


class _Mount(msgspec.Struct, rename="camel", frozen=True, gc=False):
    name: str = ""
    mount_path: str = ""


class _Variable(msgspec.Struct, frozen=True, gc=False):
    name: str = ""


class _Container(msgspec.Struct, rename="camel", frozen=True, gc=False):
    name: Raw = _ABSENT
    resources: Raw = _ABSENT
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


_decode_requests = msgspec.json.Decoder(tuple[_Requests, ...] | None).decode
_decode_containers = msgspec.json.Decoder(tuple[_Container, ...] | None).decode
_decode_volumes = msgspec.json.Decoder(tuple[Raw, ...] | None).decode


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
    # A tuple that is empty, null or absent is its own count.
    counts: list[Hashable] = [ordinary and len(ordinary), initial and len(initial), volumes and len(volumes)]
    texts: list[str | bytes] = []
    for known, keys in ((labels, read.labels), (annotations, read.annotations)):
        counts.append(bool(known) if isinstance(known, dict) else known)
        if known:
            values = [known.get(key) for key in keys]
            counts += [value is None for value in values]
            texts += [value for value in values if value is not None]
    suspects = find_suspects(annotations) if annotations else []
    counts.append(len(suspects))
    texts += suspects
    texts += (bytes(spec.node_selector), bytes(spec.resource_claims), bytes(spec.host_network))
    if volumes:
        texts += _volume_texts(volumes)
    for containers, raw in ((ordinary, spec.containers), (initial, spec.init_containers)):
        if containers:
            may_be_ours = _may_have(bytes(raw))
            for one in containers:
                texts += (bytes(one.name), bytes(one.resources), bytes(one.restart_policy))
                counts += (one.env and len(one.env), one.volume_mounts and len(one.volume_mounts))
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
    return (*counts, *texts)


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
