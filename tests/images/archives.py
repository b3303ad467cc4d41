"""An image archive, read as a container runtime reads it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any


class Archive:
    """An OCI image layout in a tar file; every blob that is read has the digest and the size of its descriptor."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            self.files = {one.name: tar.extractfile(one).read() for one in tar if one.isfile()}  # type: ignore[union-attr]  # a file
        self.top: dict[str, Any] = json.loads(self.files["index.json"])

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        content = self.files["blobs/" + descriptor["digest"].replace(":", "/")]
        assert descriptor["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert descriptor["size"] == len(content)
        return content

    def document(self, descriptor: dict[str, Any]) -> dict[str, Any]:
        found = json.loads(self.blob(descriptor))
        assert found.get("mediaType", descriptor["mediaType"]) == descriptor["mediaType"]
        return dict(found)

    def index(self) -> dict[str, Any]:
        (entry,) = self.top["manifests"]
        return self.document(entry)

    def images(self) -> list[dict[str, Any]]:
        """Return the descriptors of what can run."""
        return [one for one in self.index()["manifests"] if "artifactType" not in one]

    def bill(self, architecture: str) -> str:
        """Return the bill of materials of the image for an architecture, as a registry finds it."""
        (image,) = (one["digest"] for one in self.images() if one["platform"]["architecture"] == architecture)
        referrers = [self.document(one) for one in self.index()["manifests"] if "artifactType" in one]
        ((layer,),) = (one["layers"] for one in referrers if one["subject"]["digest"] == image)
        return self.blob(layer).decode()

    def manifest(self, architecture: str) -> dict[str, Any]:
        """Return the manifest for an architecture, by its OCI name."""
        (entry,) = (one for one in self.images() if one["platform"]["architecture"] == architecture)
        return self.document(entry)

    def config(self, architecture: str) -> dict[str, Any]:
        return self.document(self.manifest(architecture)["config"])

    def layers(self, architecture: str) -> list[bytes]:
        """Return the layers as tar archives."""
        return [gzip.decompress(self.blob(layer)) for layer in self.manifest(architecture)["layers"]]

    def unpack(self, architecture: str, target: Path) -> None:
        """Write the file system of the image."""
        for layer in self.layers(architecture):
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                tar.extractall(target, filter="tar")


def files_of(directory: Path) -> dict[str, str]:
    """Return the digest of each file by name, so that a failure shows which differ."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}
