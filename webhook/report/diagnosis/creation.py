"""Why the API server creates no pod: the message of a controller's event or condition, to a cause.

message = [ "(combined from similar events): " ] ( "Error creating: " / "Create Pod " ... " failed error: " ) answer
answer  = "admission webhook " q " denied the request: " text / [ ... ] "failed calling webhook " q ": " text
        / "pods " q " is forbidden: " text / text
"""

from __future__ import annotations

import re
from typing import NamedTuple

REASONS = frozenset({"FailedCreate"})
CONDITION = "ReplicaFailure"
"""The condition of ReplicaSets and Deployments that repeats the message."""

OWN = ".nadmit.io"
"""The end of the names of this project's webhooks."""

_HEAD = re.compile(
    r"^(?:\(combined from similar events\): )?(?:Error creating: |[Cc]reate Pod \S+ in \S+ \S+ failed error: )"
)
_DENIED = re.compile(
    r"admission webhook \"(?P<name>[^\"]+)\" denied the request(?:: (?P<text>.*)| without explanation)", re.DOTALL
)
_CALLING = re.compile(r"failed calling (?:admission )?webhook \"(?P<name>[^\"]+)\"")
_MISSING = re.compile(
    r"there is no NetworkAttachmentDefinition \"(?P<name>[^\"]+)\" in namespace \"(?P<namespace>[^\"]+)\""
)
_UNLOCATED = re.compile(r"Failed to locate network attachment definition (?P<namespace>[^/\s]+)/(?P<name>[^\s\"]+)")
"""KubeVirt, about a definition that a virtual machine names."""

_ROWS = (
    ("quota-unspecified", re.compile(r"failed quota: (?P<value>[^,:]+): must specify", re.IGNORECASE)),
    ("quota-exceeded", re.compile(r"exceeded quota: (?P<value>[^,:]+)", re.IGNORECASE)),
    ("limit-range", re.compile(r"(?:maximum|minimum) \S+ usage per \w+ is|limit to request ratio per \w+ is")),
    ("pod-security", re.compile(r"violates PodSecurity")),
    (
        "security-policy",
        re.compile(
            r"unable to validate against any (?:security context constraint|pod security policy)"
            r"|no providers available to validate pod"
        ),
    ),
    ("refused-by-policy", re.compile(r"ValidatingAdmissionPolicy '(?P<value>[^']+)'.* denied request")),
    ("reference-missing", re.compile(r"no (?P<value>PriorityClass with name \S+) was found")),
    ("reference-missing", re.compile(r"(?P<value>RuntimeClass \"[^\"]+\") not found")),
    (
        "priority-class-refused",
        re.compile(r"insufficient quota to match these scopes|priorityClass is not permitted in"),
    ),
    ("namespace-ending", re.compile(r"because it is being terminated")),
    ("service-account-missing", re.compile(r"error looking up service account \S+?/(?P<value>[^:\s]+)")),
    ("service-account-missing", re.compile(r"serviceaccount \"(?P<value>[^\"]+)\" not found")),
)


class Answer(NamedTuple):
    """An answer of the API server. `text`: the refusal, if it is nadmit's. `network`: one that is missing."""

    cause: str
    value: str = ""
    text: str = ""
    network: str = ""


def read(message: str) -> Answer:
    """Take the message of a controller apart."""
    words = _HEAD.sub("", message)
    if denied := _DENIED.search(words):
        return _of_webhook(denied["name"], denied["text"] or "")
    if calling := _CALLING.search(words):
        return Answer("webhook-unreachable", calling["name"])
    if lost := _UNLOCATED.search(words):
        return Answer("network-missing", network=f"{lost['namespace']}/{lost['name']}")
    for cause, form in _ROWS:
        if found := form.search(words):
            return Answer(cause, found.groupdict().get("value") or "")
    return Answer("create-failed")


def _of_webhook(name: str, said: str) -> Answer:
    if not name.endswith(OWN):
        return Answer("refused-by-other", name)
    if said.startswith("network access denied"):
        is_broken = "the configuration of the network is unreadable or unsafe" in said
        return Answer("definition-unreadable" if is_broken else "refused-by-rules", name, said)
    if missing := _MISSING.search(said):
        return Answer("network-missing", name, said, f"{missing['namespace']}/{missing['name']}")
    return Answer("refused-by-standard", name, said)
