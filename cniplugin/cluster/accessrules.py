"""The access rules in force for one ADD: those of the API server, else the snapshot, else what onUnavailable says.

Three things are read: the labels of the pod's namespace, the configuration, the policies. A part that cannot be read
is unavailable; no answer is no permission, and no label is not the same as no answer.

| configuration, policies | labels | what decides |
| --- | --- | --- |
| both read | read | they, and they become the snapshot. Neither kind installed: the posture of the CNI configuration |
| one or both not | read | `node.onUnavailable`; UseSnapshot: what was read, and the snapshot for the rest of it |
| | not | `node.onUnavailable`; UseSnapshot refuses, for labels are not kept |

`node.onUnavailable` is that of the configuration if it could be read, else of the snapshot, however old; UseSnapshot if
nothing is known. UseSnapshot refuses without a snapshot, and with one that is older than `snapshotMaxAgeSeconds` or
whose age cannot be told. Allow decides as the posture Open, without levels, which Allow rules may lift; the built-in
checks of a network's content remain.
"""

from __future__ import annotations

import time

from cniplugin.access.judging import reasons
from cniplugin.access.model.levels import UNCHECKED
from cniplugin.access.model.policyrules import CONFIG_KIND, POLICY_KIND
from cniplugin.access.model.values import NAME_LABEL, Config, Rules
from cniplugin.cnierrors import CniError
from cniplugin.host.log import LOG
from cniplugin.netspec.record import Record

from . import objects
from .rulesfile import RulesFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar

    from cniplugin.access.model.values import Verdict
    from cniplugin.protocol.netconf import NetConf

    from .objects import Server
    from .rulesfile import Snapshot

    T = TypeVar("T")

READ_S = 10.0
READ_SHARE = 1 / 3
"""What reading may take: this long, and this part of the time that is left, whichever is less. The rest is for the
networks themselves and their delegates."""

REFRESH_S = 60
"""How old the snapshot's time of reading may get while nothing changes; a quarter of snapshotMaxAgeSeconds if less."""

WHOLE = float("inf")


class Remark(Record):
    """Something that an event tells of a pod, whether it starts or not. `reason`: one CamelCase word."""

    reason: str
    message: str


class Standing(Record):
    """What holds for one pod. With a `refusal`, nothing is known to decide by, and every network gets it."""

    rules: Rules
    labels: Mapping[str, str]
    refusal: Verdict | None = None
    remarks: tuple[Remark, ...] = ()


class _Read(Record):
    """What the API server gave; a part that it did not give has its failure instead, and counts as nothing."""

    labels: Mapping[str, str] | None
    config: dict[str, Any] | None
    policies: Sequence[dict[str, Any]] | None
    config_failure: CniError | None
    failures: tuple[CniError, ...]


def default_config(conf: NetConf, raw: Mapping[str, Any]) -> Config:
    """Return what holds while the cluster has no configuration object: Open only if the file says so in words."""
    posture = "Open" if raw.get("namespaceIsolation") is False else "Isolated"
    return Config(posture=posture, global_namespaces=conf.global_namespaces)


def load(
    conf: NetConf,
    raw: Mapping[str, Any],
    namespace: str,
    client: Server,
    *,
    clock: Callable[[], float] = time.time,
) -> Standing:
    """Return what holds for a pod of a namespace. Reads the API server and the snapshot, and may write the snapshot.

    `raw` is the CNI configuration as it is written. Raises nothing that the API server or the disk could cause.
    """
    default = default_config(conf, raw)
    file = RulesFile(conf.record_dir, client.server)
    read = _read(client, namespace)
    labels = {**(read.labels or {}), NAME_LABEL: namespace}
    if read.failures:
        return _stand_in(read, default, file.load(), labels, now_s=clock(), raw=raw)
    objects = _objects(read)
    rules = _compile(objects, default)
    file.keep(objects, now_s=clock(), refresh_s=min(REFRESH_S, rules.config.snapshot_max_age_s / 4))
    return Standing(rules=rules, labels=labels, remarks=_differences(raw, default, rules.config, read))


def _read(client: Server, namespace: str) -> _Read:
    """NB: in the order of size, so that what is slow to come takes no time from the others."""
    client.limit(min(READ_S, client.left_s() * READ_SHARE))
    try:
        labels, no_labels = _attempt(lambda: objects.fetch_namespace_labels(client, namespace))
        config, no_config = _attempt(lambda: objects.fetch_config(client))
        policies, no_policies = _attempt(lambda: objects.fetch_policies(client))
    finally:
        client.limit(WHOLE)
    failures = tuple(filter(None, (no_labels, no_config, no_policies)))
    return _Read(labels=labels, config=config, policies=policies, config_failure=no_config, failures=failures)


