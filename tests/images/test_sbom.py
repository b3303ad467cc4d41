"""The bill of materials is SPDX 2.3, by the words of the specification (sections 6, 7 and 11)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from images.debian import Package
from images.machines import machine
from images.sbom import Document, debian_part, project_part, render, wheel_part
from images.wheels import Wheel

DIGEST = f"sha256:{'a' * 64}"
PARTS = [
    debian_part(Package(Path("z.deb"), "libstdc++6", "1:12.2-1~deb12u1", "arm64", "b" * 64), "debian-12", "/doc/z"),
    wheel_part(Wheel(Path("y.whl"), "typing-extensions", "4.16.0", "PSF-2.0", "c" * 64)),
    wheel_part(Wheel(Path("x.whl"), "x", "1", "", "d" * 64)),
    project_part("0.1.0"),
]


def check_document(document: dict[str, Any], digest: str) -> dict[str, dict[str, Any]]:
    """Assert what SPDX 2.3 demands; return the packages in the image by name."""
    assert (document["spdxVersion"], document["dataLicense"]) == ("SPDX-2.3", "CC0-1.0")
    assert document["SPDXID"] == "SPDXRef-DOCUMENT"
    assert re.fullmatch(r"https://[^#]+", document["documentNamespace"])
    assert digest.partition(":")[2] in document["documentNamespace"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["creationInfo"]["created"])
    assert all(re.match("(Tool|Organization|Person): ", one) for one in document["creationInfo"]["creators"])
    packages = {one["SPDXID"]: one for one in document["packages"]}
    assert len(packages) == len(document["packages"])
    for identifier, package in packages.items():
        assert re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", identifier)
        assert {"name", "downloadLocation"} <= set(package)
        assert package["filesAnalyzed"] is False
        for checksum in package.get("checksums", ()):
            assert checksum["algorithm"] == "SHA256"
            assert re.fullmatch("[0-9a-f]{64}", checksum["checksumValue"])
        (purl,) = (one["referenceLocator"] for one in package["externalRefs"] if one["referenceType"] == "purl")
        assert re.fullmatch(r"pkg:[a-z]+/[^@?#\s]+@[^@?#\s]+(\?[a-z_]+=[^&\s]+(&[a-z_]+=[^&\s]+)*)?", purl)
    relations = {
        (one["spdxElementId"], one["relationshipType"], one["relatedSpdxElement"]) for one in document["relationships"]
    }
    (image,) = (other for one, kind, other in relations if (one, kind) == ("SPDXRef-DOCUMENT", "DESCRIBES"))
    assert packages[image]["checksums"][0]["checksumValue"] == digest.partition(":")[2]
    contained = set(packages) - {image}
    assert relations == {("SPDXRef-DOCUMENT", "DESCRIBES", image), *((image, "CONTAINS", one) for one in contained)}
    return {packages[one]["name"]: packages[one] for one in contained}


def test_a_document() -> None:
    text = render(Document("nadmit-webhook", "0.1.0", machine("aarch64"), DIGEST, 0), PARTS)
    assert text == render(Document("nadmit-webhook", "0.1.0", machine("aarch64"), DIGEST, 0), PARTS[::-1])
    found = check_document(json.loads(text), DIGEST)
    assert set(found) == {"libstdc++6", "typing-extensions", "x", "nadmit"}
    (purl,) = (one["referenceLocator"] for one in found["libstdc++6"]["externalRefs"])
    assert purl == "pkg:deb/debian/libstdc%2B%2B6@1%3A12.2-1~deb12u1?arch=arm64&distro=debian-12"
    assert found["libstdc++6"]["checksums"] == [{"algorithm": "SHA256", "checksumValue": "b" * 64}]
    assert found["typing-extensions"]["licenseDeclared"] == "PSF-2.0"
    assert found["x"]["licenseDeclared"] == "NOASSERTION"
    assert json.loads(text)["name"] == "nadmit-webhook-0.1.0-aarch64"
