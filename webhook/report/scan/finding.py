"""One finding about one object of a cluster. Text, JSON, SARIF, JUnit and reports in the cluster are views of it."""

from __future__ import annotations

from typing import NamedTuple

ERROR, WARNING, INFO = "error", "warning", "info"
LEVELS = (ERROR, WARNING, INFO)
"""error: it does not work, or would be refused if it were created now; warning: it may fail; info: good to know."""


class ObjectName(NamedTuple):
    """An object of the cluster. `namespace` is "" for one of the whole cluster, `uid` is "" where files have none."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""

    @property
    def title(self) -> str:
        """The object as text: `pod blue/web-0`."""
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind.lower()} {name}"


class Finding(NamedTuple):
    """What is wrong with `subject`, in one line. `field`: the path inside the object, "" for all of it.

    `rule` is stable. `fix`: what to do, "" if the message says it. `others`: further objects that it is about, such as
    the other owner of an address. `properties`: facts for programs, by name.
    """

    rule: str
    level: str
    subject: ObjectName
    message: str
    field: str = ""
    fix: str = ""
    others: tuple[ObjectName, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
