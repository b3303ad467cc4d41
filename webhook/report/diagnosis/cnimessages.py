"""The messages of kubelet, runtimes and delegating plugins about a pod's network, taken apart to the plugin's words.

The grammar, as kubelet 1.36, containerd 1.6 and 2, CRI-O 1.30, Multus 3.2 to 4.3 (thin and thick) and nadmit write it,
and the kubelet before 1.24 with Docker:

    message   = [ kubelet ] [ runtime ] *( "plugin type=" q [ "name=" q ] "failed (add): " ) said
    said      = multus / thick / nadmit / any
    multus    = "Multus: [" ns/pod/uid "]: " words
              / "[" ns/pod [ /uid ] ":" network "]: error adding container to network " q ": " words
              / "Multus: Err adding pod to network " q ": Multus: error in invoke Delegate add - " q ": " words
    thick     = "CmdAdd (shim): CNI request failed with status " n ": '" ... "ERRORED: " ... multus ": StdinData: ..."
    nadmit    = "pod " ns/pod ": " ( "annotation " key ": " [ "[" n "]" path ": " ] text
              / [ "item " n ": " ] "network " ref [ " (" ifname ")" ] ": " words )
    words     = *( "plugin type=" q " failed (add): " ) text
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .causes import Failure

_RUNTIME = re.compile(
    r"(?:failed to (?:set ?up) network for sandbox \"[^\"]*\""
    r"|network ?plugin cni failed to set up pod \"[^\"]*\" network"
    r"|failed to create pod network sandbox \S+?(?:: error adding pod \S+ to CNI network \"[^\"]*\")?"
    r"|error adding pod \S+ to CNI network \"[^\"]*\"): ",
    re.IGNORECASE,
)
_CLEANED = re.compile(r", failed to clean up sandbox container \"[^\"]*\" network for pod .*$", re.DOTALL)
_PLUGIN = re.compile(r"plugin type=\"(?P<type>[^\"]+)\"(?: name=\"(?P<name>[^\"]*)\")? failed \(add\): ")
_THICK = re.compile(
    r"^CmdAdd \(shim\): .*?(?:ERRORED: (?:error configuring pod \[[^\]]*\] networking: )?)(?P<rest>.*)$", re.DOTALL
)
_STDIN = re.compile(r"\s*'?:? ?StdinData: .*$", re.DOTALL)
_MULTUS = re.compile(r"^(?:Multus: )?\[(?P<pod>[^/\]:]+/[^/\]:]+)(?:/[^:\]]*)?(?::(?P<network>[^\]]*))?\]: ")
_ADDING = re.compile(r"^error adding container to network \"(?P<network>[^\"]*)\": ")
_OLD_MULTUS = re.compile(
    r"^Multus: Err (?:adding pod to network \"(?P<network>[^\"]*)\"|in tearing down failed plugins): (?:Multus: )?"
)
_INVOKING = re.compile(
    r"^(?:delegateAdd: )?error (?:invoking|in invoke) (?:Delegate|Conflist) ?[aA]dd - \"(?P<plugin>[^\"]*)\": "
    r"(?:error in getting result from AddNetwork(?:List)?: )?"
)
_NADMIT_POD = re.compile(r"^(?:pod (?P<pod>\S+)|container \S+): ")
_NADMIT_ITEM = re.compile(r"^(?:item (?P<item>\d+): )?network (?P<network>\S+) \((?P<interface>[^)]+)\): ")
_NADMIT_ANNOTATION = re.compile(r"^annotation (?P<key>\S+): (?:\[(?P<item>\d+)\](?P<path>\S*): )?")
_TAKEN_BACK = re.compile(r"[;\n]\s*not taken back, DEL will try again: .*$", re.DOTALL)
_NADMIT_ITEM_ONLY = re.compile(r"^item (?P<item>\d+): network (?P<network>\S+): ")
_NADMIT_NETWORK = re.compile(r"^network (?P<network>\S+): ")
_DENIED = re.compile(r"^network access denied: .*?(?:\n|; )- (?P<network>\S+) \(item (?P<item>\d+)\)", re.DOTALL)

REASONS = frozenset({"FailedCreatePodSandBox", "FailedCreatePodSandbox"})
"""Reasons of the kubelet's event about a sandbox that it could not make."""

DELEGATING = {"multus": "multus", "multus-shim": "multus", "nadmit": "nadmit"}
"""Types of the plugins that attach all networks of a pod, with their programs."""


class Message(NamedTuple):
    """A message taken apart. `kind`: the type of the runtime's own plugin; "" if the message does not say."""

    failure: Failure
    kind: str = ""


def split(message: str) -> Message:
    """Take a kubelet's message apart. A message of another form is the text of the failure."""
    rest = message
    if found := _RUNTIME.search(rest):
        rest = _CLEANED.sub("", rest[found.end() :])
    kind = attacher = ""
    if found := _PLUGIN.search(rest):
        kind, rest = found["type"], rest[found.end() :]
        attacher = DELEGATING.get(kind, "")
    if found := _THICK.match(rest):
        rest, attacher = _STDIN.sub("", found["rest"]), "multus"
    failure = _of_multus(rest) if attacher != "nadmit" else None
    if failure is None:
        failure = _of_nadmit(rest)
    if failure is None:
        failure = Failure(rest.strip(), attacher)
    if not attacher and kind and not failure.plugin:
        failure = failure._replace(plugin=kind, is_default=True)
    return Message(_with_inner(failure), kind)


def _of_multus(rest: str) -> Failure | None:
    if old := _OLD_MULTUS.match(rest):
        return _invoked(Failure(rest[old.end() :].strip(), "multus", network=old["network"] or ""))
    found = _MULTUS.match(rest)
    if found is None:
        return None
    rest, network = rest[found.end() :], found["network"] or ""
    if adding := _ADDING.match(rest):
        rest, network = rest[adding.end() :], adding["network"]
    return _invoked(Failure(rest.strip(), "multus", network=network))


def _invoked(failure: Failure) -> Failure:
    """Return a failure without the words of Multus before 4 about its call, which name the plugin."""
    found = _INVOKING.match(failure.text)
    return failure._replace(text=failure.text[found.end() :], plugin=found["plugin"]) if found else failure


def _of_nadmit(rest: str) -> Failure | None:
    found = _NADMIT_POD.match(rest)
    if denied := _DENIED.match(rest):
        return Failure(rest.strip(), "nadmit", denied["network"], int(denied["item"]))
    if found is None:
        return None
    rest = _TAKEN_BACK.sub("", rest[found.end() :])
    if annotation := _NADMIT_ANNOTATION.match(rest):
        number = int(annotation["item"]) + 1 if annotation["item"] else 0
        return Failure(rest.strip(), "nadmit", item=number)
    if item := _NADMIT_ITEM.match(rest):
        number = int(item["item"]) if item["item"] else 0
        return Failure(rest[item.end() :].strip(), "nadmit", item["network"], number, item["interface"])
    if network := _NADMIT_ITEM_ONLY.match(rest):
        return Failure(rest[network.end() :].strip(), "nadmit", network["network"], int(network["item"]))
    if network := _NADMIT_NETWORK.match(rest):
        return Failure(rest[network.end() :].strip(), "nadmit", network["network"])
    return Failure(rest.strip(), "nadmit")


def _with_inner(failure: Failure) -> Failure:
    """Return a failure with the plugin of the list that failed, if the message names it."""
    rest, plugin = failure.text, failure.plugin
    while found := _PLUGIN.match(rest):
        rest, plugin = rest[found.end() :], found["type"]
    return failure._replace(text=rest, plugin=plugin)
