"""Prints the cluster of the profiles for webhooks, for `kubectl apply -f -`: a webhook that runs already needs it."""

from __future__ import annotations

import sys

import yaml

from .testcluster import NAMESPACES, definitions

if __name__ == "__main__":
    objects = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES]
    for made in definitions():
        for key in ("uid", "creationTimestamp", "generation"):
            del made["metadata"][key]
        objects.append(made)
    yaml.safe_dump_all(objects, sys.stdout, sort_keys=False)