def _attempt(fetch: Callable[[], T]) -> tuple[T | None, CniError | None]:
    try:
        return fetch(), None
    except CniError as error:
        return None, error


def _objects(read: _Read) -> list[dict[str, Any]]:
    """Return what was read, with the kinds that it was asked for by."""
    config = [{**read.config, "kind": CONFIG_KIND}] if read.config else []
    return [*config, *({**value, "kind": POLICY_KIND} for value in read.policies or ())]


def _compile(objects: Sequence[Mapping[str, Any]], default: Config) -> Rules:
    if not objects:
        return Rules(config=default)
    from cniplugin.access.compile import compile_rules, read_policies  # noqa: PLC0415  # a cluster without policies pays nothing

    return compile_rules(read_policies(objects), default)


def _stand_in(
    read: _Read,
    default: Config,
    kept: Snapshot | None,
    labels: Mapping[str, str],
    *,
    now_s: float,
    raw: Mapping[str, Any],
) -> Standing:
    """Return what holds when something could not be read."""
    rules = _compile([*_objects(read), *_missing(read, kept)], default)
    config = rules.config
    why = "; ".join(failure.msg for failure in read.failures)
    if config.on_unavailable == "Allow":
        text = "the node cannot read the access rules, and does not check them, because node.onUnavailable is Allow"
        LOG.error(f"access rules: NodeFailOpen: {text}: {why}")
        remark = Remark(reason="NodeFailOpen", message=text)  # NB: without the API server's own words
        opened = config.replace(posture="Open", levels=UNCHECKED)
        return Standing(rules=Rules(config=opened), labels=labels, remarks=(remark,))
    refused = _refuse(read, config, kept, now_s)
    if refused:
        LOG.error(f"access rules: {why}")
        return Standing(rules=rules, labels=labels, refusal=reasons.refuse_unavailable(config, refused))
    LOG.error(f"access rules: the snapshot of {round(kept.age_s(now_s) or 0) if kept else 0} s ago decides: {why}")
    return Standing(rules=rules, labels=labels, remarks=_differences(raw, default, config, read))


def _missing(read: _Read, kept: Snapshot | None) -> list[Mapping[str, Any]]:
    """Return what the snapshot has of the kinds that could not be read."""
    kinds = [*([CONFIG_KIND] if read.config_failure else []), *([POLICY_KIND] if read.policies is None else [])]
    return [value for value in kept.objects if value.get("kind") in kinds] if kept else []


def _refuse(read: _Read, config: Config, kept: Snapshot | None, now_s: float) -> str:
    """Return why nothing stands in for what could not be read, "" if the snapshot does."""
    if config.on_unavailable == "Deny":
        return "and is told to refuse then"
    if read.labels is None:
        return "nor the labels of the pod's namespace"
    if kept is None:
        return "and keeps none from before"
    age_s = kept.age_s(now_s)
    if age_s is None:
        return "and its clock was set back since it kept some, so nobody knows how old they are"
    if age_s > config.snapshot_max_age_s:
        return f"and those it keeps are older than {config.snapshot_max_age_s} s"
    return ""


def _differences(raw: Mapping[str, Any], default: Config, config: Config, read: _Read) -> tuple[Remark, ...]:
    """Return what the CNI configuration says otherwise than the configuration object, which decides alone.

    NB: `true` means no more than "not Open": Consent and Strict isolate too.
    """
    if read.config is None:
        return ()
    found = []
    isolation = raw.get("namespaceIsolation")
    if isinstance(isolation, bool) and isolation is (config.posture == "Open"):
        found.append(f"namespaceIsolation is {'true' if isolation else 'false'}, and posture is {config.posture}")
    if "globalNamespaces" in raw and config.posture not in {"Open", "Strict"}:
        here, there = ({*default.global_namespaces}, {*config.global_namespaces})
        if here != there:
            found.append(f"globalNamespaces is {_list(here)}, and the object has {_list(there)}")
    if not found:
        return ()
    text = f"the CNI configuration differs from the object {CONFIG_KIND}, which decides: {'; '.join(found)}"
    LOG.error(f"access rules: {text}")
    return (Remark(reason="NetworkAccessConfigDiffers", message=text),)


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
