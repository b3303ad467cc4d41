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
    "pod without networks": "create-pods-plain.json",
    "pod CREATE, refused": "create-pods-web-7b9fbb666b.json",
}


def review(name: str) -> bytes:
    """Return a recorded body, compact as the API server sends it."""
    return json.dumps(json.loads((RECORDINGS / name).read_text()), separators=(",", ":")).encode()


def network(number: int) -> dict[str, object]:
    """Return one of many definitions, a hundred to a namespace."""
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": f"net-{number}", "namespace": f"ns-{number // 100}"},
        "spec": {"config": CONFIG % (number, number % 100, number // 250 % 250, number % 250)},
    }


def write_tree(folder: Path, count: int) -> None:
    """Write the example cluster and `count` more definitions as one JSON list."""
    for path in (ROOT / "examples" / "cluster").glob("*.yaml"):
        (folder / path.name).write_text(path.read_text())
    items = [network(number) for number in range(count)]
    (folder / "many.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
