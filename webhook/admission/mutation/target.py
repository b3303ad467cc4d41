"""The container that gets the resources: the one that the pod names, else the first ordinary one.

It may be an ordinary container or a sidecar. Init containers that end are not offered: the kubelet gives their devices
on, so they may name a resource of their own without being asked.
"""

from __future__ import annotations

from collections.abc import Mapping

from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.names import trim
from webhook.admission.model import podspec
from webhook.admission.model.injection import INJECT_INTO
from webhook.admission.model.podspec import Container, Json
from webhook.admission.wording import injectiontext


def find_target(pod: Json, annotations: Mapping[str, str]) -> Container | SpecError | None:
    """Return the container, or the problem that there is none of the name; None for a pod without containers."""
    ordinary = podspec.containers(pod)
    name = trim(annotations.get(INJECT_INTO, ""))
    if not name:
        return ordinary[0] if ordinary else None
    candidates = [*ordinary, *podspec.sidecars(pod)]
    found = next((container for container in candidates if container.name == name), None)
    return found or injectiontext.unknown_container(name, [container.name for container in candidates])
