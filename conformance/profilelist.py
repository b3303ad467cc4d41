"""The profiles: each is a folder of test modules in profiles/, and a row of `PROFILES`.

A profile of kind `NODE` tests a CNI plugin as root, in namespaces of its own. A profile of kind `WEBHOOK` tests a
program over HTTPS, as any user.
"""

from __future__ import annotations

from typing import NamedTuple

NODE = "node"
WEBHOOK = "webhook"


class Profile(NamedTuple):
    """`folder` is in profiles/."""

    name: str
    folder: str
    kind: str
    summary: str


PROFILES = (
    Profile("npwg-1.3-core", "npwgcore", NODE, "selection, delegation, status, default network"),
    Profile("npwg-1.3-extended", "npwgextended", NODE, "cni-args, default-route, devices, IPAM claims"),
    Profile("cni-1.1-runtime-facing", "cniruntime", NODE, "what a container runtime sees"),
    Profile("robustness", "robustness", NODE, "failures, crashes and repeated calls"),
    Profile("admission", "admission", WEBHOOK, "AdmissionReviews of definitions and pods"),
    Profile("injection", "injection", WEBHOOK, "resources that networks need, put into pods"),
)
BY_NAME = {profile.name: profile for profile in PROFILES}
BY_FOLDER = {profile.folder: profile for profile in PROFILES}
