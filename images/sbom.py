"""The bill of materials of an image: SPDX 2.3 as JSON.

There is one document for each architecture. It describes the image by the digest of its manifest, and lists what the
image was built from: packages of Debian and wheels with the hashes of their files, the interpreter, and the project.
It does not look into the packages: a library that a wheel brings along is part of that wheel.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .debian import Package
from .machines import Machine
from .oci import time_text
from .wheels import Wheel

NAMESPACE = "https://nadmit.io/spdx"
"""SPDX 2.3 section 6.5: a name that no other document has; nothing needs to be there."""
_UNKNOWN = "NOASSERTION"


@dataclass(frozen=True)
class Part:
    """A package in an image."""

    name: str
    version: str
    purl: str
    """Package URL, by which scanners find advisories."""
    licence: str = ""
    """An SPDX expression; empty if none is known."""
    notice: str = ""
    """Where the licence is in the image."""
    file: str = ""
    """The name of the file that was unpacked, if there was one."""
    sha256: str = ""
    """Of that file."""


@dataclass(frozen=True)
class Document:
    """What an SPDX document is about."""

    image: str
    """The name of the image, without registry and tag."""
    version: str
    machine: Machine
    digest: str
    """Of the manifest."""
    created: int
    """In seconds since 1970."""


def debian_part(package: Package, distribution: str, notice: str) -> Part:
    """Return a package of Debian as a part. `distribution` is such as `debian-12`."""
    purl = debian_purl(package.name, package.version, package.architecture, distribution)
    return Part(package.name, package.version, purl, "", notice, package.path.name, package.sha256)


def debian_purl(name: str, version: str, architecture: str, distribution: str) -> str:
    """Return the package URL of a package of Debian, or of a distribution with such packages."""
    owner = distribution.partition("-")[0]
    place = f"pkg:deb/{owner}/{quote(name, safe='')}@{quote(version, safe='')}"
    return f"{place}?arch={architecture}&distro={distribution}"


def wheel_part(wheel: Wheel) -> Part:
    """Return a wheel as a part."""
    purl = f"pkg:pypi/{wheel.name}@{quote(wheel.version, safe='')}"
    return Part(wheel.name, wheel.version, purl, wheel.licence, "", wheel.path.name, wheel.sha256)


def project_part(version: str) -> Part:
    """Return this project as a part."""
    return Part("nadmit", version, f"pkg:generic/nadmit@{version}", "Apache-2.0")


def render(document: Document, parts: Sequence[Part]) -> str:
    """Return the text of an SPDX document."""
    name = f"{document.image}-{document.version}-{document.machine.name}"
    image = _image(document)
    packages = [_package(part) for part in sorted(parts, key=lambda part: part.purl)]
    content = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"{NAMESPACE}/{name}-{document.digest.partition(':')[2]}",
        "creationInfo": {"created": time_text(document.created), "creators": ["Tool: nadmit-images"]},
        "packages": [image, *packages],
        "relationships": [
            _relation("SPDXRef-DOCUMENT", "DESCRIBES", image["SPDXID"]),
            *(_relation(image["SPDXID"], "CONTAINS", package["SPDXID"]) for package in packages),
        ],
    }
    return json.dumps(content, indent=1) + "\n"


def _image(document: Document) -> dict[str, Any]:
    where = quote(document.digest, safe="")
    return {
        **_common("image", document.image, document.version),
        "primaryPackagePurpose": "CONTAINER",
        "licenseDeclared": _UNKNOWN,
        "checksums": [{"algorithm": "SHA256", "checksumValue": document.digest.partition(":")[2]}],
        "externalRefs": [_purl(f"pkg:oci/{document.image}@{where}?arch={document.machine.oci}&tag={document.version}")],
    }


def _package(part: Part) -> dict[str, Any]:
    kind = part.purl.partition(":")[2].partition("/")[0]
    found: dict[str, Any] = {
        **_common(f"{kind}-{part.name}", part.name, part.version),
        "licenseDeclared": part.licence or _UNKNOWN,
        "externalRefs": [_purl(part.purl)],
    }
    if part.notice:
        found["licenseComments"] = f"The notice is in the image: {part.notice}"
    if part.sha256:
        found["packageFileName"] = part.file
        found["checksums"] = [{"algorithm": "SHA256", "checksumValue": part.sha256}]
    return found


def _common(identifier: str, name: str, version: str) -> dict[str, Any]:
    return {
        "SPDXID": f"SPDXRef-{re.sub('[^A-Za-z0-9.-]', '-', identifier)}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "copyrightText": _UNKNOWN,
    }


def _purl(locator: str) -> Mapping[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator}


def _relation(one: str, kind: str, other: str) -> Mapping[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
