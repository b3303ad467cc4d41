"""Whether a container is gone: from what its runtime knows, and from what exists on the node. In doubt it is not.

| evidence | with the runtime's list | without it |
| --- | --- | --- |
| the runtime names its sandbox, in any state | alive: its DEL comes | |
| a process in a cgroup that names it | alive | alive |
| a process in its network namespace | alive: the list is of another runtime | (the namespace exists) |
| its network namespace exists, or cannot be looked at | alive if the runtime knows no container of ours | alive |
| a cgroup that names it, without processes | | alive |
| its namespace's path is a plain file, and its pod has a cgroup | | alive: some nodes hide the runtime's mounts |
| written less than a minute ago | too early | too early |

The runtime's list alone decides nothing, because `--cri-socket` may name a second runtime of the node. Processes alone
do not either: CRI-O runs none for a sandbox. So both are asked.
"""

from __future__ import annotations

from cniplugin.host.containers import NOT_A_NAMESPACE, PRESENT, UNKNOWN, View, namespace_at
from cniplugin.netspec.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cniplugin.records.journal import Journal

YOUNG_S = 60.0
"""ADD may still run, or the runtime may not list its sandbox yet: it does so when the sandbox has started."""


class Evidence(Record):
    """What was seen, in this order: the records, the runtime's list, the node.

    `known`: the sandboxes of the runtime at `socket`, None without a socket. `ours`: the containers that have a record
    or an address. `now`: before all of it, in seconds since the epoch. A file that is written later counts as young, so
    a container that starts meanwhile is never gone.
    """

    known: frozenset[str] | None
    socket: str
    ours: frozenset[str]
    view: View
    proc: str
    now: float

    def is_young(self, written_at: float) -> bool:
        """Say whether a file is too young to be judged. NB: a time in the future is of a clock that was set back."""
        return self.now - written_at < YOUNG_S

    def judge(self, record: Journal) -> tuple[bool, str]:
        """Say whether the container of a record is gone, and why, or why not."""
        netns, uid = record.netns, record.pod_uid or ""
        there = namespace_at(netns, proc=self.proc)
        may_live, has_no_list = there in {PRESENT, UNKNOWN}, self.known is None
        is_hidden = there == NOT_A_NAMESPACE and uid != "" and self.view.has_pod(uid)
        checks = (
            (self.is_known(record.container_id), "the runtime knows its sandbox"),
            (self.has_cgroup(record.container_id), "a cgroup names it"),
            (self.view.lives_in(netns), f"processes run in its network namespace {netns}"),
            (may_live and has_no_list, f"its network namespace {netns} {there}"),
            (may_live and not self._knows_one, f"its network namespace {netns} {there}, and {self._strange}"),
            (is_hidden and has_no_list, f"{netns} {there} here, but a cgroup is of its pod, UID {uid}"),
        )
        alive = next((text for is_so, text in checks if is_so), "")
        if alive:
            return False, alive
        if not has_no_list:
            return True, f"the runtime at {self.socket} does not know it, and no process runs in it"
        path = f"its network namespace {netns} {there}" if netns else "it has no network namespace"
        return True, f"{path}, and no cgroup or process names it"

    @property
    def doubt(self) -> str:
        """Why nothing is certain about containers without a record, "" if the runtime's list says it."""
        if self.known is None:
            return "without --cri-socket it is not certain that the container is gone"
        return self._strange if self.view.has_idle and not self._knows_one else ""

    def is_known(self, container_id: str) -> bool:
        """Say whether the runtime names the container."""
        return self.known is not None and container_id in self.known

    def has_cgroup(self, container_id: str) -> bool:
        """Say whether a cgroup names the container; one without processes counts only without the runtime's list."""
        return self.view.runs(container_id) if self.known is not None else self.view.has_cgroup(container_id)

    @property
    def _knows_one(self) -> bool:
        return self.known is not None and not self.known.isdisjoint(self.ours)

    @property
    def _strange(self) -> str:
        return f"the runtime at {self.socket} knows no container that has a record or an address here: another runtime?"
