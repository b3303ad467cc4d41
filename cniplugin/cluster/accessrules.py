"""The access rules for one ADD: those of the API server, else those of the snapshot, else as onUnavailable says.

Three parts are read: the labels of the pod's namespace, the configuration, the policies. A part that cannot be read
is unavailable. A failure never counts as permission or as "no labels".

| configuration, policies | labels | what decides |
| --- | --- | --- |
| both read | read | these; they become the snapshot. Without both kinds, the posture of the CNI configuration |
| one or both not | read | `node.onUnavailable`; UseSnapshot: the part that was read, and the other from the snapshot |
| | not | `node.onUnavailable`; UseSnapshot refuses, because the snapshot has no labels |

`node.onUnavailable` is that of the configuration if it was read, else that of the snapshot of any age, else
UseSnapshot. UseSnapshot refuses without a snapshot, and with one that is older than `snapshotMaxAgeSeconds` or of
unknown age. Allow decides as the posture Open, without levels, which Allow rules could lift; the built-in checks of a
network's content remain.

The snapshot is a file of the node:

    file = line head, line body         ; <recordDir>/rules.snapshot, mode 0600
    line = checksum SP JSON LF          ; CRC-32 of the JSON, 8 hexadecimal digits
    head = {"nadmitRules": 1, "server": address of the API server, "readAt": seconds since 1970}
    body = [object...]                  ; policies and the configuration: kind, name, generation, spec

It is replaced as a whole, by temporary file and rename, without fsync: at worst a power loss costs the snapshot, and
the next ADD writes a new one. It is written if the objects have changed, and after REFRESH_S, so that it does not
become too old if nothing ever changes. A failure to write is a log line. A file of another form or of another API
server is ignored, with the reason in the log.
"""

from __future__ import annotations

import os
import time
from binascii import crc32

from cniplugin.access.judging import reasons
from cniplugin.access.model.decision import NAME_LABEL, Config, Rules
from cniplugin.access.model.levels import UNCHECKED
from cniplugin.access.model.policyrules import CONFIG_KIND, POLICY_KIND
from cniplugin.cnierrors import CniError
from cniplugin.host.log import LOG
from cniplugin.netspec.errors import show
from cniplugin.netspec.rawjson import dumps, loads
from cniplugin.netspec.record import Record
from cniplugin.protocol.netconf import GLOBAL_NAMESPACES

