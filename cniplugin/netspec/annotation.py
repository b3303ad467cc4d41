"""Network selection annotations: text to `NetworkSelectionElement`s (NPWG v1.3 §4.1); `selection` writes them.

    value      = *WSP / json-list / comma-list
    json-list  = any text that contains "[", "{" or a double quote; JSON, see `jsontext`
    comma-list = item *( "," item )
    item       = [ [ namespace ] "/" ] name [ "@" [ interface ] ] ; white space around each part is dropped

The text is read as those read it who attach (Multus 4.3, k8sclient.go and Go's encoding/json), so that one text has one
meaning. What they read although it breaks the letter of the standard is a remark, which admission shows as a warning:

- Keys in another letter case. A key that an object has twice: the last one counts. Keys whose values are objects are
  merged in Go, so repeating one of those is a problem.
- Keys that nobody reads. If such a key resembles one that matters, the request would be lost, and that is a problem.
- White space inside an item, an empty namespace, an empty interface name; "@" itself is Multus' addition.
- Empty lists, a rate of 0, an annotation of white space alone: they ask for nothing.
- `ips` beside `ipam-claim-reference`, which OVN-Kubernetes takes.

In the JSON form a `name` may be any object name (`net.v1`); in the comma form it is a label, as in every parser in use.
Dotted keys are foreign and kept. Accepted additions: `interfaceRequest` (the old name of `interface`, which wins),
`deviceID`, `hostIP` in portMappings. A key whose value is null, and an empty `mac`, `interface`, `infiniband-guid`,
`ipam-claim-reference`, `deviceID` or `hostIP`, counts as absent, as in Go.
"""

from __future__ import annotations

