"""What the bench decides about: reviews built from the recorded ones, and clusters of any size."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT / "examples" / "recordings"
CONFIG = (
    '{"cniVersion":"1.0.0","name":"net-%d","plugins":[{"type":"bridge","bridge":"br%d","capabilities":{"ips":true},'
    '"ipam":{"type":"host-local","subnet":"10.%d.%d.0/24"}},{"type":"tuning","capabilities":{"mac":true}}]}'
)

REVIEWS = {
    "pod CREATE, two networks": "create-pods-pod-c.json",
    "NAD CREATE": "create-network-attachment-definitions-data-plane.json",
    "NAD CREATE, all different": "create-network-attachment-definitions-data-plane.json",
    "pod without networks": "create-pods-plain.json",
    "pod CREATE, refused": "create-pods-web-7b9fbb666b.json",
}


DIFFERENT = 2_000
"""Bodies of the row that shows what nothing remembers; above every cache of the webhook."""


def reviews(name: str) -> list[bytes]:
    """Return the bodies of a row, compact as the API server sends them."""
    review = json.loads((RECORDINGS / REVIEWS[name]).read_text())
    if "different" not in name:
        return [_compact(review)]
    bodies = []
    for number in range(DIFFERENT):
        config = json.loads(review["request"]["object"]["spec"]["config"])
        config["plugins"][0]["bridge"] = f"br-{number}"
        review["request"]["object"]["spec"]["config"] = json.dumps(config)
        bodies.append(_compact(review))
    return bodies


def _compact(review: object) -> bytes:
    return json.dumps(review, separators=(",", ":")).encode()


def network(number: int) -> str:
    """Return the YAML of one of many definitions, a hundred to a namespace."""
    config = CONFIG % (number, number % 100, number // 250 % 250, number % 250)
    return (
        "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\n"
        f"metadata:\n  name: net-{number}\n  namespace: ns-{number // 100}\nspec:\n  config: |\n    {config}\n"
    )


def write_tree(folder: Path, count: int) -> None:
    """Write the example cluster and `count` more definitions, one file per namespace."""
    for path in (ROOT / "examples" / "cluster").glob("*.yaml"):
        (folder / path.name).write_text(path.read_text())
    for first in range(0, count, 100):
        definitions = [network(number) for number in range(first, min(first + 100, count))]
        (folder / f"ns-{first // 100}.yaml").write_text("---\n".join(definitions))