from .objects import (
    fetch_config,
    fetch_namespace_labels,
    fetch_policies,
    paths_of_namespaces,
    paths_of_rules,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar

    from cniplugin.access.model.decision import Verdict
    from cniplugin.protocol.netconf import NetConf

    from .objects import Server

    Object = Mapping[str, Any]
    T = TypeVar("T")

READ_S = 10.0
READ_SHARE = 1 / 3
"""The limit of reading, in seconds and as a part of the time that is left; the smaller one counts. The networks and
their delegates need the rest."""

REFRESH_S = 60
"""The age at which an unchanged snapshot is written again; a quarter of snapshotMaxAgeSeconds if that is less."""

NAME = "rules.snapshot"
SCHEMA = 1
FILE_BYTES_MAX = 64 * 1024 * 1024
CLOCK_SLACK_S = 60
"""How far in the future a time of reading may be, because NTP sets clocks back a little. Beyond, the age is unknown."""

WHOLE = float("inf")


class Remark(Record):
    """An event about a pod that starts or does not start. `reason`: one CamelCase word."""

    reason: str
    message: str


class RulesInEffect(Record):
    """The rules for one pod. A `refusal` is the verdict for every network: there are no rules to decide by."""

    rules: Rules
    labels: Mapping[str, str]
    refusal: Verdict | None = None
    remarks: tuple[Remark, ...] = ()


class _Read(Record):
    """The answers of the API server. A part that could not be read is None."""

    labels: Mapping[str, str] | None
    config: dict[str, Any] | None
    policies: Sequence[dict[str, Any]] | None
    config_failure: CniError | None
    failures: tuple[CniError, ...]


def default_config(conf: NetConf) -> Config:
    """Return the rules of a cluster without a configuration object. They are Open only if the file says so."""
    return Config(
        posture="Open" if conf.namespace_isolation is False else "Isolated",
        global_namespaces=GLOBAL_NAMESPACES if conf.global_namespaces is None else conf.global_namespaces,
    )


def load(conf: NetConf, namespace: str, client: Server, *, clock: Callable[[], float] = time.time) -> RulesInEffect:
    """Return the rules for a pod of a namespace, from the API server or the snapshot; may write the snapshot.

    A failure of the API server or of the disk raises nothing.
    """
    file = RulesFile(conf.record_dir, client.server)
    read = _read(client, namespace)
    labels = {**(read.labels or {}), NAME_LABEL: namespace}
    if read.failures:
        return _substitute(read, conf, file.load(), labels, now_s=clock())
    objects = _objects(read)
    rules = _compile(objects, default_config(conf))
    file.keep(objects, now_s=clock(), refresh_s=min(REFRESH_S, rules.config.snapshot_max_age_s / 4))
    return RulesInEffect(rules=rules, labels=labels, remarks=_differences(conf, rules.config, read))


def _read(client: Server, namespace: str) -> _Read:
    """NB: the small parts first, so that a slow answer takes no time from the others."""
    client.limit(min(READ_S, client.left_s() * READ_SHARE))
    try:
        client.ask(*paths_of_namespaces(client, [namespace]), *paths_of_rules())
        labels, no_labels = _attempt(lambda: fetch_namespace_labels(client, namespace))
        config, no_config = _attempt(lambda: fetch_config(client))
        policies, no_policies = _attempt(lambda: fetch_policies(client))
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
    """Return the objects, with their kinds, which answers of the API leave out."""
    config = [{**read.config, "kind": CONFIG_KIND}] if read.config else []
    return [*config, *({**value, "kind": POLICY_KIND} for value in read.policies or ())]


def _compile(objects: Sequence[Mapping[str, Any]], default: Config) -> Rules:
    if not objects:
        return Rules(config=default)
    from cniplugin.access.compile import compile_rules, read_policies  # noqa: PLC0415  # a cluster without policies pays nothing

    return compile_rules(read_policies(objects), default)


def _substitute(
    read: _Read, conf: NetConf, kept: Snapshot | None, labels: Mapping[str, str], *, now_s: float
) -> RulesInEffect:
    """Return the rules if a part could not be read."""
    rules = _compile([*_objects(read), *_missing(read, kept)], default_config(conf))
    config = rules.config
    why = "; ".join(failure.msg for failure in read.failures)
    if config.on_unavailable == "Allow":
        text = "the node cannot read the access rules, and does not check them, because node.onUnavailable is Allow"
        LOG.error(f"access rules: NodeFailOpen: {text}: {why}")
        remark = Remark(reason="NodeFailOpen", message=text)  # NB: without the API server's own words
        opened = config.replace(posture="Open", levels=UNCHECKED)
        return RulesInEffect(rules=Rules(config=opened), labels=labels, remarks=(remark,))
    refused = _refuse(read, config, kept, now_s)
    if refused:
        LOG.error(f"access rules: {why}")
        return RulesInEffect(rules=rules, labels=labels, refusal=reasons.refuse_unavailable(config, refused))
    LOG.error(f"access rules: the snapshot of {round(kept.age_s(now_s) or 0) if kept else 0} s ago decides: {why}")
    return RulesInEffect(rules=rules, labels=labels, remarks=_differences(conf, config, read))


def _missing(read: _Read, kept: Snapshot | None) -> list[Mapping[str, Any]]:
    """Return the objects of the snapshot whose kinds could not be read."""
    kinds = [*([CONFIG_KIND] if read.config_failure else []), *([POLICY_KIND] if read.policies is None else [])]
    return [value for value in kept.objects if value.get("kind") in kinds] if kept else []


def _refuse(read: _Read, config: Config, kept: Snapshot | None, now_s: float) -> str:
    """Return the reason why the snapshot cannot be used, "" if it can."""
    if config.on_unavailable == "Deny":
        return "and node.onUnavailable is Deny"
    if read.labels is None:
        return "nor the labels of the pod's namespace"
    if kept is None:
        return "and has no snapshot of them"
    age_s = kept.age_s(now_s)
    if age_s is None:
        return "and the age of its snapshot is unknown, because the clock was set back"
    if age_s > config.snapshot_max_age_s:
        return f"and its snapshot of them is older than {config.snapshot_max_age_s} s"
    return ""


def _differences(conf: NetConf, config: Config, read: _Read) -> tuple[Remark, ...]:
    """Return a remark if the CNI configuration differs from the configuration object, which alone decides.

    NB: `true` means no more than "not Open": Consent and Strict isolate too.
    """
    if read.config is None:
        return ()
    differences = []
    isolation = conf.namespace_isolation
    if isolation is not None and isolation is (config.posture == "Open"):
        differences.append(f"namespaceIsolation is {'true' if isolation else 'false'}, and posture is {config.posture}")
    if conf.global_namespaces is not None and config.posture not in {"Open", "Strict"}:
        here, there = {*conf.global_namespaces}, {*config.global_namespaces}
        if here != there:
            differences.append(f"globalNamespaces is {_list(here)}, and the object has {_list(there)}")
    if not differences:
        return ()
    text = f"the CNI configuration differs from the object {CONFIG_KIND}, which decides: {'; '.join(differences)}"
    LOG.error(f"access rules: {text}")
    return (Remark(reason="NetworkAccessConfigDiffers", message=text),)


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


class Snapshot(Record):
    """Objects of both kinds, and the time of reading in seconds since 1970."""

    objects: tuple[Object, ...]
    read_at_s: int

    def age_s(self, now_s: float) -> float | None:
        """Return the age, None if it is unknown, because the clock was set back."""
        age_s = now_s - self.read_at_s
        return max(age_s, 0.0) if age_s >= -CLOCK_SLACK_S else None


class RulesFile:
    """The snapshot of one API server in a directory."""

    def __init__(self, directory: str, server: str) -> None:
        self.path = f"{directory}/{NAME}"
        self._temporary = f"{directory}/.rules-{os.getpid()}.tmp"  # NB: `journal.Store.sweep` removes it
        self._server = server

    def load(self) -> Snapshot | None:
        """Return the snapshot, None if there is none that can be used."""
        try:
            return _parse(self._read(), self._server)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            LOG.error(f"access rules: the snapshot {self.path} is ignored: {_reason(error)}")
            return None

    def keep(self, objects: Sequence[Object], *, now_s: float, refresh_s: float) -> None:
        """Write the snapshot, unless it has these objects already and is recent."""
        try:
            head = _line(dumps({"nadmitRules": SCHEMA, "server": self._server, "readAt": int(now_s)}))
            body = _line(dumps([essence(value) for value in objects]))
            if self._is_recent(body, now_s, refresh_s):
                return
            self._write(head + body)
        except (OSError, ValueError, RecursionError) as error:  # NB: JSON reads 1e999, and does not write it
            LOG.error(f"access rules: the snapshot {self.path} cannot be written: {_reason(error)}")

    def _is_recent(self, body: bytes, now_s: float, refresh_s: float) -> bool:
        """Say whether the file needs no write: it is recent and equal, or another process has read later."""
        try:
            first, _, rest = self._read().partition(b"\n")
            read_at_s = _parse_head(first, self._server)
        except (OSError, ValueError):
            return False
        ahead_s = read_at_s - int(now_s)
        return 0 < ahead_s <= CLOCK_SLACK_S or (rest == body and -refresh_s < ahead_s <= 0)

    def _read(self) -> bytes:
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(fd, "rb") as file:  # noqa: PTH123  # pathlib costs 5 ms
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise ValueError(f"it has more than {FILE_BYTES_MAX} bytes")
        return data

    def _write(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with open(os.open(self._temporary, flags, 0o600), "wb") as file:  # noqa: PTH123  # as above
                file.write(data)
            os.replace(self._temporary, self.path)  # noqa: PTH105  # as above
        except OSError:
            _remove(self._temporary)
            raise


def essence(value: Object) -> dict[str, Any]:
    """Return the parts of an object that the rules read, without status and managed fields, which change often."""
    metadata = value.get("metadata")
    given = metadata if isinstance(metadata, dict) else {}
    kept = {key: given[key] for key in ("name", "generation") if key in given}
    return {"kind": value.get("kind"), "metadata": kept, "spec": value.get("spec")}


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _remove(path: str) -> None:
    try:  # noqa: SIM105  # contextlib is not loaded otherwise
        os.unlink(path)  # noqa: PTH108
    except OSError:
        pass  # the caller raises the first failure


def _line(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return b"%08x %s\n" % (crc32(data), data)


def _parse(data: bytes, server: str) -> Snapshot:
    """Return the snapshot of a whole file. Raises ValueError."""
    first, end, rest = data.partition(b"\n")
    second, last_end, more = rest.partition(b"\n")
    if not end or not last_end or more:
        raise ValueError("it is damaged: it does not have two lines")
    read_at_s = _parse_head(first, server)
    objects = _parse_line(second)
    if not isinstance(objects, list) or not all(isinstance(value, dict) for value in objects):
        raise ValueError("its second line is not a list of objects")
    return Snapshot(objects=tuple(objects), read_at_s=read_at_s)


def _parse_head(line: bytes, server: str) -> int:
    head = _parse_line(line)
    if not isinstance(head, dict) or head.get("nadmitRules") != SCHEMA:
        raise ValueError(f"its schema is {show(head.get('nadmitRules') if isinstance(head, dict) else head)}")
    if head.get("server") != server:
        raise ValueError(f"it belongs to the API server {show(head.get('server'))}, and this is {show(server)}")
    read_at_s = head.get("readAt")
    if not isinstance(read_at_s, int) or isinstance(read_at_s, bool):
        raise ValueError(f"its time of reading is {show(read_at_s)}")  # noqa: TRY004  # the file is wrong, not the caller
    return read_at_s


def _parse_line(line: bytes) -> object:
    if line[:9] != b"%08x " % crc32(line[9:]):
        raise ValueError("it is damaged: a checksum is wrong")
    try:
        return loads(str(line[9:], "utf-8", "surrogatepass"))
    except RecursionError:
        raise ValueError("it nests too deeply") from None
