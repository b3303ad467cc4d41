"""Reviews that all differ: no cache of a webhook answers one of them.

Each row has bodies made from one recording. They differ in all that a decision reads: the uid, the name, a label and the
text of the annotation, or the configuration. `make bench` sends them in turn, and a turn has more bodies than a cache of
the webhook has entries. `peer_allows` is the answer of the other webhook, which may look at less.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from cniplugin.access.model.decision import Rules
from cniplugin.netspec.selection import NETWORKS
from tests.paths import EXAMPLES
from webhook.admission.model.injection import Injection
from webhook.admission.mutate import answer_mutation
from webhook.admission.mutation import jsonpatch
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.review import wire
from webhook.trees.manifests import load_snapshot

Change = Callable[[Any, int], None]
"""Makes the object of a review differ, by a number."""

COUNT = 20_000
"""Bodies of a row: ten times the entries of a cache of decisions, four times the configurations that fit a parse cache."""
POD = "pods-alice-pod"
DEFINITION = "network-attachment-definitions-data-plane"
VALIDATE, MUTATE = "/validate", "/mutate"
NADAC, NRI = "NADAC", "NRI"


class Row(NamedTuple):
    """One kind of review. `peer` is the webhook that judges this kind too, at `peer_path`."""

    path: str
    recording: str
    change: Change
    peer: str
    peer_path: str
    allows: bool = True
    peer_allows: bool = True


def _names(thing: Any, number: int, *networks: str) -> None:
    """Ask for networks in the comma form, each with an interface name of its own."""
    thing["metadata"]["annotations"][NETWORKS] = ", ".join(
        f"{network}@{'abcd'[position]}{number}" for position, network in enumerate(networks)
    )


def _pod(thing: Any, number: int) -> None:
    _names(thing, number, "control-plane", "data-plane")


def _refused_pod(thing: Any, number: int) -> None:
    _names(thing, number, "data-plane", "infra/secret")


def _elements(thing: Any, number: int, requests: dict[str, object]) -> None:
    """Ask for the same networks in the JSON form."""
    elements = [{"name": "control-plane", "interface": f"a{number}"}, {"name": "data-plane", **requests}]
    thing["metadata"]["annotations"][NETWORKS] = json.dumps(elements)


def _without_addresses(thing: Any, number: int) -> None:
    _elements(thing, number, {"interface": f"b{number}"})


def _with_addresses(thing: Any, number: int) -> None:
    """NB: 10.9.0.5 is the address of a pod of the example cluster."""
    mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
    _elements(thing, number, {"interface": f"b{number}", "ips": [f"10.9.0.{10 + number % 240}/24"], "mac": mac})


def _template(thing: Any, number: int) -> None:
    _names(thing, number, "data-plane", "data-plane")
    thing["spec"]["containers"][0]["resources"] = {"requests": {"memory": f"{number + 1}Mi"}}


def _shape(thing: Any, number: int) -> None:
    """Differ in what decides the patch: a resource of another device plugin."""
    _names(thing, number, "data-plane", "data-plane")
    thing["spec"]["containers"][0]["resources"] = {"limits": {f"example.com/device-{number}": "1"}}


def _configure(thing: Any, number: int, subnet: str) -> None:
    config = json.loads(thing["spec"]["config"])
    config["name"] = f"net-{number}"
    config["plugins"][0] |= {"bridge": f"br-{number}", "ipam": {"type": "host-local", "subnet": subnet}}
    thing["spec"]["config"] = json.dumps(config)


def _definition(thing: Any, number: int) -> None:
    _configure(thing, number, f"10.{number >> 8}.{number & 255}.0/24")


def _new_form(thing: Any, number: int) -> None:
    """Differ in a key as well: no definition before had this form (`webhook.admission.view.knownforms`)."""
    _definition(thing, number)
    config = json.loads(thing["spec"]["config"])
    config["plugins"][1]["sysctl"] = {f"net.ipv4.conf.if{number}.arp_ignore": "1"}
    thing["spec"]["config"] = json.dumps(config)


def _refused_definition(thing: Any, number: int) -> None:
    """Host bits in a subnet: NADAC does not look at the keys of plugins."""
    _configure(thing, number, f"10.{number >> 8}.{number & 255}.1/24")


def _without_type(thing: Any, number: int) -> None:
    _definition(thing, number)
    config = json.loads(thing["spec"]["config"])
    config["plugins"][1].pop("type", None)
    thing["spec"]["config"] = json.dumps(config)


ROWS = {
    "pod, two networks": Row(VALIDATE, POD, _pod, NADAC, "/isolate"),
    "pod, two networks, JSON": Row(VALIDATE, POD, _without_addresses, NADAC, "/isolate"),
    "pod, the same with addresses": Row(VALIDATE, POD, _with_addresses, NADAC, "/isolate"),
    "pod, refused": Row(VALIDATE, POD, _refused_pod, NADAC, "/isolate", allows=False, peer_allows=False),
    "definition": Row(VALIDATE, DEFINITION, _definition, NADAC, VALIDATE),
    "definition, new form": Row(VALIDATE, DEFINITION, _new_form, NADAC, VALIDATE),
    "definition, no type": Row(VALIDATE, DEFINITION, _without_type, NADAC, VALIDATE, allows=False, peer_allows=False),
    "definition, wrong subnet": Row(VALIDATE, DEFINITION, _refused_definition, NADAC, VALIDATE, allows=False),
    "mutate, new templates": Row(MUTATE, POD, _template, NRI, MUTATE),
    "mutate, new patches": Row(MUTATE, POD, _shape, NRI, MUTATE),
}


def reviews(name: str, count: int = COUNT) -> list[bytes]:
    """Return the bodies of a row, in the compact JSON of the API server."""
    row = ROWS[name]
    review = json.loads((EXAMPLES / "recordings" / f"create-{row.recording}.json").read_text())
    thing = review["request"]["object"]
    prefix = "web" if row.recording == POD else "net"
    row.change(thing, 0)
    if row.path == VALIDATE:
        _inject(review)
        thing = review["request"]["object"]
    bodies = []
    for number in range(count):
        row.change(thing, number)
        thing["metadata"].setdefault("labels", {})["number"] = str(number)
        thing["metadata"]["name"] = review["request"]["name"] = f"{prefix}-{number}"
        review["request"]["uid"] = f"e07935aa-2a59-45e3-ada0-{number:012d}"
        bodies.append(json.dumps(review, separators=(",", ":")).encode())
    return bodies


def _inject(review: Any) -> None:
    """Apply the patch of /mutate to a pod, which the API server does before it asks /validate."""
    cluster = load_snapshot(EXAMPLES / "cluster")
    context = DecisionContext(cluster, Rules(), Configuration(injection=Injection()))
    operations = answer_mutation(wire.decode(json.dumps(review).encode()), context).operations
    review["request"]["object"] = jsonpatch.apply(list(operations), review["request"]["object"])