from . import jsontext, names
from .errors import EnoughProblemsError, Problems, SpecError, SpecErrors
from .names import has_space, trim
from .rawjson import Decoder
from .record import PlainRecord, mypyc_attr
from .selection import (
    BANDWIDTH_FIELDS,
    DEFAULT_NETWORK,
    NETWORKS,
    Bandwidth,
    NetworkSelectionElement,
    PortMapping,
    route_families,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Final

    UsualItem = tuple[str, str, str | None, str | None, tuple[str, ...]]
    """An element that asks for no more: namespace and name of the network, `interface`, `mac`, `ips`."""

    Reader = Callable[[object, str, Problems], object]
    """Takes (value, path, problems), adds what is wrong to the problems, and returns the field's value."""

_SEPARATORS = frozenset(";|")
"""Characters that people write in place of a comma."""

ANNOTATION_BYTES_MAX = 262_144
"""All annotations of one object together (Kubernetes apimachinery, TotalAnnotationSizeLimitB)."""

_SECTION = "NPWG v1.3 §4.1"
_COMMA_SECTION = "NPWG v1.3 §4.1.1"


@mypyc_attr(native_class=False)
class PodSelections(PlainRecord):
    """The networks that a pod selects by its two annotations.

    `networks` has None in the place of an item that cannot be read. `problems` are those of the default network, then
    those of the networks. `remarks`, in the same order, are about what breaks the letter and is read all the same.
    `usual`: the items of a text that the quick reader has read, else (). There is nothing else then, and the elements
    are made when they are first asked for: most decisions about pods need none.
    """

    __slots__ = (  # noqa: RUF023 - in the order of `__init__`
        "_networks", "default", "problems", "remarks", "usual", "_elements",
    )  # fmt: skip

    def __init__(
        self,
        *,
        networks: tuple[NetworkSelectionElement | None, ...] = (),
        default: NetworkSelectionElement | None = None,
        problems: tuple[SpecError, ...] = (),
        remarks: tuple[SpecError, ...] = (),
        usual: Sequence[UsualItem] = (),
    ) -> None:
        self._networks = networks
        self.default: Final = default
        self.problems: Final = problems
        self.remarks: Final = remarks
        self.usual: Final = usual
        self._elements: Sequence[tuple[int | None, NetworkSelectionElement]] | None = None

    @property
    def networks(self) -> tuple[NetworkSelectionElement | None, ...]:
        """The selected networks, without the default network."""
        if self.usual and not self._networks:
            self._networks = tuple(map(_element_of, self.usual))
        return self._networks

    @property
    def size(self) -> int:
        """How many networks are selected, unreadable items included."""
        return len(self.usual) or len(self._networks) + (self.default is not None)

    @property
    def references(self) -> list[tuple[str, str]]:
        """Namespace and name of each readable element, in the order of `elements`."""
        if self.usual:
            return [(item[0], item[1]) for item in self.usual]
        return [(element.namespace, element.name) for _, element in self.elements]

    @property
    def elements(self) -> Sequence[tuple[int | None, NetworkSelectionElement]]:
        """The readable elements with their positions; the default network first, at None."""
        known = self._elements
        if known is None:
            known = self._elements = _in_order(self.networks, self.default)
        return known

    def __eq__(self, other: object) -> bool:
        """Compare what is read, and not how."""
        if not isinstance(other, PodSelections):
            return NotImplemented
        return _parts_of(self) == _parts_of(other)

    def __hash__(self) -> int:
        return hash(_parts_of(self))


def _parts_of(selections: PodSelections) -> tuple[object, ...]:
    return selections.networks, selections.default, selections.problems, selections.remarks


def _element_of(item: UsualItem) -> NetworkSelectionElement:
    namespace, name, interface, mac, ips = item
    return NetworkSelectionElement(name=name, namespace=namespace, ips=ips, mac=mac, interface=interface)


def _in_order(
    networks: Sequence[NetworkSelectionElement | None], default: NetworkSelectionElement | None
) -> tuple[tuple[int | None, NetworkSelectionElement], ...]:
    """Return the readable elements with their positions, the default network first."""
    first: list[tuple[int | None, NetworkSelectionElement]] = [(None, default)] if default else []
    return (*first, *((position, element) for position, element in enumerate(networks) if element is not None))


def texts_of(annotations: Mapping[str, str]) -> tuple[str, str]:
    """Return the texts of both annotations, as `read_pod` takes them; "" for an absent one."""
    return annotations.get(NETWORKS, ""), annotations.get(DEFAULT_NETWORK, "")


def read_pod(networks: str, default: str, *, namespace: str, network_namespace: str) -> PodSelections:
    """Read the texts of both annotations of a pod in `namespace`. Never raises.

    `network_namespace` is where a bare default network is looked up.
    """
    usual = None if default else _read_usual(networks, namespace)
    if usual is not None:
        return PodSelections(usual=usual)
    first = _read_default(default, namespace=network_namespace) if default else _NOTHING
    others = _read(networks, namespace=namespace, source=NETWORKS) if networks else _NOTHING
    return PodSelections(
        networks=tuple(others.elements),
        default=first.elements[0] if first.elements and not first.problems else None,
        problems=(*first.problems, *others.problems),
        remarks=(*first.remarks, *others.remarks),
    )


def parse(text: str, *, namespace: str) -> tuple[NetworkSelectionElement, ...]:
    """Read the value of the networks annotation of a pod in `namespace` (§4.1); () for an empty one.

    Raises SpecErrors with the problems (the first PROBLEMS_MAX), in input order, each with a path such as
    `[1].ips[0]`, and the elements that could be read, unless the text has more problems. Linear in the length.
    """
    return _read(text, namespace=namespace, source=NETWORKS).checked()


def parse_default_network(text: str, *, namespace: str) -> NetworkSelectionElement | None:
    """Read the value of the default-network annotation: the same grammar, one element at most.

    `namespace` is where a bare name is looked up: the cluster's network namespace, not the pod's. The interface
    cannot be chosen: the runtime takes the pod's address from `eth0`. Raises SpecErrors.
    """
    elements = _read_default(text, namespace=namespace).checked()
    return elements[0] if elements else None


class _Reading:
    """What one text says: None stands for an item that cannot be read."""

    __slots__ = ("elements", "problems", "remarks")

    def __init__(
        self,
        elements: Sequence[NetworkSelectionElement | None] = (),
        problems: Sequence[SpecError] = (),
        remarks: Sequence[SpecError] = (),
    ) -> None:
        self.elements = elements
        self.problems = problems
        self.remarks = remarks

    def checked(self) -> tuple[NetworkSelectionElement, ...]:
        """Return the elements. Raises SpecErrors if there are problems."""
        if self.problems:
            raise SpecErrors(self.problems, readable=self.elements)
        return tuple(element for element in self.elements if element is not None)


_NOTHING = _Reading()


def _read_default(text: str, *, namespace: str) -> _Reading:
    reading = _read(text, namespace=namespace, source=DEFAULT_NETWORK)
    if reading.problems or len(reading.elements) <= 1:
        return reading
    detail = f"{len(reading.elements)} networks are named, and a pod has one default network"
    error = SpecError(rule="default-network-count", source=DEFAULT_NETWORK, detail=detail, allowed="one network")
    return _Reading(reading.elements, (error,), reading.remarks)


def _read(text: str, *, namespace: str, source: str) -> _Reading:
    problems = Problems(source)
    elements: list[NetworkSelectionElement | None] = []
    try:
        if '"' in text or "[" in text or "{" in text:
            elements = _read_json(text, namespace=namespace, problems=problems)
        else:
            elements = _read_comma_list(text, namespace=namespace, problems=problems)
        _check_together(elements, problems)
    except SpecErrors as errors:
        return _Reading((), tuple(error.replace(source=source) for error in errors))
    except EnoughProblemsError:
        elements = []
    return _Reading(elements, problems.errors, problems.remarks)


# Usual texts
#
# Nearly every text has no mistake, and asks for interface names and addresses at most. These functions read such texts
# at a third of the cost. They return None for every other text and item: one that may have a problem or a remark, or
# that asks for more. The functions below read those with care. Both read the same; a test compares them.

_USUAL_MAX = 4096
"""Characters of a usual text. NB: any other text is read twice, so the first reading has a bound."""


def _read_usual(text: str, namespace: str) -> list[UsualItem] | None:
    """Return the items of a usual networks annotation."""
    if len(text) > _USUAL_MAX or not text.isascii():
        return None
    is_json = '"' in text or "[" in text or "{" in text
    items = _read_usual_json(text, namespace) if is_json else _read_usual_list(text, namespace)
    if items is None or len(items) == 1:
        return items
    interfaces = [item[2] for item in items if item[2] is not None]
    return None if len(set(interfaces)) < len(interfaces) else items


def _read_usual_list(text: str, namespace: str) -> list[UsualItem] | None:
    """Read the comma form. NB: a right name or interface has no white space in it."""
    items: list[UsualItem] = []
    for item in text.split(","):
        reference, at, interface = item.strip(" \t\r\n").partition("@")
        own, slash, name = reference.rpartition("/")
        if not names.is_label_of_any_length(name) or (slash and not names.is_label(own)):
            return None
        if at and ("@" in interface or not _is_usual_interface(interface)):
            return None
        items.append((own or namespace, name, interface or None, None, ()))
    return items


def _read_usual_json(text: str, namespace: str) -> list[UsualItem] | None:
    """Read the JSON form.

    NB: of a key that an object repeats, the decoder keeps the last value. So the quotes are counted: without escapes, a
    string has two, and each value here is a string or a list of strings. A key that was lost leaves quotes over.
    """
    if "\\" in text or text.count("[") + text.count("{") > jsontext.DEPTH_MAX:
        return None
    try:
        value = _decode_usual(text)
    except ValueError:
        return None
    if type(value) is not list:
        return None
    items: list[UsualItem] = []
    strings = 0
    for one in value:
        item = _read_usual_item(one, namespace)
        if item is None or None in one.values():
            return None
        strings += 2 * len(one) + (len(item[4]) - 1 if item[4] else 0)
        items.append(item)
    return items if text.count('"') == 2 * strings else None


_decode_usual = Decoder().decode


def _read_usual_item(item: object, namespace: str) -> UsualItem | None:
    """Read an item of the JSON form that has the usual keys only. NB: null counts as absent."""
    if type(item) is not dict or not _USUAL_KEYS.issuperset(item):  # NB: a `Repeating` has another type
        return None
    name, own, interface, mac = item.get("name"), item.get("namespace"), item.get("interface"), item.get("mac")
    if type(name) is not str or not names.is_subdomain(name):
        return None
    if own is not None and (type(own) is not str or not names.is_label(own)):
        return None
    if interface is not None and (type(interface) is not str or not _is_usual_interface(interface)):
        return None
    if mac is not None and (type(mac) is not str or not names.is_mac(mac)):
        return None
    ips: tuple[str, ...] = ()
    if "ips" in item:
        if not _are_usual_ips(item["ips"]):
            return None
        ips = tuple(item["ips"])
    return (namespace if own is None else own, name, interface, mac, ips)


_USUAL_KEYS = frozenset({"name", "namespace", "ips", "mac", "interface"})


def _is_usual_interface(name: str) -> bool:
    return name not in names.RESERVED_INTERFACES and names.interface_problem(name) is None


def _are_usual_ips(value: object) -> bool:
    """NB: an empty list asks for nothing, which is a remark."""
    if type(value) is not list:
        return False
    for text in value:
        if type(text) is not str or not names.is_ip_or_prefix(text):
            return False
    return bool(value)


# The comma form, §4.1.1


def _read_comma_list(text: str, *, namespace: str, problems: Problems) -> list[NetworkSelectionElement | None]:
    if len(text) > ANNOTATION_BYTES_MAX:
        allowed = f"at most {ANNOTATION_BYTES_MAX} bytes"
        problems.add("json-size", "", f"the annotation has {len(text)} characters", allowed=allowed, section=_SECTION)
        return []
    if not trim(text):
        detail = "the annotation is white space alone, and names no network"
        problems.remark("blank-annotation", "", detail, fix="remove the annotation", section=_SECTION)
        return []
    return [
        _read_item(trim(item), problems.at(index), namespace=namespace, problems=problems)
        for index, item in enumerate(text.split(","))
    ]


def _read_item(item: str, path: str, *, namespace: str, problems: Problems) -> NetworkSelectionElement | None:
    if not item:
        fix = "remove the comma before or after it"
        problems.add("empty-item", path, "the item is empty", fix=fix, section=_COMMA_SECTION)
        return None
    written_namespace, slash, rest = item.rpartition("/")
    written_name, at, written_interface = rest.partition("@")
    if "/" in written_namespace or "@" in written_interface:
        detail = f"more than one '{'/' if '/' in written_namespace else '@'}'"
        allowed = "[namespace/]name[@interface]"
        problems.add("network-name", path, detail, value=item, allowed=allowed, section=_COMMA_SECTION)
        return None
    own_namespace, name, interface = trim(written_namespace), trim(written_name), trim(written_interface)
    before = len(problems.errors)
    if not names.is_label_of_any_length(name):
        _add_name_problem(name, item, path, problems)
    if own_namespace and not names.is_label(own_namespace):
        _add_namespace_problem(own_namespace, path, problems)
    if interface:
        _check_interface(interface, path, problems)
    if len(problems.errors) > before:
        return None
    if (slash and not own_namespace) or (at and not interface) or (own_namespace, name, interface) != (
        written_namespace, written_name, written_interface
    ):  # fmt: skip
        short = f"{own_namespace}{'/' if own_namespace else ''}{name}{'@' if interface else ''}{interface}"
        detail = "white space or an empty part in this item is ignored"
        problems.remark("item-form", path, detail, value=item, fix=f'write "{short}"', section=_COMMA_SECTION)
    return NetworkSelectionElement(name=name, namespace=own_namespace or namespace, interface=interface or None)


def _add_name_problem(name: str, item: str, path: str, problems: Problems) -> None:
    detail = "this does not name a network" if name else "the network's name is missing"
    allowed, section = names.ALLOWED_LABEL, "NPWG v1.3 §3.3"
    fix, spelling = _name_fix(name[: names.SUBDOMAIN_MAX + 1])
    problems.add("network-name", path, detail, value=item, allowed=allowed, fix=fix, spelling=spelling, section=section)


def _name_fix(name: str) -> tuple[str, str]:
    """Return the fix and the spelling for a name of the comma form."""
    if names.is_subdomain(name):
        return f'a name with a dot can only be selected in the JSON form: [{{"name":"{name}"}}]', ""
    if name.startswith("- ") or ": " in name:
        return 'this is YAML: write JSON, such as [{"name": "net"}], or names with commas between them', ""
    if has_space(name) or not _SEPARATORS.isdisjoint(name):
        return "separate networks by commas", ""
    return _respelt(name)


def _respelt(name: str) -> tuple[str, str]:
    """Return the fix and the spelling of a name with capitals, or with a namespace that is not set off by a slash."""
    lower = name.lower()
    if lower != name and names.is_subdomain(lower):
        return "names are in lower case", lower
    for mark in ":\\":
        namespace, _, own = name.partition(mark)
        if names.is_label(namespace) and names.is_label_of_any_length(own):
            return "a slash follows the namespace", f"{namespace}/{own}"
    return "", ""


# The JSON form, §4.1.2


def _read_json(text: str, *, namespace: str, problems: Problems) -> list[NetworkSelectionElement | None]:
    value = jsontext.parse(
        text, what="the annotation", bytes_max=ANNOTATION_BYTES_MAX, section=_SECTION, may_repeat=True
    )
    if isinstance(value, dict):
        detail = "the annotation is one object, and the JSON form is a list of them"
        problems.add("not-a-list", "", detail, fix='put it into brackets: [{"name": ...}]', section=_SECTION)
        return []
    if not isinstance(value, list):
        detail, allowed = "the JSON form is a list", 'a list of objects, such as [{"name": "net"}]'
        problems.add("not-a-list", "", detail, value=value, allowed=allowed, section=_SECTION)
        return []
    elements: list[NetworkSelectionElement | None] = []
    for index, item in enumerate(value):
        path = problems.at(index)
        usual = _read_usual_item(item, namespace) if problems.source == NETWORKS else None
        elements.append(
            _read_element(item, path, namespace=namespace, problems=problems) if usual is None else _element_of(usual)
        )
    return elements


def _check_together(elements: list[NetworkSelectionElement | None], problems: Problems) -> None:
    """Check that one element at most holds the default route of a family, and that interface names differ."""
    routes: dict[int, str] = {}
    holders: dict[str, int] = {}
    for index, element in enumerate(elements):
        if element is None:
            continue
        if element.default_route is not None:
            _check_holder(route_families(element.default_route), problems.at(index), routes, problems)
        if element.interface is not None and holders.setdefault(element.interface, index) != index:
            path, first = problems.at(index), holders[element.interface]
            detail = f"the interface name is used by [{first}] already"
            fix, section = "choose another name", "NPWG v1.3 §4.1.2.1.5"
            problems.add("interface-duplicate", path, detail, value=element.interface, fix=fix, section=section)


def _check_holder(families: frozenset[int], path: str, routes: dict[int, str], problems: Problems) -> None:
    """Check that no earlier element holds the default route of these families; `routes` has the holders by family.

    NB: the standard allows one element. One for each family is what people write for a pod with two uplinks.
    """
    where, section = f"{path}.default-route", "NPWG v1.3 §4.1.2.1.9"
    other = next((routes[family] for family in sorted(families) if family in routes), None)
    if other is not None:
        detail = f"default-route is set here and in {other}, and one attachment holds the default route"
        problems.add("default-route-holder", where, detail, fix="keep one of them", section=section)
    elif routes:
        detail = f"the default routes of IPv4 and IPv6 have different holders, here and {next(iter(routes.values()))}"
        problems.remark("default-route-families", where, detail, section=section)
    for family in families:
        routes.setdefault(family, path)


# One element of the JSON form, §4.1.2.1: one reader for each key

_KEYS_SECTION = "NPWG v1.3 §4.1.2.1"
_INT64_MAX = 2**63 - 1


def _add_namespace_problem(value: str, path: str, problems: Problems) -> None:
    detail, section = "this does not name a namespace", _COMMA_SECTION
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
    known = _known_keys(item, path, _READERS, problems, merged=_MERGED_KEYS)
    values = {key: _READERS[key](value, where, problems) for key, where, value in known}
    foreign = _NO_FOREIGN
    if len(values) < len(item):
        foreign = {key: value for key, value in item.items() if "." in key and key not in _READERS}
    if "name" not in values or (values["name"] == "" and len(problems.errors) == before):
        _add_missing_name(path, problems)
    if values.get("ips") and values.get("ipam-claim-reference"):
        detail = "the standard forbids ips beside ipam-claim-reference; OVN-Kubernetes takes both, others the ips"
        section = "NPWG v1.3 §4.1.2.1.11.1"
        problems.remark("ipam-claim-ips", path, detail, fix="remove one of them", section=section)
    for where, value in ((jsontext.join(path, key), value) for key, value in foreign.items()):
        _refuse_repeated(value, where, problems)
    if len(problems.errors) > before:
        return None
    return _element(values, foreign, namespace=namespace)


_NO_FOREIGN: Mapping[str, object] = {}  # never changed


def _known_keys(
    item: dict[str, object],
    path: str,
    known: Mapping[str, object],
    problems: Problems,
    *,
    merged: frozenset[str] = frozenset(),
) -> list[tuple[str, str, object]]:
    """Return the known keys of an object whose values are not null, as written, each with its path and its value.

    A key in another letter case is read, as by Go. Of several values of one key the last one counts, and all are read;
    but not of the keys of `merged`, whose values Go would merge.
    """
    found: list[tuple[str, str, object]] = []
    seen: set[str] = set()
    for key, value in jsontext.pairs_of(item):
        name = key if key in known else _folded(key, known)
        if name is None:
            if "." not in key:
                _judge_unknown(key, path, known, problems)
            continue
        where = jsontext.join(path, key)
        if name != key:
            detail = f'this is read as "{name}", though keys are case-sensitive in the standard'
            problems.remark("key-case", where, detail, fix=f'write "{name}"', section=_KEYS_SECTION)
        if name in seen:
            if name in merged or value is None:
                problems.add_error(jsontext.duplicate_error(where, section=_KEYS_SECTION))
                continue
            detail = "the object has this key more than once; the last one counts"
            problems.remark("json-duplicate-key", where, detail, fix="keep one of them", section=_KEYS_SECTION)
        seen.add(name)
        if value is not None:
            if name not in _JUDGED_INSIDE:
                _refuse_repeated(value, where, problems)
            found.append((name, where, value))
    return found


def _folded(key: str, known: Mapping[str, object]) -> str | None:
    """Return the known key that Go's encoding/json reads a key as, whose letter case differs. NB: "ß" is not "ss"."""
    name = _BY_FOLDED.get(key.casefold())
    return name if name is not None and name in known and len(name) == len(key) else None


def _refuse_repeated(value: object, path: str, problems: Problems) -> None:
    """Add a problem for each repeated key inside a value: the reader of that value is not known."""
    if isinstance(value, dict | list):
        for error in jsontext.duplicate_errors(value, section=_KEYS_SECTION, path=path):
            problems.add_error(error)


def _judge_unknown(key: str, path: str, known: Mapping[str, object], problems: Problems) -> None:
    """Refuse a key that resembles a known one: the request would be lost. Remark any other key: nobody reads it.

    NB: an object may have thousands of such keys, so the text of a remark that nobody would see is not made.
    """
    near = OLD_KEYS.get(key.lower()) or (names.nearest(key, known) if problems.spend_lookup() else None)
    if near is None and not problems.takes_remarks:
        return
    path = jsontext.join(path, key)
    if near is None:
        detail = "nobody reads this key, so it has no effect"
        allowed = ", ".join(name for name in known if name in STANDARD_KEYS or known is not _READERS)
        problems.remark("unknown-key", path, detail, fix="remove it", allowed=allowed, section=_KEYS_SECTION)
        return
    detail = "nobody reads this key, so what it asks for would be lost"
    problems.add("unknown-key", path, detail, fix=f'did you mean "{near}"?', section=_KEYS_SECTION)


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


def _read_string(value: object, path: str, problems: Problems, *, section: str = _KEYS_SECTION) -> str:
    if not isinstance(value, str):
        problems.add_type(path, value, "a string", section=section)
        return ""
    return value


def _read_name(value: object, path: str, problems: Problems) -> str:
    name = _read_string(value, path, problems)
    if name and not names.is_subdomain(name):
        detail, section = "this does not name a network", "NPWG v1.3 §3.3"
        is_qualified = "/" in name or ":" in name
        own_key = 'write the namespace under its own key, "namespace"'
        fix, spelling = (own_key, "") if is_qualified else _respelt(name)
        allowed = names.ALLOWED_SUBDOMAIN
        problems.add(
            "network-name", path, detail, value=name, allowed=allowed, fix=fix, spelling=spelling, section=section
        )
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
        detail = "the list is empty, and asks for no address"
        problems.remark("ips-empty", path, detail, fix="remove it", section=section)
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


def _read_integer(
    value: object, path: str, problems: Problems, *, highest: int, lowest: int = 1, unit: str = "", section: str
) -> int | None:
    """NB: True is an int in Python, and not an integer in JSON; 1e6 and 1.0 are floats in Go as well."""
    allowed = f"an integer{unit} from {lowest} to {highest}"
    if not isinstance(value, int) or isinstance(value, bool):
        problems.add_type(path, value, allowed, section=section)
        return None
    if not lowest <= value <= highest:
        problems.add("number-range", path, "the number is out of range", value=value, allowed=allowed, section=section)
        return None
    return value


def _read_port_mappings(value: object, path: str, problems: Problems) -> tuple[PortMapping, ...]:
    section = "NPWG v1.3 §4.1.2.1.7"
    if not isinstance(value, list):
        problems.add_type(path, value, "a list of objects", section=section)
        return ()
    if not value:
        detail = "the list is empty, and asks for no port"
        problems.remark("port-mappings-empty", path, detail, fix="remove it", section=section)
    ports = [_read_port(item, f"{path}[{index}]", problems) for index, item in enumerate(value)]
    return tuple(port for port in ports if port is not None)


def _read_port(item: object, path: str, problems: Problems) -> PortMapping | None:
    section = "NPWG v1.3 §4.1.2.1.7"
    if not isinstance(item, dict):
        problems.add_type(path, item, "an object", section=section)
        return None
    known = _known_keys(item, path, _PORT_KEYS, problems, merged=frozenset(_PORT_KEYS))
    values = {key: value for key, _, value in known}
    host_port, container_port = (
        _read_port_number(values.get(key), key, path, problems) for key in ("hostPort", "containerPort")
    )
    protocol, host_ip = values.get("protocol"), values.get("hostIP")
    host_ip = None if host_ip == "" else host_ip
    if protocol is not None and (not isinstance(protocol, str) or protocol.upper() not in {"TCP", "UDP", "SCTP"}):
        where, detail = f"{path}.protocol", "this protocol cannot be mapped"
        allowed = "TCP, UDP, SCTP, in any letter case"
        problems.add("port-protocol", where, detail, value=protocol, allowed=allowed, section=section)
        return None
    if host_ip is not None and (not isinstance(host_ip, str) or not names.is_ip(host_ip)):
        where, detail, allowed = f"{path}.hostIP", "this is not an IP address", "an IPv4 or IPv6 address"
        problems.add("port-host-ip", where, detail, value=host_ip, allowed=allowed, section=section)
        return None
    if host_port is None or container_port is None:
        return None
    return PortMapping(host_port=host_port, container_port=container_port, protocol=protocol, host_ip=host_ip)


def _read_port_number(value: object, key: str, path: str, problems: Problems) -> int | None:
    section = "NPWG v1.3 §4.1.2.1.7"
    if value is None:
        detail, allowed = f"{key} is missing", "an integer from 1 to 65535"
        problems.add("port-missing", path, detail, allowed=allowed, section=section)
        return None
    return _read_integer(value, f"{path}.{key}", problems, highest=65535, section=section)


def _read_bandwidth(value: object, path: str, problems: Problems) -> Bandwidth | None:
    section = "NPWG v1.3 §4.1.2.1.8"
    if not isinstance(value, dict):
        problems.add_type(path, value, "an object", section=section)
        return None
    before = len(problems.errors)
    read = {
        key: _read_integer(number, where, problems, highest=_INT64_MAX, lowest=0, unit=_BITS[key], section=section)
        for key, where, number in _known_keys(value, path, BANDWIDTH_FIELDS, problems)
    }
    if len(problems.errors) > before:
        return None
    if not any(read.values()):
        detail = "no rate is given, so nothing is limited"
        problems.remark("bandwidth-empty", path, detail, allowed=", ".join(BANDWIDTH_FIELDS), section=section)
        return None
    for direction in ("ingress", "egress"):
        if read.get(f"{direction}Burst") and not read.get(f"{direction}Rate"):
            where, fix = f"{path}.{direction}Burst", f"add {direction}Rate, in bits per second"
            detail = f"{direction}Burst is set without {direction}Rate"
            problems.add("bandwidth-burst", where, detail, fix=fix, section=section)
    return Bandwidth(**{BANDWIDTH_FIELDS[key]: rate or None for key, rate in read.items()})


_BITS = {key: " of bits" if key.endswith("Burst") else " of bits per second" for key in BANDWIDTH_FIELDS}
"""The unit of each number of `bandwidth`."""


_read_addresses = _list_reader(
    names.is_ip_or_prefix,
    "ips-value",
    "this is not an IP address",
    allowed=names.ALLOWED_IP,
    section="NPWG v1.3 §4.1.2.1.3",
)
_PORT_KEYS = dict.fromkeys(("hostPort", "containerPort", "protocol", "hostIP"))
_JUDGED_INSIDE = frozenset({"portMappings", "bandwidth"})
"""Keys whose readers judge repeated keys inside, by what Go makes of them."""
_MERGED_KEYS = frozenset({"cni-args", "portMappings", "bandwidth"})
"""Keys whose values Go decodes into what an earlier value of the same key has left."""

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
_BY_FOLDED = {key.casefold(): key for keys in (_READERS, _PORT_KEYS, BANDWIDTH_FIELDS) for key in keys}
"""All known keys by their folded form."""
OLD_KEYS = {"iprequest": "ips", "macrequest": "mac", "ip": "ips"}
"""Keys from before v1.0 of the standard, and the most frequent mistake, in lower case."""
