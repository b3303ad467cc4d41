"""What was read of texts that authors write: the one cache of parsed configurations and annotations, bounded by size.

Theory of operation. A definition is read when a decision first asks for it, and so is an annotation; both webhooks, dry
runs and the pods of a ReplicaSet bring the same texts again. What was read is kept until others need the room. A parsed
JSON value takes up to 30 times the room of its text, so the bound is an estimate of bytes, not a number of entries: an
author of one namespace can write texts as he likes, and 1,000 entries of 16 KiB would be 400 MiB.

A review runs on the event loop, and may name 64 definitions that nobody has read. So a server gives each review an
allowance of characters. Whoever has used it up gets OutOfTurnError, with the work that is missing: the server has it
done elsewhere, or later, and asks again. Elsewhere (commands, tests) nothing is limited.

NB: used from one thread at a time, which is the event loop's in a server; so nothing is locked.
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
from cniplugin.netspec.selection import NETWORKS
from webhook.admission.model.limitsettings import ReviewLimits, pod_problems, too_many_networks
from webhook.admission.view.listers import Cluster

WEIGHT_MAX = 32 * 1024 * 1024
"""Bytes, estimated. A usual definition (0.8 KB) weighs 6 KB, so the 5,000 that are used most stay read."""

ALLOWANCE = 65_536
"""Characters that one review may have read on the event loop: the dearest take 15 ms, those of a usual pod 0.1."""

_ENTRY = 1024
"""Bytes of an entry without its value; also of one error."""


def _nothing() -> None:
    """Do what is to be done where another turn is all that a review needs."""


class OutOfTurnError(UnreadError):
    """A review needs more read than its turn allows.

    `cluster` is what to ask in the next turn; None: the same. Before that turn `work` is to be called in any thread,
    and then `keep` in the thread of the reviews.
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
    """A configuration that was read: its value, or what is wrong with it."""

    config: NetworkConfigList | None
    problems: tuple[SpecError, ...] = ()


class ParseCache:
    """Values by key, of which those that were asked for last stay. See the module."""

    def __init__(self, weight_max: int = WEIGHT_MAX) -> None:
        self.weight = 0
        self.left: int | None = None
        """Characters that the review in progress may still have read; None: as many as it likes."""
        self._weight_max = weight_max
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Any:
        """Return what was put under a key; None if that is not here."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: Hashable, value: object, weight: int) -> None:
        """Keep a value of about so many bytes. One that is larger than the whole bound stays until the next."""
        before = self._entries.pop(key, None)
        if before is not None:
            self.weight -= before[1]
        self._entries[key] = value, weight + _ENTRY
        self.weight += weight + _ENTRY
        while self.weight > self._weight_max and len(self._entries) > 1:
            _, (_, freed) = self._entries.popitem(last=False)
            self.weight -= freed

    def spend(self, characters: int) -> bool:
        """Say whether the review in progress may have so many more characters read, and take note of it."""
        if self.left is None:
            return True
        if characters > self.left:
            return False
        self.left -= characters
        return True

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.weight = 0


PARSED = ParseCache()

NO_NETWORKS = PodSelections()


def weigh(text: str) -> int:
    """Return about how many bytes the JSON value of a text takes, by what opens objects, lists, members and strings.

    CPython 3.11: an empty object 64, its first five members 120, a list 56, a place in it 8, a string 49 and its text.
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
    """Return what `spec.config` of a definition of this name says. Never raises SpecErrors."""
    key = ("config", text, name)
    known: ParsedConfig | None = PARSED.get(key)
    if known is not None:
        return known
    made = parse_config(text, name)
    PARSED.put(key, made, weigh(text) + _ENTRY * len(made.problems))
    return made


def parse_config(text: str, name: str) -> ParsedConfig:
    """As `read_config`, without the cache. In any thread."""
    try:
        return ParsedConfig(cniconfig.parse(text, name=name))
    except SpecErrors as errors:
        return ParsedConfig(None, errors.errors)


def read_pod(
    annotations: Mapping[str, str], *, namespace: str, network_namespace: str, limits: ReviewLimits | None
) -> PodSelections:
    """Return what a pod in a namespace selects; a bare default network is one of `network_namespace`.

    `limits`: None for a pod that is stored already. A limit that the pod exceeds is its only problem.
    """
    networks, default = texts_of(annotations)
    if not networks and not default:
        return NO_NETWORKS
    too_large = pod_problems(networks, default, limits) if limits is not None else []
    if too_large:
        return PodSelections(problems=tuple(too_large))
    selections = _read_pod(networks, default, namespace, network_namespace)
    if limits is not None and selections.size > limits.networks_per_pod:
        return PodSelections(problems=(too_many_networks(selections.size, limits, source=NETWORKS),))
    return selections


def _read_pod(networks: str, default: str, namespace: str, network_namespace: str) -> PodSelections:
    key = (networks, default, namespace, network_namespace)
    known: PodSelections | None = PARSED.get(key)
    if known is not None:
        return known
    made = annotation.read_pod(networks, default, namespace=namespace, network_namespace=network_namespace)
    PARSED.put(key, made, weigh(networks + default) + _ENTRY * (made.size + len(made.problems)))
    return made
