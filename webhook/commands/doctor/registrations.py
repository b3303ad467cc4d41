"""The webhook configurations: registered whole, as the table has them, in which stage, and with which authorities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from webhook.registration import configurations
from webhook.registration.configurations import FAIL, IGNORE, OBSERVE, STAGE_ANNOTATION, Service, Url, is_ours
from webhook.registration.registered import deviations, incompleteness, path_of, target_registered
from webhook.registration.tables import KINDS, Kind

from .asking import Asking
from .installation import Installation
from .results import Result, error, listed, ok, warning
from .workload import APPLY

REGISTRATION, STAGE = "registration", "stage"
STATUS = "nadmit webhooks status"
OBSERVED_MAX = timedelta(days=30)
"""After so long in stage Observe a remark reminds of the next stage."""

Object = dict[str, Any]


def registered(asking: Asking, installed: Installation) -> dict[Kind, Object]:
    """Return the existing configurations. Raises ClusterError."""
    found = {kind: asking.get(path_of(kind, installed.configuration)) for kind in KINDS}
    return {kind: value for kind, value in found.items() if value is not None}


def check(asking: Asking, installed: Installation) -> Iterator[Result]:
    """Compare what is registered with the table."""
    objects = registered(asking, installed)
    is_whole = True
    for kind in KINDS:
        problem = _absence(kind, objects, installed)
        if problem is not None:
            is_whole = False
            yield problem
    if not is_whole:
        return
    target = target_registered(objects)
    if target is None:
        return
    defects = [one for kind in KINDS for one in incompleteness(kind, configurations.webhooks_of(objects[kind]), target)]
    for defect in defects:
        yield error(REGISTRATION, defect, STATUS)
    yield from _compare_target(target, installed)
    found = deviations(objects, target)
    names = [f"{name} ({', '.join(fields)})" for kind in KINDS for name, fields in found[kind].items()]
    if names and not defects:
        yield warning(
            REGISTRATION,
            f"differs from the table of this version: {listed(names)}; the replicas correct it within seconds, unless "
            "they are of another version, or have no right to",
            STATUS,
        )
    elif not defects:
        count = sum(
            len([hook for hook in configurations.webhooks_of(objects[kind]) if is_ours(hook)]) for kind in KINDS
        )
        yield ok(REGISTRATION, f"all {count} webhooks are registered, as in the table of this version")


def _absence(kind: Kind, objects: Mapping[Kind, Object], installed: Installation) -> Result | None:
    where = f'{kind.name} "{installed.configuration}"'
    if kind not in objects:
        return error(REGISTRATION, f"{where}: there is none; the API server calls nothing", APPLY)
    if not any(map(is_ours, configurations.webhooks_of(objects[kind]))):
        fixes = ["see why no replica is ready: the check workload, and /readyz"]
        if "webhook-configuration" not in installed.options:
            fixes = [f"nadmit webhooks show --service {installed.namespace}/{installed.service} --ca-file FILE"]
        return error(
            REGISTRATION, f"{where}: no webhook is registered yet; a replica registers them once it is ready", *fixes
        )
    return None


def _compare_target(target: Service | Url, installed: Installation) -> Iterator[Result]:
    if isinstance(target, Service) and "webhook-url" not in installed.options:
        wanted = Service(installed.namespace, installed.service)
        if target != wanted:
            yield error(
                REGISTRATION,
                f"the API server calls Service {target.namespace}/{target.name}, the replicas are behind "
                f"{wanted.namespace}/{wanted.name}",
                STATUS,
            )


def check_stage(asking: Asking, installed: Installation, *, now: datetime) -> Iterator[Result]:
    """Say which stage the webhooks are in, and since when at the latest."""
    objects = registered(asking, installed)
    stages = {kind: configurations.stage_of(value) for kind, value in objects.items()}
    for kind, stage in stages.items():
        if stage.problem:
            yield warning(STAGE, f"{kind.name}: {stage.problem}", f"nadmit webhooks stage {stage.name}")
    names = list(dict.fromkeys(stage.name for stage in stages.values()))
    if len(names) > 1:
        shown = ", ".join(f"{kind.name} {stage.name}" for kind, stage in stages.items())
        yield warning(STAGE, f"the configurations have different stages: {shown}", f"nadmit webhooks stage {names[0]}")
    elif names:
        yield _stage(names[0], objects, now)


def _stage(name: str, objects: Mapping[Kind, Object], now: datetime) -> Result:
    written, created = _written(objects), _created(objects)
    since = written or created
    shown = "" if since is None else f" since {since:%Y-%m-%d %H:%M}Z{' or earlier' if written else ''}"
    if name == OBSERVE:
        text = f"Observe{shown}: everything is judged, nothing is refused"
        steps = ("nadmit webhooks would-refuse", "nadmit webhooks stage Ignore")
        if since is not None and now - since > OBSERVED_MAX:
            return warning(STAGE, f"{text}; that is long", *steps)
        return ok(STAGE, f"{text}; the next step: {', then '.join(steps)}")
    meanings = {
        IGNORE: "while no replica answers, everything is allowed",
        FAIL: "while no replica answers, what must be judged is refused",
    }
    return ok(STAGE, f"{name}{shown}: {meanings[name]}")


def _written(objects: Mapping[Kind, Object]) -> datetime | None:
    """Return when the annotation of the stage was last written; the field's manager may have written others since."""
    times = [
        entry["time"]
        for value in objects.values()
        for entry in (value.get("metadata") or {}).get("managedFields") or ()
        if entry.get("time") and f"f:{STAGE_ANNOTATION}" in _annotations_of(entry)
    ]
    return datetime.fromisoformat(max(times)).astimezone(UTC) if times else None


def _created(objects: Mapping[Kind, Object]) -> datetime | None:
    """Return when the objects were created: a new installation has no annotation, and is in Observe."""
    times = [time for value in objects.values() if (time := (value.get("metadata") or {}).get("creationTimestamp"))]
    return datetime.fromisoformat(max(times)).astimezone(UTC) if times else None


def _annotations_of(entry: Object) -> Object:
    metadata = (entry.get("fieldsV1") or {}).get("f:metadata") or {}
    annotations: Object = metadata.get("f:annotations") or {}
    return annotations
