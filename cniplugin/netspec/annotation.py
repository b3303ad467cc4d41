"""Network selection annotations: text to `NetworkSelectionElement`s (NPWG v1.3 §4.1); `selection` writes them.

    value      = *WSP / json-list / comma-list
    json-list  = any text that contains "[", "{" or a double quote; strict JSON, see `jsontext`
    comma-list = item *( "," item )                       ; white space around items is dropped, §4.1.1
    item       = [ namespace "/" ] name [ "@" interface ] ; "@" is Multus' addition, in use everywhere

In the JSON form a `name` may be any object name (`net.v1`); in the comma form it is a label, as in every parser in use.
A key without a dot that the standard does not define is refused: the standard reserves such keys (§4.1.2.1), and the
usual cause is a typo. Dotted keys are foreign and kept. Accepted additions: `interfaceRequest` (the old name of
`interface`, which wins), `deviceID`, `hostIP` in portMappings. A key whose value is null, and an empty `mac`,
`interface`, `infiniband-guid`, `ipam-claim-reference` or `deviceID`, counts as absent, as in Go.
"""

from __future__ import annotations

from . import jsontext, names
from .errors import EnoughProblemsError, Problems, SpecError, SpecErrors
from .names import has_space, trim
from .record import Record
from .selection import BANDWIDTH_FIELDS, DEFAULT_NETWORK, NETWORKS, Bandwidth, NetworkSelectionElement, PortMapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Reader = Callable[[object, str, Problems], object]
    """Takes (value, path, problems), adds what is wrong to the problems, and returns the field's value."""

_SEPARATORS = frozenset(";|")
"""Characters that people write in place of a comma."""

ANNOTATION_BYTES_MAX = 262_144
"""All annotations of one object together (Kubernetes apimachinery, TotalAnnotationSizeLimitB)."""

_SECTION = "NPWG v1.3 §4.1"


class PodSelections(Record):
    """The networks that a pod selects by its two annotations.

    `networks` has None in the place of an item that cannot be read. `problems` are those of the default network, then
    those of the networks.
    """

    networks: tuple[NetworkSelectionElement | None, ...] = ()
    default: NetworkSelectionElement | None = None
    problems: tuple[SpecError, ...] = ()

    @property
    def size(self) -> int:
        """How many networks are selected, unreadable items included."""
        return len(self.networks) + (self.default is not None)

    @property
    def elements(self) -> list[tuple[int | None, NetworkSelectionElement]]:
        """The readable elements with their positions; the default network first, at None."""
        first: list[tuple[int | None, NetworkSelectionElement]] = [(None, self.default)] if self.default else []
        return [*first, *((position, element) for position, element in enumerate(self.networks) if element is not None)]


def texts_of(annotations: Mapping[str, str]) -> tuple[str, str]:
    """Return the texts of both annotations, as `read_pod` takes them; "" for an absent one."""
    return annotations.get(NETWORKS, ""), annotations.get(DEFAULT_NETWORK, "")


def read_pod(networks: str, default: str, *, namespace: str, network_namespace: str) -> PodSelections:
    """Read the texts of both annotations of a pod in `namespace`. Never raises.

    `network_namespace` is where a bare default network is looked up.
    """
    elements: tuple[NetworkSelectionElement | None, ...] = ()
    chosen: NetworkSelectionElement | None = None
    problems: tuple[SpecError, ...] = ()
    if default:
        try:
            chosen = parse_default_network(default, namespace=network_namespace)
        except SpecErrors as errors:
            problems = errors.errors
    if networks:
        try:
            elements = parse(networks, namespace=namespace)
        except SpecErrors as errors:
            elements, problems = errors.readable, (*problems, *errors.errors)
    return PodSelections(networks=elements, default=chosen, problems=problems)


