"""All checks in their order. A check that may not ask something is unknown, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from webhook.kube.apierrors import ForbiddenError, StatusError, UnauthorizedError

from . import (
    clocks,
    installedkinds,
    neighbours,
    nodeplugins,
    reach,
    registeredpaths,
    registrations,
    rights,
    servedcertificate,
    workload,
)
from .asking import Asking
from .installation import Installation, installation_of
from .results import Result, error, ok, unknown

SERVER = "api server"
OLDEST = (1, 30)
"""The oldest version of Kubernetes that has every field of the manifests."""

Question = Callable[[], Iterable[Result]]


def examine(asking: Asking, *, namespace: str, version: str, now: Callable[[], float]) -> Iterator[Result]:
    """Examine an installation. Raises ClusterError if the API server gives no answer."""
    server_version, server_time = asking.version()
    here = now()
    yield _server(asking, server_version)
    moment = servedcertificate.utc_now(server_time or here)
    installed, problem = _installation(asking, namespace, version)
    if problem is not None:
        yield problem
    yield from _all(
        (installedkinds.CHECK, lambda: installedkinds.check(asking)),
        (workload.WORKLOAD, lambda: () if problem else workload.check(asking, installed)),
        (workload.VERSION, lambda: workload.check_version(installed)),
        (workload.SERVICE, lambda: workload.check_service(asking, installed)),
        (rights.CHECK, lambda: rights.check(asking, installed)),
        (registrations.REGISTRATION, lambda: registrations.check(asking, installed)),
        (registeredpaths.CHECK, lambda: registeredpaths.check(asking, installed)),
        (registrations.STAGE, lambda: registrations.check_stage(asking, installed, now=moment)),
        (servedcertificate.CERTIFICATE, lambda: servedcertificate.check(asking, installed, now=moment)),
        (reach.CHECK, lambda: reach.check(asking, installed)),
        (neighbours.POSTURE, lambda: neighbours.check_posture(asking)),
        (nodeplugins.CHECK, lambda: nodeplugins.check(asking, installed)),
        (neighbours.ATTACHERS, lambda: neighbours.check_attachers(asking, installed)),
        (neighbours.WEBHOOKS, lambda: neighbours.check_webhooks(asking)),
        (clocks.CHECK, lambda: clocks.check_here(server_time, here, is_pod=False)),
        (clocks.CHECK, lambda: clocks.check_nodes(asking, server_time)),
        (clocks.CHECK, lambda: clocks.check_writer(asking, installed, server_time)),
    )


def examine_own(asking: Asking, installed: Installation, *, now: Callable[[], float]) -> Iterator[Result]:
    """Examine what a pod of the webhook can see with its own account. Raises ClusterError as `examine`."""
    server_version, server_time = asking.version()
    here = now()
    yield _server(asking, server_version)
    moment = servedcertificate.utc_now(server_time or here)
    yield from _all(
        (installedkinds.CHECK, lambda: installedkinds.check_served(asking)),
        (rights.CHECK, lambda: rights.check_own(asking, installed)),
        (servedcertificate.CERTIFICATE, lambda: servedcertificate.check_own(asking, installed, now=moment)),
        (clocks.CHECK, lambda: clocks.check_here(server_time, here, is_pod=True)),
    )


def _all(*questions: tuple[str, Question]) -> Iterator[Result]:
    for check, question in questions:
        try:
            yield from question()
        except UnauthorizedError:
            raise
        except StatusError as refusal:
            yield unknown(check, str(refusal))


def _installation(asking: Asking, namespace: str, version: str) -> tuple[Installation, Result | None]:
    try:
        deployment = asking.get(workload.deployment_path(namespace))
    except ForbiddenError as forbidden:
        found = installation_of(None, namespace=namespace, version=version)
        return found, unknown(workload.WORKLOAD, f"{forbidden}; the options are taken to be those of manifests/base")
    return installation_of(deployment, namespace=namespace, version=version), None


def _server(asking: Asking, version: str) -> Result:
    numbers = version.removeprefix("v").split(".")
    try:
        major, minor = int(numbers[0]), int(numbers[1])
    except (ValueError, IndexError):
        return unknown(SERVER, f"{asking.connection.server}: version {version!r} is not known")
    text = f"{asking.connection.server}: Kubernetes {version}"
    if (major, minor) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return error(SERVER, f"{text}; the oldest that has every field is {oldest}", "upgrade the cluster")
    return ok(SERVER, text)
