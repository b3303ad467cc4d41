"""The one cache of parsed configurations and annotations, bounded by size.

Theory of operation. A decision parses a definition or an annotation when it first needs it. Both webhooks, dry runs and
the pods of a ReplicaSet bring the same texts again, so the cache keeps the parsed values until others need the room. A
parsed JSON value takes up to 30 times the room of its text. So the bound is an estimate of bytes, not a number of
entries: the author of one namespace can write any text, and 1,000 entries of 16 KiB would take 400 MiB.

A review runs on the event loop, and may name 64 definitions that are not parsed yet. So a server gives each turn of a
review an allowance of characters to parse. When it is used up, the cache raises OutOfTurnError with the missing work;
the server has another thread do the work, and then judges the review again. Commands and tests have no limit.

NB: only one thread at a time may use the cache, in a server that of the event loop. So there are no locks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

from cniplugin.access.model.decision import UnreadError
from cniplugin.netspec import annotation, cniconfig
from cniplugin.netspec.annotation import PodSelections, texts_of
from cniplugin.netspec.cniconfig import NetworkConfigList
from cniplugin.netspec.errors import SpecError, SpecErrors
from cniplugin.netspec.record import mypyc_attr
from cniplugin.netspec.selection import NETWORKS
from webhook.admission.model.limitsettings import ReviewLimits, pod_problems, too_many_networks
from webhook.admission.view.decisioncontext import Cluster

WEIGHT_MAX = 32 * 1024 * 1024
"""Bytes, estimated. A usual definition (0.8 KB) weighs 6 KB, so the 5,000 that are used most stay read."""

ALLOWANCE = 65_536
"""Characters that one turn may parse on the event loop: the slowest texts take 15 ms, those of a usual pod 0.1 ms."""

_ENTRY = 1024
"""Bytes of an entry without its value; also of one error."""


def _nothing() -> None:
    """Do nothing: the review needs another turn, and no work before it."""


@mypyc_attr(native_class=False)
class OutOfTurnError(UnreadError):
    """A review has to parse more than its turn allows.

    `cluster` is the snapshot for the next turn, None for the same one. Before that turn the server calls `work` in any
    thread, and then `keep` in the thread of the reviews.
    """

    def __init__(
        self,
        cluster: Cluster | None = None,
        *,
        work: Callable[[], None] = _nothing,
        keep: Callable[[], None] = _nothing,
    ) -> None:
        super().__init__("the review needs another turn")
        self.cluster = cluster
        self.work = work
        self.keep = keep


class ParsedConfig(NamedTuple):
    """A parsed configuration: its value, or its problems."""

    config: NetworkConfigList | None
    problems: tuple[SpecError, ...] = ()


class ParseCache:
    """Values by key; the least recently used ones make room for others. See the module."""

    def __init__(self, weight_max: int = WEIGHT_MAX) -> None:
        self.weight = 0
        self.left: int | None = None
        """Characters that the turn in progress may still parse; None for no limit."""
        self._weight_max = weight_max
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Any:
        """Return the value of a key; None if the cache does not have it."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: Hashable, value: object, weight: int) -> None:
        """Keep a value of about `weight` bytes. A value above the whole bound stays until the next one comes."""
        before = self._entries.pop(key, None)
        if before is not None:
            self.weight -= before[1]
        self._entries[key] = value, weight + _ENTRY
        self.weight += weight + _ENTRY
        while self.weight > self._weight_max and len(self._entries) > 1:
            _, (_, freed) = self._entries.popitem(last=False)
            self.weight -= freed

    def spend(self, characters: int) -> bool:
        """Take characters off the allowance of the turn in progress. Return False if too few are left."""
        if self.left is None:
            return True
        if characters > self.left:
            return False
        self.left -= characters
        return True

    def clear(self) -> None:
        """Remove all values."""
        self._entries.clear()
        self.weight = 0


PARSED = ParseCache()

NO_NETWORKS = PodSelections()
UNPARSED = object()
"""In the place of a JSON value that nobody has read."""


def weigh(text: str) -> int:
    """Estimate the bytes that the JSON value of a text takes, by counting its delimiters.

    CPython 3.11: an empty object 64, its first five members 120, a list 56, an item in it 8, a string 49 and its text.
    """
    return (
        len(text)
        + 64 * text.count("{")
        + 120 * text.count(":")
        + 56 * text.count("[")
        + 8 * text.count(",")
        + 25 * text.count('"')
    )


def read_config(text: str, name: str) -> ParsedConfig:
    """Return the parsed `spec.config` of a definition of this name. Never raises SpecErrors."""
    key = ("config", text, name)
    known: ParsedConfig | None = PARSED.get(key)
    if known is not None:
        return known
    made = parse_config(text, name)
    PARSED.put(key, made, weigh(text) + _ENTRY * len(made.problems))
    return made


def parse_config(text: str, name: str, value: object = UNPARSED) -> ParsedConfig:
    """Parse as `read_config` does, without the cache. May run in any thread.

    `value`: what `cniconfig.read` has returned for the text, if somebody has asked already.
    """
    try:
        return ParsedConfig(
            cniconfig.parse(text, name=name) if value is UNPARSED else cniconfig.build(value, name=name)
        )
    except SpecErrors as errors:
        return ParsedConfig(None, errors.errors)


def read_pod(
    annotations: Mapping[str, str], *, namespace: str, network_namespace: str, limits: ReviewLimits | None
) -> PodSelections:
    """Return the networks that a pod in a namespace asks for.

    A default network that is named without a namespace is one of `network_namespace`. `limits`: None for a stored pod.
    If the annotations exceed a limit, that is the only problem.
    """
    networks, default = texts_of(annotations)
    if not networks and not default:
        return NO_NETWORKS
    return read_texts(networks, default, namespace, network_namespace, limits=limits, keeps_usual=True)


def read_texts(
    networks: str,
    default: str,
    namespace: str,
    network_namespace: str,
    *,
    limits: ReviewLimits | None,
    keeps_usual: bool,
) -> PodSelections:
    """Read the texts of both annotations, as `read_pod` does.

    `keeps_usual`: False for a caller that remembers what follows from a usual text (`PodSelections.usual`), because to
    read such a text again costs less than to keep what it says.
    """
    too_large = pod_problems(networks, default, limits) if limits is not None else []
    if too_large:
        return PodSelections(problems=tuple(too_large))
    key = (networks, default, namespace, network_namespace)
    selections: PodSelections | None = PARSED.get(key)
    if selections is None:
        selections = annotation.read_pod(networks, default, namespace=namespace, network_namespace=network_namespace)
        if keeps_usual or not selections.usual:
            weight = weigh(networks + default) + _ENTRY * (selections.size + len(selections.problems))
            PARSED.put(key, selections, weight)
    if limits is not None and selections.size > limits.networks_per_pod:
        return PodSelections(problems=(too_many_networks(selections.size, limits, source=NETWORKS),))
    return selections
