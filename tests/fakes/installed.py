"""What the manifests create in a cluster, in the in-process API server, and the options of the Deployment."""

from __future__ import annotations

from pathlib import Path

from .objects import namespace
from .objectstore import NAMESPACES, ObjectStore

OWN = "nadmit-system"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
SECRETS, MAPS = f"/api/v1/namespaces/{OWN}/secrets", f"/api/v1/namespaces/{OWN}/configmaps"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{OWN}/leases"
CLAIMS = tuple(
    f"/apis/resource.k8s.io/v1/{plural}" for plural in ("resourceclaims", "resourceclaimtemplates", "deviceclasses")
)
COLLECTIONS = ("/api/v1/secrets", "/api/v1/configmaps", "/apis/coordination.k8s.io/v1/leases", *CLAIMS)


def install(api: ObjectStore) -> None:
    """Create the objects, all of them as empty as they are shipped."""
    api.serve(*COLLECTIONS, f"{HOOKS}/mutatingwebhookconfigurations", f"{HOOKS}/validatingwebhookconfigurations")
    api.put(NAMESPACES, namespace("team-a"), namespace(OWN))
    for kind in ("Mutating", "Validating"):
        path = f"{HOOKS}/{kind.lower()}webhookconfigurations/nadmit"
        api.put(path, {"apiVersion": "admissionregistration.k8s.io/v1", "kind": f"{kind}WebhookConfiguration"})
    for path in (f"{SECRETS}/nadmit-tls", f"{MAPS}/nadmit-webhook", f"{MAPS}/nadmit-would-refuse"):
        api.put(path, {})
    api.put(f"{LEASES}/nadmit-status", {"spec": {}})


def options(kubeconfig: Path) -> tuple[str, ...]:
    """Return the options of manifests/base/deployment.yaml, apart from addresses."""
    return (
        "--kubeconfig", str(kubeconfig), "--namespace", OWN, "--tls-secret=nadmit-tls", "--webhook-configuration=nadmit",
        "--write-status", "--config-map=nadmit-webhook", "--would-refuse-map=nadmit-would-refuse",
    )  # fmt: skip


def is_registered(api: ObjectStore) -> bool:
    """Say whether both webhook configurations are filled in."""
    kinds = ("mutating", "validating")
    return all("webhooks" in api.get(f"{HOOKS}/{kind}webhookconfigurations/nadmit") for kind in kinds)
