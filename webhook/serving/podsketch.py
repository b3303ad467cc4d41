"""The sketch of a pod: all that /mutate and the check of its work read in it, and nothing else, as one hashable value.

The pods of a ReplicaSet differ in their names and in the generated name of the volume with their token; their sketch is
one, so the second of them costs a look-up (`Cluster.recall`). Two pods with one sketch get one patch, which a property
test holds the two files to: who reads more of a pod there adds it here.

What is there, null, empty and absent are told apart, because a patch adds, replaces or appends by that.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence, Sized
from itertools import chain

import msgspec
from msgspec import UNSET, Raw, UnsetType

from webhook.admission.mutation.netinfo import CONTAINER_NAME, VOLUME, is_our_place

SKETCH_MAX = 4096
"""Bytes of a sketch that is worth remembering: a snapshot remembers 2,048 of them."""

PARTS_MAX = 256
"""Texts of such a sketch: an empty one costs Python 50 bytes all the same, so 2,048 sketches take at most 50 MiB."""

_ABSENT = Raw(b"")
_NAME = VOLUME.encode()


class _Mount(msgspec.Struct, rename="camel", frozen=True, gc=False):
    name: str = ""
    mount_path: str = ""


class _Variable(msgspec.Struct, frozen=True, gc=False):
    name: str = ""


class _Container(msgspec.Struct, rename="camel", frozen=True, gc=False):
    name: Raw = _ABSENT
    resources: Raw = _ABSENT
    restart_policy: Raw = _ABSENT
    env: list[_Variable] | UnsetType | None = UNSET
    volume_mounts: list[_Mount] | UnsetType | None = UNSET


Texts = dict[str, str] | UnsetType | None


class PodSpec(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """What injection reads in `spec`, as the bytes that came: a pass that skips them anyway makes them for nothing."""

    containers: Raw = _ABSENT
    init_containers: Raw = _ABSENT
    volumes: Raw = _ABSENT
    node_selector: Raw = _ABSENT
    resource_claims: Raw = _ABSENT
    host_network: Raw = _ABSENT


_decode_containers = msgspec.json.Decoder(list[_Container] | None).decode
_decode_volumes = msgspec.json.Decoder(list[Raw] | None).decode


def sketch_pod(labels: Texts, annotations: Texts, spec: PodSpec) -> Hashable | None:
    """Return the sketch of a pod; None for one that is unusual, or too large to be remembered."""
    try:
        ordinary = _decode_containers(spec.containers)
        initial = _decode_containers(spec.init_containers) if spec.init_containers else UNSET
        volumes = _decode_volumes(spec.volumes) if spec.volumes else UNSET
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    containers = [*(ordinary or ()), *(initial or ())]
    texts = [bytes(text) for text in (spec.node_selector, spec.resource_claims, spec.host_network)]
    texts += [bytes(text) for one in containers for text in (one.name, one.resources, one.restart_policy)]
    texts += _volume_texts(volumes)
    own = (*_items(labels), *_items(annotations))
    if len(texts) + len(own) > PARTS_MAX or sum(map(len, texts)) + sum(map(len, own)) > SKETCH_MAX:
        return None
    counts = (_count(labels), _count(annotations), _count(ordinary), _count(initial), _count(volumes))
    return (counts, *own, *texts, *[(_environment(one), _mounts(one)) for one in containers])


def _items(texts: Texts) -> Iterator[str]:
    return chain.from_iterable(texts.items()) if texts else iter(())


def _count(items: Sized | UnsetType | None) -> Hashable:
    """Return how many items there are; null and absent as they are."""
    return items if items is None or isinstance(items, UnsetType) else len(items)


def _environment(container: _Container) -> Hashable:
    env = container.env
    return (bool(env), any(one.name == CONTAINER_NAME for one in env)) if env else _count(env)


def _mounts(container: _Container) -> Hashable:
    """Return whether there are mounts, and whether one has the volume's name or place."""
    mounts = container.volume_mounts
    if not mounts:
        return _count(mounts)
    return any(one.name == VOLUME for one in mounts), any(is_our_place(one.mount_path) for one in mounts)


def _volume_texts(volumes: Sequence[Raw] | UnsetType | None) -> Iterator[bytes]:
    """Yield the volumes that may have the name of ours, each with its place; an escape may hide a letter of it.

    And what is no volume, for which a pod is left alone.
    """
    for index, raw in enumerate(volumes or ()):
        text = bytes(raw)
        if _NAME in text or b"\\" in text or not text.startswith(b"{"):
            yield b"%d " % index + text
