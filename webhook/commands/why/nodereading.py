"""The records of nadmit's node plugin, if this machine is the node: what was attempted for a pod, and how it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cniplugin.cnierrors import CniError
from cniplugin.records.journal import Entry, Journal, Store
from webhook.report.diagnosis.world import Recorded

RECORD_DIR = "/var/lib/cni/nadmit"


class Records:
    """The records of one directory. `unread`: why some of them cannot be read, "" if all can."""

    def __init__(self, directory: Path) -> None:
        self.unread = ""
        self._journals: list[Journal] = []
        store = Store(str(directory))
        try:
            containers = store.containers()
        except (CniError, OSError) as error:
            self.unread = f"{directory}: the records of this node cannot be read: {_why(error)}; run this as root"
            return
        for container in containers:
            try:
                journal = store.read(container)
            except (CniError, OSError) as error:
                self.unread = f"{directory}: the record of container {container[:12]} cannot be read: {_why(error)}"
                continue
            if journal is not None:
                self._journals.append(journal)

    def of_pod(self, namespace: str, name: str, uid: str) -> Sequence[Recorded]:
        """Return the attachments of a pod, those of its latest container last."""
        own = [one for one in self._journals if (one.pod_namespace, one.pod_name) == (namespace, name)]
        return [
            _recorded(entry)
            for journal in own
            if not uid or journal.pod_uid in {None, "", uid}
            for entry in journal.entries
        ]


def _why(error: Exception) -> str:
    return error.msg if isinstance(error, CniError) else str(error)


def _recorded(entry: Entry) -> Recorded:
    failure: Mapping[str, Any] = entry.failure or {}
    text = str(failure.get("error", ""))
    has = " ".join(entry.addresses)
    what = f"failed: {text}" if text else entry.state
    line = f"{entry.label}: {what}{f', {has}' if has else ''}"
    item = 0 if entry.item is None else entry.item + 1
    return Recorded(entry.reference, item, entry.ifname, text, line)
