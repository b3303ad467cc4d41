"""The messages of kubelet, runtimes and delegating plugins about a pod's network, taken apart to the plugin's words.

The grammar, as kubelet 1.36, containerd 1.6 and 2, CRI-O 1.30, Multus 3.2 to 4.3 (thin and thick) and nadmit write it,
and the kubelet before 1.24 with Docker:

    message   = [ kubelet ] [ runtime ] *( "plugin type=" q [ "name=" q ] "failed (add): " ) said
              / kubelet words                                        ; the runtime failed, and no plugin ran
    said      = multus / thick / nadmit / any
    multus    = "Multus: [" ns/pod/uid "]: " words
              / "[" ns/pod [ /uid ] ":" network "]: error adding container to network " q ": " words
              / "Multus: Err adding pod to network " q ": Multus: error in invoke Delegate add - " q ": " words
              / "Multus: Err in loading K8s Delegates k8s args: " words
    thick     = "CmdAdd (shim): CNI request failed with status " n ": '" ... "ERRORED: " ... multus ": StdinData: ..."
    nadmit    = "pod " ns/pod ": " ( "annotation " key ": " [ "[" n "]" path ": " ] text
              / [ "item " n ": " ] "network " ref [ " (" ifname ")" ] ": " words )
    words     = *( "plugin type=" q " failed (add): " ) [ asked ] text
    asked     = "CNI request failed with status " n ": '" *( "[" pod "] " )     ; OVN-Kubernetes and OpenShift SDN
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .causes import Failure

_KUBELET = re.compile(r"^(?:\(combined from similar events\): )?failed (?:to )?create pod sandbox: ", re.IGNORECASE)
_RUNTIME = re.compile(
    r"(?:failed to (?:set ?up) network for sandbox (?:\"[^\"]*\"|'[^']*')"
    r"|network ?plugin cni failed to set up pod \"[^\"]*\" network"
    r"|failed to create pod network sandbox \S+?(?:: error adding pod \S+ to CNI network \"[^\"]*\")?"
    r"|error adding pod \S+ to CNI network \"[^\"]*\"): ",
    re.IGNORECASE,
)
_CLEANED = re.compile(r", failed to clean up sandbox container \"[^\"]*\" network for pod .*$", re.DOTALL)
_PLUGIN = re.compile(r"plugin type=[\"'](?P<type>[^\"']+)[\"'](?: name=[\"'](?P<name>[^\"']*)[\"'])? failed \(add\): ")
_THICK = re.compile(
    r"^CmdAdd \(shim\): .*?(?:ERRORED: (?:error configuring pod \[[^\]]*\] networking: )?)(?P<rest>.*)$", re.DOTALL
)
_STDIN = re.compile(r"\s*'?:? ?StdinData: .*$|\n'$", re.DOTALL)
_ASKED = re.compile(r"^CNI request failed with status \d+: '?(?:\[[^\]]*\] )*(?P<rest>.*?)\s*'?$", re.DOTALL)
_MULTUS = re.compile(r"^(?:Multus: )?\[(?P<pod>[^/\]:]+/[^/\]:]+)(?:/[^:\]]*)?(?::(?P<network>[^\]]*))?\]: ")
_ADDING = re.compile(r"^error adding container to network \"(?P<network>[^\"]*)\": ")
_OLD_MULTUS = re.compile(
    r"^Multus: Err (?:adding pod to network \"(?P<network>[^\"]*)\"|in tearing down failed plugins"
    r"|in loading K8s Delegates k8s args): (?:Multus: )?"
)
_INVOKING = re.compile(
    r"^(?:delegateAdd: )?error (?:invoking|in invoke) (?:(?:Delegate|conf) ?[aA]dd - \"(?P<plugin>[^\"]*)\""
    r"|conflist ?[aA]dd - \"[^\"]*\"): (?:conflistAdd: )?(?:error in getting result from AddNetwork(?:List)?: )?",
    re.IGNORECASE,
)
"""NB: a conflist is named by its own name, a configuration by the type of its plugin."""
_NADMIT_POD = re.compile(r"^(?:pod (?P<pod>\S+)|container \S+): ")
_NADMIT_ITEM = re.compile(r"^(?:item (?P<item>\d+): )?network (?P<network>\S+) \((?P<interface>[^)]+)\): ")
_NADMIT_ANNOTATION = re.compile(r"^annotation (?P<key>\S+): (?:\[(?P<item>\d+)\](?P<path>\S*): )?")
_TAKEN_BACK = re.compile(r"[;\n]\s*not taken back, DEL will try again: .*$", re.DOTALL)
_NADMIT_ITEM_ONLY = re.compile(r"^item (?P<item>\d+): network (?P<network>\S+): ")
_NADMIT_NETWORK = re.compile(r"^network (?P<network>\S+): ")
_DENIED = re.compile(r"^network access denied: .*?(?:\n|; )- (?P<network>\S+) \(item (?P<item>\d+)\)", re.DOTALL)

REASONS = frozenset({"FailedCreatePodSandBox", "FailedCreatePodSandbox", "NoNetworkFound"})
"""Reasons of the events about a sandbox that could not be made: the kubelet's, and one of Multus."""

DELEGATING = {"multus": "multus", "multus-shim": "multus", "nadmit": "nadmit"}
"""Types of the plugins that attach all networks of a pod, with their programs."""


class Message(NamedTuple):
    """A message taken apart. `kind`: the type of the runtime's own plugin; "" if the message does not say.

    `is_of_runtime`: the kubelet quotes its runtime, and no plugin.
    """

    failure: Failure
    kind: str = ""
    is_of_runtime: bool = False


def split(message: str) -> Message:
    """Take a kubelet's message apart. A message of another form is the text of the failure."""
    rest, runtime = message, _RUNTIME.search(message)
    if runtime:
        rest = _CLEANED.sub("", rest[runtime.end() :])
    called = _PLUGIN.match(rest) if runtime else _PLUGIN.search(rest)
    if not called and not runtime and (kubelet := _KUBELET.match(rest)):
        return Message(Failure(rest[kubelet.end() :].strip()), is_of_runtime=True)
    kind = attacher = ""
    if found := called:
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
    return failure._replace(text=failure.text[found.end() :], plugin=found["plugin"] or "") if found else failure


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
    if asked := _ASKED.match(rest):
        rest = asked["rest"]
    return failure._replace(text=rest, plugin=plugin)
