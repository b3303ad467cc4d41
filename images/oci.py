"""An image as an archive: an image layout (OCI image specification 1.1, image-layout.md) in one tar file.

    oci-layout        the version of the layout
    index.json        one entry: the image index, with the name of the image as annotations
    blobs/sha256/...  the image index, and for each architecture a manifest, a configuration and layers

The index has a manifest for each architecture, also if there is only one, so that nothing depends on their number.
`skopeo copy oci-archive:...`, `ctr images import`, `kind load image-archive` and k3s read such an archive.

The bill of materials of each image is in the index as well: an artifact whose `subject` is the manifest of the image
(manifest.md, "guidelines for artifact usage"), so that a registry lists it as a referrer. Its platform is `unknown`, so
that nobody takes it for an image to run; skopeo 1.9 and containerd 1.6, which do not know `subject`, copy it as it is.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .layers import Layer, digest
from .machines import BuildError, Machine

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
SPDX = "application/spdx+json"

_REFERENCE = re.compile(r"(?P<path>[a-z0-9][a-z0-9._/:-]*):(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})")


@dataclass(frozen=True)
class Image:
    """An image for one architecture."""

    machine: Machine
    layers: tuple[Layer, ...]
    config: Mapping[str, Any]
    """What the container runs: config.md, property `config`."""


@dataclass(frozen=True)
class Label:
    """What is the same for all architectures of an image."""

    reference: str
    """Name and tag, as manifests of Kubernetes have it."""
    created: int
    """In seconds since 1970."""
    annotations: Mapping[str, str]
    """Keys of annotations.md, such as `org.opencontainers.image.version`."""


@dataclass(frozen=True)
class _Blob:
    media_type: str
    content: bytes

    def descriptor(self, **more: Any) -> dict[str, Any]:
        """Return the descriptor of this blob (descriptor.md)."""
        return {"mediaType": self.media_type, "digest": digest(self.content), "size": len(self.content), **more}


_NOTHING = _Blob(EMPTY, b"{}")
"""The configuration of a manifest that is not an image."""


def time_text(seconds: int) -> str:
    """Return a time as RFC 3339 wants it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def full_reference(reference: str) -> str:
    """Return a name with its registry. Container runtimes put docker.io before names that have none.

    Raises BuildError for a text that is not a name with a tag.
    """
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise BuildError(
            f"image {reference!r}: this is not a name with a tag, such as registry.example/net/nadmit-node:0.1.0"
        )
    first, slash, _ = found["path"].partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return reference
    return f"docker.io/{reference}" if slash else f"docker.io/library/{reference}"


def write_archive(path: Path, label: Label, images: list[Image], describe: Callable[[Image, str], str]) -> list[str]:
    """Write an image for all given architectures. Return the bill of materials of each.

    `describe` makes it from an image and the digest of its manifest.
    """
    blobs: list[_Blob] = []
    bills = []
    runnable, described = [], []
    for image in images:
        config = _json(CONFIG, _configuration(image, label))
        layers = [_Blob(LAYER, layer.content) for layer in image.layers]
        manifest = _manifest(label, config, layers)
        bills.append(describe(image, digest(manifest.content)))
        bill = _Blob(SPDX, bills[-1].encode())
        referrer = _referrer(manifest, bill)
        runnable.append(manifest.descriptor(platform={"architecture": image.machine.oci, "os": "linux"}))
        unknown = {"architecture": "unknown", "os": "unknown"}
        described.append(referrer.descriptor(platform=unknown, artifactType=SPDX))
        blobs += [manifest, config, *layers, referrer, bill]
    index = _json(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*runnable, *described]})
    _write(path, label, index, [*blobs, _NOTHING])
    return bills


def _configuration(image: Image, label: Label) -> dict[str, Any]:
    created = time_text(label.created)
    history = [{"created": created, "created_by": "nadmit images", "comment": layer.comment} for layer in image.layers]
    return {
        "created": created,
        "architecture": image.machine.oci,
        "os": "linux",
        "config": {**image.config, "Labels": dict(label.annotations)},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in image.layers]},
        "history": history,
    }


def _manifest(label: Label, config: _Blob, layers: list[_Blob]) -> _Blob:
    content = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor(),
        "layers": [layer.descriptor() for layer in layers],
        "annotations": {**label.annotations, "org.opencontainers.image.created": time_text(label.created)},
    }
    return _json(MANIFEST, content)


def _referrer(manifest: _Blob, bill: _Blob) -> _Blob:
    content = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": bill.media_type,
        "config": _NOTHING.descriptor(),
        "layers": [bill.descriptor()],
        "subject": manifest.descriptor(),
    }
    return _json(MANIFEST, content)


def _json(media_type: str, value: Mapping[str, Any]) -> _Blob:
    return _Blob(media_type, _text(value))


def _text(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1).encode()


def _write(path: Path, label: Label, index: _Blob, blobs: list[_Blob]) -> None:
    """Write the tar file."""
    names = {
        "io.containerd.image.name": full_reference(label.reference),
        "org.opencontainers.image.ref.name": label.reference.rpartition(":")[2],
    }
    top = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [index.descriptor(annotations=names)]}
    files = {f"blobs/sha256/{digest(blob.content)[7:]}": blob.content for blob in (index, *blobs)}
    files["index.json"] = _text(top)
    files["oci-layout"] = _text({"imageLayoutVersion": "1.0.0"})
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for directory in ("blobs", "blobs/sha256"):
            info = tarfile.TarInfo(directory)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for name, content in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content))
