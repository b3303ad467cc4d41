"""Which network of a pod an error is about: its reference, and its item in the annotation.

nadmit names both. Multus names the configuration only, and often no network at all; then the error must fit one network
of the pod, or none is named.
"""

from __future__ import annotations

from collections.abc import Callable

from cniplugin.netspec.annotation import PodSelections
from cniplugin.netspec.selection import NetworkSelectionElement

from . import podstatus
from .causes import Failure
from .objectset import ObjectSet, text, texts

NETWORK_KIND = "NetworkAttachmentDefinition"


class PodNetworks:
    """The networks that a pod selects, with their definitions.

    `is_refused`: whether the webhook would refuse the definition of a network now.
    """

    def __init__(
        self, namespace: str, selections: PodSelections, objects: ObjectSet, is_refused: Callable[[str], bool]
    ) -> None:
        self.namespace = namespace
        self.selections = selections
        self.objects = objects
        self.is_refused = is_refused

    def resource_of(self, reference: str) -> str:
        """Return the resource that the definition of a network names, "" if it names none."""
        namespace, _, name = reference.partition("/")
        definition = self.objects.get(NETWORK_KIND, namespace, name)
        return texts(definition, "metadata", "annotations").get("k8s.v1.cni.cncf.io/resourceName", "")

    def missing(self, failure: Failure, name: str) -> tuple[str, Failure, str]:
        """Return the cause of a missing network, with the network: another namespace may have one of its name."""
        failure = failure if failure.network else self._named(failure, name)
        wanted = failure.network.partition("/")[2] or name
        found = self.objects.of_kind(NETWORK_KIND)
        places = [text(one, "metadata", "namespace") for one in found if text(one, "metadata", "name") == wanted]
        if places:
            return "namespace-wrong", failure, " or ".join(f"{place}/{wanted}" for place in sorted(places))
        return "network-missing", failure, ""

    def placed(self, failure: Failure) -> Failure:
        """Return a failure with the item and the reference of its network: Multus names the configuration only."""
        if failure.item and not failure.network:
            element = dict(self.selections.elements).get(failure.item - 1)
            return failure._replace(network=podstatus.reference_of(element)) if element else failure
        if failure.network and "/" not in failure.network:
            return self._named(failure, failure.network)
        if failure.network and not failure.item:
            return failure._replace(item=self._item_of(failure.network))
        return failure

    def _item_of(self, reference: str) -> int:
        """Return the place of a network in the annotation, from 1; 0 if it is there more than once."""
        found = [number for number, one in self.selections.elements if podstatus.reference_of(one) == reference]
        return found[0] + 1 if len(found) == 1 and found[0] is not None else 0

    def _named(self, failure: Failure, name: str) -> Failure:
        """Return a failure with the selected network whose definition or configuration has this name."""
        for position, element in self.selections.elements:
            reference = podstatus.reference_of(element)
            if name in {element.name, self.parts_of(reference).name}:
                item = 0 if position is None else position + 1
                interface = failure.interface or element.interface or (f"net{item}" if item else "")
                return failure._replace(network=reference, item=item, interface=interface)
        if self.objects.get(NETWORK_KIND, self.namespace, name) is not None:
            return failure._replace(network=f"{self.namespace}/{name}")
        return failure._replace(is_default=bool(failure.network))

    def guessed(self, failure: Failure, cause: str) -> Failure:
        """Return a failure with the network that it must be about: the only one, or the only one of its kind."""
        elements = [(position, one) for position, one in self.selections.elements if position is not None]
        fits = elements if len(elements) == 1 else [pair for pair in elements if self._fits(pair[1], cause)]
        if len(fits) != 1:
            return failure
        position, element = fits[0]
        return failure._replace(network=podstatus.reference_of(element), item=position + 1)

    def _fits(self, element: NetworkSelectionElement, cause: str) -> bool:
        reference = podstatus.reference_of(element)
        if cause == "device-missing":
            return bool(self.resource_of(reference))
        if cause == "file-missing":
            return not self.parts_of(reference).plugin
        return self.is_refused(reference)

    def in_namespace(self, failure: Failure, namespace: str) -> Failure:
        """Return a failure with the first network of a namespace."""
        for position, element in self.selections.elements:
            if element.namespace == namespace and position is not None:
                return failure._replace(network=podstatus.reference_of(element), item=position + 1)
        return failure

    def parts_of(self, reference: str) -> podstatus.Definition:
        """Return the parts of the definition of a network."""
        namespace, _, name = reference.partition("/")
        return podstatus.definition_of(self.objects.get(NETWORK_KIND, namespace, name))
