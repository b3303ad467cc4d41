"""What is installed, as far as the other checks need it: the Deployment, its options, its account, its Service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from webhook.registration.configurations import DEFAULT_NAME

Object = dict[str, Any]

DEPLOYMENT = "nadmit-webhook"
ACCOUNT = "nadmit-webhook"
SERVICE = "nadmit-webhook"
BASE_ARGUMENTS = (
    "--tls-secret=nadmit-tls",
    "--cluster",
    "--webhook-configuration=nadmit",
    "--write-status",
    "--config-map=nadmit-webhook",
    "--would-refuse-map=nadmit-would-refuse",
)
"""Those of manifests/base that say which objects the program uses. A test compares them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """`options`: those of `nadmit serve`, by name; "" for one without a value. `version`: of this program.

    `deployment`: None if it was not found, or was not looked for; then the options are those of manifests/base.
    """

    namespace: str
    version: str
    deployment: Object | None = None
    options: Mapping[str, str] = field(default_factory=lambda: options_of(BASE_ARGUMENTS))

    @property
    def account(self) -> str:
        """The name of the service account."""
        spec = pod_spec(self.deployment)
        return str(spec.get("serviceAccountName") or ACCOUNT)

    @property
    def user(self) -> str:
        """The account as the API server names it."""
        return f"system:serviceaccount:{self.namespace}:{self.account}"

    @property
    def service(self) -> str:
        """The Service in front of the replicas."""
        return self.options.get("service", SERVICE)

    @property
    def configuration(self) -> str:
        """The name of the webhook configurations."""
        return self.options.get("webhook-configuration") or DEFAULT_NAME


def installation_of(deployment: Object | None, *, namespace: str, version: str) -> Installation:
    """Return the installation of a Deployment; without one, that of manifests/base."""
    if deployment is None:
        return Installation(namespace=namespace, version=version)
    containers = pod_spec(deployment).get("containers") or [{}]
    options = options_of([*(containers[0].get("command") or ()), *(containers[0].get("args") or ())])
    return Installation(namespace=namespace, version=version, deployment=deployment, options=options)


def pod_spec(workload: Object | None) -> Object:
    """Return the spec of the pods of a Deployment or a DaemonSet; empty without one."""
    spec: Object = (((workload or {}).get("spec") or {}).get("template") or {}).get("spec") or {}
    return spec


def images_of(spec: Object) -> list[str]:
    """Return the images of a pod's containers."""
    return [str(container.get("image", "")) for container in spec.get("containers") or ()]


def options_of(words: Sequence[str]) -> dict[str, str]:
    """Return the options of a command line by name, `--name=value` or `--name value`; "" for a flag."""
    options: dict[str, str] = {}
    last = ""
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            options[name] = value
            last = "" if "=" in word else name
        elif last:
            options[last] = word
            last = ""
    return options


def tag_of(image: str) -> str:
    """Return the tag of an image; "" without one, and for one that is named by its digest."""
    if "@" in image:
        return ""
    return image.rpartition("/")[2].partition(":")[2]