def parse(text: str, *, namespace: str) -> tuple[NetworkSelectionElement, ...]:
    """Read the value of the networks annotation of a pod in `namespace` (§4.1); () for an empty one.

    Raises SpecErrors with the problems (the first PROBLEMS_MAX), in input order, each with a path such as
    `[1].ips[0]`, and the elements that could be read, unless the text has more problems. Linear in the length.
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
        raise SpecErrors(problems.errors) from None
    if problems.errors:
        raise SpecErrors(problems.errors, readable=elements)
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
        _read_item(trim(item), problems.at(index), namespace=namespace, problems=problems)
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
    before = len(problems.errors)
    if "/" in name:
        detail, allowed = "more than one '/'", "[namespace/]name[@interface]"
        problems.add("network-name", path, detail, value=item, allowed=allowed, section="NPWG v1.3 §4.1.1")
        return None
    if not names.is_label_of_any_length(name):
        _add_name_problem(name, item, path, problems)
    if slash and not names.is_label(written_namespace):
        _add_namespace_problem(written_namespace, path, problems)
    if at:
        _check_interface(interface, path, problems)
    if len(problems.errors) > before:
        return None
    return NetworkSelectionElement(name=name, namespace=written_namespace, interface=interface if at else None)


def _add_name_problem(name: str, item: str, path: str, problems: Problems) -> None:
    fix = ""
    if names.is_subdomain(name):
        fix = f'a name with a dot can only be selected in the JSON form: [{{"name":"{name}"}}]'
    elif has_space(name[: names.SUBDOMAIN_MAX]) or not _SEPARATORS.isdisjoint(name[: names.SUBDOMAIN_MAX]):
        fix = "separate networks by commas"
    detail = "this does not name a network" if name else "the network's name is missing"
    allowed, section = names.ALLOWED_LABEL, "NPWG v1.3 §3.3"
    problems.add("network-name", path, detail, value=item, allowed=allowed, fix=fix, section=section)


# The JSON form, §4.1.2


def _read_json(text: str, *, namespace: str, problems: Problems) -> list[NetworkSelectionElement | None]:
    value = jsontext.parse(text, what="the annotation", bytes_max=ANNOTATION_BYTES_MAX, section=_SECTION)
    if not isinstance(value, list):
        fix = "put the object into [ ]" if isinstance(value, dict) else ""
        allowed = "a list of objects"
        detail = "the JSON form is a list"
        problems.add("not-a-list", "", detail, value=value, allowed=allowed, fix=fix, section=_SECTION)
        return []
    return [
        _read_element(item, problems.at(index), namespace=namespace, problems=problems)
        for index, item in enumerate(value)
    ]


def _check_together(elements: list[NetworkSelectionElement | None], problems: Problems) -> None:
    """Check that one element at most has a default-route, and that each interface name is used once."""
    holder: str | None = None
    holders: dict[str, int] = {}
    for index, element in enumerate(elements):
        if element is None:
            continue
        path = problems.at(index)
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


# One element of the JSON form, §4.1.2.1: one reader for each key

_KEYS_SECTION = "NPWG v1.3 §4.1.2.1"
_INT64_MAX = 2**63 - 1


def _add_namespace_problem(value: str, path: str, problems: Problems) -> None:
    detail, section = "this does not name a namespace", "NPWG v1.3 §4.1.1"
    problems.add("network-namespace", path, detail, value=value, allowed=names.ALLOWED_LABEL, section=section)


def _check_interface(name: str, path: str, problems: Problems) -> None:
    """Add the problem of a requested interface name (§4.1.2.1.5)."""
    section = "NPWG v1.3 §4.1.2.1.5"
    if name in names.RESERVED_INTERFACES and problems.source == NETWORKS:
        detail = "the interface is held by the cluster's default network or the loopback"
        fix = "choose another name, or none and take the generated one"
        problems.add("interface-reserved", path, detail, value=name, fix=fix, section=section)
    elif name != "eth0" and problems.source == DEFAULT_NETWORK:
        detail = "the interface of the default network cannot be chosen"
        problems.add("interface-reserved", path, detail, value=name, allowed="eth0, or none", section=section)
    elif problem := names.interface_problem(name):
        allowed = names.ALLOWED_INTERFACE
        problems.add("interface-name", path, problem, value=name, allowed=allowed, section=section)


def _read_element(item: object, path: str, *, namespace: str, problems: Problems) -> NetworkSelectionElement | None:
    """Return the element of one list item, or None if it has a problem."""
    if not isinstance(item, dict):
        allowed = 'an object with a "name"'
        detail = "the item is null" if item is None else "the item is not an object"
        problems.add("item-not-object", path, detail, value=item, allowed=allowed, section="NPWG v1.3 §4.1.2")
        return None
    before = len(problems.errors)
    values: dict[str, object] = {}
    foreign: dict[str, object] = {}
    for key, value in item.items():
        if key not in _READERS:
            _read_foreign(key, value, path, foreign, problems)
        elif value is not None:
            values[key] = _READERS[key](value, f"{path}.{key}", problems)
    if item.get("name") in (None, ""):
        _add_missing_name(path, problems)
    if item.get("ips") and item.get("ipam-claim-reference"):
        detail = "ips and ipam-claim-reference are both set, and only one can choose the addresses"
        section = "NPWG v1.3 §4.1.2.1.11.1"
        problems.add("ipam-claim-ips", path, detail, fix="remove one of them", section=section)
    if len(problems.errors) > before:
        return None
    return _element(values, foreign, namespace=namespace)


def _element(values: Mapping[str, object], foreign: Mapping[str, object], *, namespace: str) -> NetworkSelectionElement:
    """Make the element of values that are read and right. Empty strings count as absent."""
    fields = {_FIELDS[key]: value for key, value in values.items() if value not in ("", None)}
    fields.setdefault("namespace", namespace)
    legacy = fields.pop("interface_request", None)
    if legacy is not None:
        fields.setdefault("interface", legacy)
    if foreign:
        fields["foreign"] = foreign
    return NetworkSelectionElement(**fields)  # type: ignore[arg-type]  # each reader returns its field's type


def _add_missing_name(path: str, problems: Problems) -> None:
    detail = "the name of the network is missing"
    problems.add("missing-name", path, detail, fix='add "name"', section="NPWG v1.3 §4.1.2.1.1")


def _read_foreign(key: str, value: object, path: str, foreign: dict[str, object], problems: Problems) -> None:
    """Keep a dotted key; refuse any other (§4.1.2.1)."""
    if "." in key:
        foreign[key] = value
    else:
        _add_unknown_key(key, path, tuple(_READERS), STANDARD_KEYS, problems)


def _add_unknown_key(key: str, path: str, known: Iterable[str], allowed: Iterable[str], problems: Problems) -> None:
    near = _OLD_KEYS.get(key) or names.nearest(key, known)
    problems.add(
        "key-case" if near and near.casefold() == key.casefold() else "unknown-key",
        jsontext.join(path, key),
        "unknown key: keys are case-sensitive, and those without a dot are reserved by the specification",
        fix=f'did you mean "{near}"?' if near else "",
        allowed=", ".join(allowed),
        section=_KEYS_SECTION,
    )


def _read_string(value: object, path: str, problems: Problems, *, section: str = _KEYS_SECTION) -> str:
    if not isinstance(value, str):
        problems.add_type(path, value, "a string", section=section)
        return ""
    return value


def _read_name(value: object, path: str, problems: Problems) -> str:
    name = _read_string(value, path, problems)
    if name and not names.is_subdomain(name):
        detail, section = "this does not name a network", "NPWG v1.3 §3.3"
        fix = 'write the namespace under its own key, "namespace"' if "/" in name else ""
        allowed = names.ALLOWED_SUBDOMAIN
        problems.add("network-name", path, detail, value=name, allowed=allowed, fix=fix, section=section)
    return name


def _read_namespace(value: object, path: str, problems: Problems) -> str:
    namespace = _read_string(value, path, problems)
    if namespace and not names.is_label(namespace):
        _add_namespace_problem(namespace, path, problems)
    return namespace


def _read_interface(value: object, path: str, problems: Problems) -> str:
    name = _read_string(value, path, problems)
    if name:
        _check_interface(name, path, problems)
    return name


def _string_reader(is_right: Callable[[str], bool], rule: str, detail: str, *, allowed: str, section: str) -> Reader:
    """Return the reader of a string that one function checks; an empty one counts as absent."""

    def read(value: object, path: str, problems: Problems) -> str:
        text = _read_string(value, path, problems)
        if text and not is_right(text):
            problems.add(rule, path, detail, value=text, allowed=allowed, section=section)
        return text

    return read


def _list_reader(is_right: Callable[[str], bool], rule: str, detail: str, *, allowed: str, section: str) -> Reader:
    """Return the reader of a list of strings that one function checks."""

    def read(value: object, path: str, problems: Problems) -> tuple[str, ...]:
        items = _read_strings(value, path, problems, section=section)
        for where, text in items:
            if not is_right(text):
                problems.add(rule, where, detail, value=text, allowed=allowed, section=section)
        return tuple(text for _, text in items)

    return read


def _read_ips(value: object, path: str, problems: Problems) -> object:
    if value == []:
        section = "NPWG v1.3 §4.1.2.1.3"
        problems.add("ips-empty", path, "the list is empty", allowed="one address or more", section=section)
    return _read_addresses(value, path, problems)


def _read_strings(value: object, path: str, problems: Problems, *, section: str) -> list[tuple[str, str]]:
    """Return (path, text) of each item that is a string."""
    if not isinstance(value, list):
        problems.add_type(path, value, "a list of strings", section=section)
        return []
    texts = []
    for index, item in enumerate(value):
        if isinstance(item, str):
            texts.append((f"{path}[{index}]", item))
        else:
            problems.add_type(f"{path}[{index}]", item, "a string", section=section)
    return texts


def _read_cni_args(value: object, path: str, problems: Problems) -> Mapping[str, object]:
    if isinstance(value, dict):
        return value
    problems.add_type(path, value, "an object", section="NPWG v1.3 §4.1.2.1.6")
    return {}


def _read_integer(value: object, path: str, highest: int, problems: Problems, *, section: str) -> int | None:
    """NB: True is an int in Python, and not an integer in JSON; 1e6 and 1.0 are floats in Go as well."""
    allowed = f"an integer from 1 to {highest}"
    if not isinstance(value, int) or isinstance(value, bool):
        problems.add_type(path, value, allowed, section=section)
        return None
    if not 1 <= value <= highest:
        problems.add("number-range", path, "the number is out of range", value=value, allowed=allowed, section=section)
        return None
    return value


def _read_port_mappings(value: object, path: str, problems: Problems) -> tuple[PortMapping, ...]:
    section = "NPWG v1.3 §4.1.2.1.7"
    if not isinstance(value, list):
        problems.add_type(path, value, "a list of objects", section=section)
        return ()
    if not value:
        problems.add("port-mappings-empty", path, "the list is empty", allowed="one mapping or more", section=section)
    ports = [_read_port(item, f"{path}[{index}]", problems) for index, item in enumerate(value)]
    return tuple(port for port in ports if port is not None)


def _read_port(item: object, path: str, problems: Problems) -> PortMapping | None:
    section = "NPWG v1.3 §4.1.2.1.7"
    if not isinstance(item, dict):
        problems.add_type(path, item, "an object", section=section)
        return None
    _check_inner_keys(item, path, _PORT_KEYS, problems)
    host_port, container_port = (
        _read_port_number(item.get(key), key, path, problems) for key in ("hostPort", "containerPort")
    )
    protocol, host_ip = item.get("protocol"), item.get("hostIP")
    if protocol is not None and (not isinstance(protocol, str) or protocol.upper() not in {"TCP", "UDP", "SCTP"}):
        where, detail = f"{path}.protocol", "this protocol cannot be mapped"
        allowed = "TCP, UDP, SCTP, in any letter case"
        problems.add("port-protocol", where, detail, value=protocol, allowed=allowed, section=section)
    if host_ip is not None and (not isinstance(host_ip, str) or not names.is_ip(host_ip)):
        where, allowed = f"{path}.hostIP", "an IPv4 or IPv6 address"
        problems.add(
            "port-host-ip", where, "this is not an IP address", value=host_ip, allowed=allowed, section=section
        )
    if host_port is None or container_port is None:
        return None
    return PortMapping(host_port=host_port, container_port=container_port, protocol=protocol, host_ip=host_ip)


def _read_port_number(value: object, key: str, path: str, problems: Problems) -> int | None:
    section = "NPWG v1.3 §4.1.2.1.7"
    if value is None:
        detail, allowed = f"{key} is missing", "an integer from 1 to 65535"
        problems.add("port-missing", path, detail, allowed=allowed, section=section)
        return None
    return _read_integer(value, f"{path}.{key}", 65535, problems, section=section)


def _read_bandwidth(value: object, path: str, problems: Problems) -> Bandwidth | None:
    section = "NPWG v1.3 §4.1.2.1.8"
    if not isinstance(value, dict):
        problems.add_type(path, value, "an object", section=section)
        return None
    _check_inner_keys(value, path, tuple(BANDWIDTH_FIELDS), problems)
    rates = {key: value[key] for key in BANDWIDTH_FIELDS if value.get(key) is not None}
    if not rates:
        allowed = ", ".join(BANDWIDTH_FIELDS)
        problems.add("bandwidth-empty", path, "no rate is given", allowed=allowed, section=section)
    read = {
        key: _read_integer(rate, f"{path}.{key}", _INT64_MAX, problems, section=section) for key, rate in rates.items()
    }
    for direction in ("ingress", "egress"):
        if f"{direction}Burst" in rates and f"{direction}Rate" not in rates:
            where, fix = f"{path}.{direction}Burst", f"add {direction}Rate"
            detail = f"{direction}Burst is set without {direction}Rate"
            problems.add("bandwidth-burst", where, detail, fix=fix, section=section)
    return Bandwidth(**{BANDWIDTH_FIELDS[key]: rate for key, rate in read.items()})


def _check_inner_keys(item: Mapping[str, object], path: str, known: tuple[str, ...], problems: Problems) -> None:
    for key in item:
        if key not in known and "." not in key:
            _add_unknown_key(key, path, known, known, problems)


_read_addresses = _list_reader(
    names.is_ip_or_prefix,
    "ips-value",
    "this is not an IP address",
    allowed=names.ALLOWED_IP,
    section="NPWG v1.3 §4.1.2.1.3",
)
_PORT_KEYS = ("hostPort", "containerPort", "protocol", "hostIP")

_READERS: dict[str, Reader] = {
    "name": _read_name,  # §4.1.2.1.1
    "namespace": _read_namespace,  # .2
    "ips": _read_ips,  # .3
    "mac": _string_reader(  # .4
        names.is_mac,
        "mac-value",
        "this is not a MAC address",
        allowed=names.ALLOWED_MAC,
        section="NPWG v1.3 §4.1.2.1.4",
    ),
    "interface": _read_interface,  # .5
    "cni-args": _read_cni_args,  # .6
    "portMappings": _read_port_mappings,  # .7
    "bandwidth": _read_bandwidth,  # .8
    "default-route": _list_reader(  # .9
        names.is_ip,
        "default-route-value",
        "this is not a gateway",
        allowed="the IPv4 or IPv6 address of a gateway, without a prefix length",
        section="NPWG v1.3 §4.1.2.1.9",
    ),
    "infiniband-guid": _string_reader(  # .10
        names.is_guid,
        "guid-value",
        "this is not an InfiniBand GUID",
        allowed=names.ALLOWED_GUID,
        section="NPWG v1.3 §4.1.2.1.10",
    ),
    "ipam-claim-reference": _string_reader(  # .11
        names.is_subdomain,
        "ipam-claim-name",
        "this does not name an IPAMClaim",
        allowed=names.ALLOWED_SUBDOMAIN,
        section="NPWG v1.3 §8.3",
    ),
    "interfaceRequest": _read_interface,  # Multus' old name of `interface`
    "deviceID": _read_string,  # Multus
}
STANDARD_KEYS = tuple(_READERS)[:11]
"""The keys of §4.1.2.1, in its order."""

_FIELDS = {
    **{key: key.replace("-", "_") for key in _READERS},
    "portMappings": "port_mappings",
    "interfaceRequest": "interface_request",
    "deviceID": "device_id",
}
_OLD_KEYS = {"ipRequest": "ips", "macRequest": "mac", "ip": "ips"}
"""Keys from before v1.0 of the standard, and the most frequent mistake."""
