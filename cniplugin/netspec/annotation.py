"""Network selection annotations: text to `NetworkSelectionElement`s (NPWG v1.3 §4.1); `selection` writes them.

    value      = *WSP / json-list / comma-list
    json-list  = any text that contains "[", "{" or a double quote; strict JSON, see `jsontext`
    comma-list = item *( "," item )                       ; white space around items is dropped, §4.1.1
    item       = [ namespace "/" ] name [ "@" interface ] ; "@" is Multus' addition, in use everywhere

In the JSON form a `name` may be any object name (`net.v1`); the comma form knows labels only, as in every parser in
use. A key without a dot that the standard does not define is refused: those are reserved (§4.1.2.1), and the usual
cause is a typo. Dotted keys are foreign and kept. Additions in use that are accepted: `interfaceRequest` (the old name
of `interface`, which wins), `deviceID`, `hostIP` in portMappings. A key whose value is null, and an empty `mac`,
`interface`, `infiniband-guid`, `ipam-claim-reference` or `deviceID`, counts as absent, as in Go.
"""

from __future__ import annotations

from . import jsontext, names
from .elements import add_namespace_problem, check_interface, read_element
from .errors import EnoughProblemsError, Problems, SpecError, SpecErrors
from .selection import DEFAULT_NETWORK, NETWORKS, NetworkSelectionElement
from .whitespace import has_space, trim

_SEPARATORS = frozenset(";|")
"""What people write in place of a comma."""

ANNOTATION_BYTES_MAX = 262_144
"""All annotations of one object together (Kubernetes apimachinery, TotalAnnotationSizeLimitB)."""

_SECTION = "NPWG v1.3 §4.1"


def parse(text: str, *, namespace: str) -> tuple[NetworkSelectionElement, ...]:
    """Read the value of the networks annotation of a pod in `namespace` (§4.1); () for an empty one.

    Raises SpecErrors with the problems (the first PROBLEMS_MAX), in input order, each with a path such as
    `[1].ips[0]`, and the elements that could be read; of a text with more problems, none. Linear in the length.
    """
    return _read(text, namespace=namespace, source=NETWORKS)


def parse_default_network(text: str, *, namespace: str) -> NetworkSelectionElement | None:
    """Read the value of the default-network annotation: the same grammar, one element at most.

    `namespace` is where a bare name is looked up: the cluster's network namespace, not the pod's. The interface
    cannot be chosen: the runtime takes the pod's address from `eth0`. Raises SpecErrors.
    """
    elements = _read(text, namespace=namespace, source=DEFAULT_NETWORK)
    if len(elements) > 1:
        detail = f"{len(elements)} networks are named, and a pod has one default network"
        raise SpecErrors(
            [SpecError(rule="default-network-count", source=DEFAULT_NETWORK, detail=detail, allowed="one network")]
        )
    return elements[0] if elements else None


def _read(text: str, *, namespace: str, source: str) -> tuple[NetworkSelectionElement, ...]:
    problems = Problems(source)
    try:
        if any(char in text for char in '[{"'):
            elements = _read_json(text, namespace=namespace, problems=problems)
        else:
            elements = _read_comma_list(text, namespace=namespace, problems=problems)
        _check_together(elements, problems)
    except SpecErrors as errors:
        raise SpecErrors([error.replace(source=source) for error in errors]) from None
    except EnoughProblemsError:
        raise SpecErrors(problems.found) from None
    if problems.found:
        raise SpecErrors(problems.found, readable=elements)
    return tuple(element for element in elements if element is not None)


# The comma form, §4.1.1


def _read_comma_list(text: str, *, namespace: str, problems: Problems) -> list[NetworkSelectionElement | None]:
    if len(text) > ANNOTATION_BYTES_MAX:
        allowed = f"at most {ANNOTATION_BYTES_MAX} bytes"
        problems.add("json-size", "", f"the annotation has {len(text)} characters", allowed=allowed, section=_SECTION)
        return []
    if not trim(text):
        return []
    return [
        _read_item(trim(item), f"[{index}]", namespace=namespace, problems=problems)
        for index, item in enumerate(text.split(","))
    ]


def _read_item(item: str, path: str, *, namespace: str, problems: Problems) -> NetworkSelectionElement | None:
    if not item:
        fix = "remove the comma before or after it"
        problems.add("empty-item", path, "the item is empty", fix=fix, section="NPWG v1.3 §4.1.1")
        return None
    reference, at, interface = item.partition("@")
    first, slash, second = reference.partition("/")
    written_namespace, name = (first, second) if slash else (namespace, first)
    before = len(problems.found)
    if "/" in name:
        detail, allowed = "more than one '/'", "[namespace/]name[@interface]"
        problems.add("network-name", path, detail, value=item, allowed=allowed, section="NPWG v1.3 §4.1.1")
        return None
    if not names.is_label_of_any_length(name):
        _add_name_problem(name, item, path, problems)
    if slash and not names.is_label(written_namespace):
        add_namespace_problem(written_namespace, path, problems)
    if at:
        check_interface(interface, path, problems)
    if len(problems.found) > before:
        return None
    return NetworkSelectionElement(name=name, namespace=written_namespace, interface=interface if at else None)


def _add_name_problem(name: str, item: str, path: str, problems: Problems) -> None:
    fix = ""
    if names.is_subdomain(name):
        fix = f'a name with a dot can only be selected in the JSON form: [{{"name":"{name}"}}]'
    elif has_space(name[: names.SUBDOMAIN_MAX]) or not _SEPARATORS.isdisjoint(name[: names.SUBDOMAIN_MAX]):
        fix = "separate networks by commas"
    problems.add(
        "network-name",
        path,
        "this does not name a network" if name else "the network's name is missing",
        value=item,
        allowed=names.ALLOWED_LABEL,
        fix=fix,
        section="NPWG v1.3 §3.3",
    )


# The JSON form, §4.1.2


def _read_json(text: str, *, namespace: str, problems: Problems) -> list[NetworkSelectionElement | None]:
    value = jsontext.parse(text, what="the annotation", bytes_max=ANNOTATION_BYTES_MAX, section=_SECTION)
    if not isinstance(value, list):
        fix = "put the object into [ ]" if isinstance(value, dict) else ""
        allowed = "a list of objects"
        problems.add(
            "not-a-list",
            "",
            "the JSON form is a list",
            value=value,
            allowed=allowed,
            fix=fix,
            section=_SECTION,
        )
        return []
    return [
        read_element(item, f"[{index}]", namespace=namespace, problems=problems) for index, item in enumerate(value)
    ]


def _check_together(elements: list[NetworkSelectionElement | None], problems: Problems) -> None:
    """Check what concerns several elements: one default-route holder, interface names used once."""
    holder: str | None = None
    holders: dict[str, int] = {}
    for index, element in enumerate(elements):
        if element is None:
            continue
        path = f"[{index}]"
        if element.default_route is not None:
            if holder is not None:
                detail = f"default-route is set here and in {holder}, and one attachment holds the default route"
                fix, section = "keep one of them", "NPWG v1.3 §4.1.2.1.9"
                problems.add("default-route-holder", f"{path}.default-route", detail, fix=fix, section=section)
            holder = holder or path
        if element.interface is not None:
            if element.interface in holders:
                detail = f"the interface name is used by [{holders[element.interface]}] already"
                fix, section = "choose another name", "NPWG v1.3 §4.1.2.1.5"
                problems.add("interface-duplicate", path, detail, value=element.interface, fix=fix, section=section)
            holders.setdefault(element.interface, index)
