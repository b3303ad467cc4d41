"""A CNI result: the output of a plugin, of version 0.1.0 to 1.1.0, to one form and back (CNI 1.1 §5).

    0.1.0 0.2.0       ip4, ip6 (ip, gateway, routes); dns
    0.3.0 0.3.1 0.4.0 interfaces (name, mac, sandbox); ips (version, interface, address, gateway); routes; dns
    1.0.0 1.1.0       interfaces (also mtu, socketPath, pciID); ips (no version); routes; dns

Reading and conversion follow cni pkg/types (020, 040, 100), to agree with every other runtime: keys in any letter case
(as Go decodes structs), null for an absent key. Keys of an interface are dropped in versions before them (1.0.0 has
those of 1.1.0, because it is the same Go type). Keys of a route are kept in every version. `ips[].version` is not
checked.

Deviations: an object without `address` or `dst` and a null in a list are refused, where Go prints "<nil>" or crashes; a
`cniVersion` that is not a string is refused; a negative index means that there is none (NPWG v1.3 §5.3.3.1).
"""

from __future__ import annotations

from .errors import SpecError, SpecErrors, show
from .jsontext import join
from .jsontext import parse as parse_json
from .names import canonical_ip, canonical_prefix, is_ip, is_ip_or_prefix
from .record import Record
from .versions import VERSION_WHEN_ABSENT, VERSIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Read = Callable[["_Reading", object, str], Any]
    Table = Mapping[str, tuple[str, Read]]

RESULT_BYTES_MAX = 1_572_864
"""1.5 MiB, etcd's default limit of one request: more could not become a pod's status."""

VERSIONS_IP4_IP6 = ("0.1.0", "0.2.0")
VERSIONS_IPS_VERSION = ("0.3.0", "0.3.1", "0.4.0")
VERSIONS_CURRENT = ("1.0.0", "1.1.0")

_CNI = "CNI 1.1 §5"


class Interface(Record):
    """An interface of the attachment, in the pod if it has a `sandbox`. Empty or 0 means unset."""

    name: str = ""
    mac: str = ""
    mtu: int = 0
    sandbox: str = ""
    socket_path: str = ""
    pci_id: str = ""


class IPConfig(Record):
    """An address with prefix length, on the interface of that index. Empty gateway means unset."""

    interface: int | None = None
    address: str
    gateway: str = ""


class Route(Record):
    """A route. Empty or 0 means unset. For `table` and `scope`, None means unset, because 0 has a meaning."""

    dst: str
    gw: str = ""
    mtu: int = 0
    advmss: int = 0
    priority: int = 0
    table: int | None = None
    scope: int | None = None


class Dns(Record):
    """The settings of a resolver."""

    nameservers: tuple[str, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class Result(Record):
    """A result in the form of CNI 1.1; `cni_version` is the version of its text. Addresses are canonical."""

    cni_version: str
    interfaces: tuple[Interface, ...] = ()
    ips: tuple[IPConfig, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: Dns = Dns()


def parse(value: str | bytes | dict[str, Any] | None, *, cni_version: str) -> Result:
    """Return the result that a plugin printed; `cni_version` is that of the configuration it was called with.

    A result without `cniVersion` has the configuration's; null is an empty result (cni pkg/invoke/exec.go). Raises
    SpecErrors: a `json-*` rule, `result-version` alone, or every `result-type` and `result-address` in input order.
    """
    raw = _load(value)
    if not isinstance(raw, dict):
        raise SpecErrors([_wrong_type("", raw, "an object")])
    written = raw.get("cniVersion")
    if not isinstance(written, str | None):
        raise SpecErrors([_wrong_type("cniVersion", written, "a string")])
    version = written or cni_version or VERSION_WHEN_ABSENT
    _check_version(version)
    reading = _Reading()
    result = reading.result(raw, version)
    if reading.problems:
        raise SpecErrors(reading.problems)
    return result


def convert(result: Result, version: str) -> dict[str, Any]:
    """Return the JSON object of a result in a version of CNI, "" being 0.1.0.

    0.1.0 and 0.2.0 hold the first IPv4 and the first IPv6 address only. Raises SpecErrors: `result-version`,
    or `result-convert` if a newer result without an address is to become one of those (types/040).
    """
    target = version or VERSION_WHEN_ABSENT
    _check_version(target)
    dns = convert_dns(result.dns)
    if target in VERSIONS_IP4_IP6:
        return {"cniVersion": target, **_ip4_ip6(result), "dns": dns}
    return {
        "cniVersion": target,
        **_present(
            interfaces=[_interface(interface, target) for interface in result.interfaces],
            ips=[_ip_config(config, target) for config in result.ips],
            routes=[_route(route) for route in result.routes],
        ),
        **({"dns": dns} if dns or target in VERSIONS_IPS_VERSION else {}),
    }


def convert_dns(dns: Dns) -> dict[str, Any]:
    """Return the JSON object of DNS settings, without unset ones."""
    return _present(
        nameservers=list(dns.nameservers),
        domain=dns.domain,
        search=list(dns.search),
        options=list(dns.options),
    )


def _load(value: str | bytes | dict[str, Any] | None) -> object:
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            detail = f"the result is not UTF-8 from byte {error.start} on"
            raise SpecErrors([SpecError(rule="json-encoding", detail=detail, section=_CNI)]) from error
    if isinstance(value, str):
        raw = parse_json(value, what="the result", bytes_max=RESULT_BYTES_MAX, section=_CNI)
        return {} if raw is None else raw
    return {} if value is None else value


def _check_version(version: str) -> None:
    if version not in VERSIONS:
        detail = f"unsupported CNI result version {show(version)}"
        allowed = ", ".join(VERSIONS)
        error = SpecError(rule="result-version", path="cniVersion", detail=detail, allowed=allowed, section=_CNI)
        raise SpecErrors([error])


def _wrong_type(path: str, value: object, allowed: str) -> SpecError:
    detail = "wrong JSON type: null" if value is None else "wrong JSON type"
    return SpecError(rule="result-type", path=path, value=value, detail=detail, allowed=allowed, section=_CNI)


class _Reading:
    """Reads values by the tables below and gathers their problems; a value that cannot be read becomes empty."""

    def __init__(self) -> None:
        self.problems: list[SpecError] = []

    def result(self, raw: object, version: str) -> Result:
        if version not in VERSIONS_IP4_IP6:
            table = _RESULT if version in VERSIONS_CURRENT else _RESULT_IPS_VERSION
            return Result(cni_version=version, **self.fields(raw, "", table))
        fields = self.fields(raw, "", _RESULT_IP4_IP6)
        both = [fields[key] for key in ("ip4", "ip6") if key in fields]
        return Result(
            cni_version=version,
            ips=tuple(config for config, _ in both),
            routes=tuple(route for _, routes in both for route in routes),
            dns=fields.get("dns", Dns()),
        )

    def fields(self, value: object, path: str, table: Table, *, required: str = "") -> dict[str, Any]:
        """Return the fields of an object; null is absent, and the last of several spellings counts, as in Go."""
        if not isinstance(value, dict):
            self.problems.append(_wrong_type(path, value, "an object"))
            return {required: ""} if required else {}
        fields: dict[str, Any] = {}
        for written, item in value.items():
            known = table.get(written.casefold())
            if known and item is not None:
                field, read = known
                fields[field] = read(self, item, join(path, written))
        if required and required not in fields:
            self.problems.append(_address_error(path, None, detail=f'there is no "{required}"'))
            fields[required] = ""
        return fields

    def items(self, value: object, path: str, read: Read) -> tuple[Any, ...]:
        if not isinstance(value, list):
            self.problems.append(_wrong_type(path, value, "a list"))
            return ()
        return tuple(read(self, item, f"{path}[{index}]") for index, item in enumerate(value))

    def text(self, value: object, path: str) -> str:
        if isinstance(value, str):
            return value
        self.problems.append(_wrong_type(path, value, "a string"))
        return ""

    def texts(self, value: object, path: str) -> tuple[str, ...]:
        return self.items(value, path, _Reading.text)

    def integer(self, value: object, path: str) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 64:
            return value
        self.problems.append(_wrong_type(path, value, "an integer of 64 bits"))
        return 0

    def index(self, value: object, path: str) -> int | None:
        index = self.integer(value, path)
        return None if index < 0 else index

    def prefix(self, value: object, path: str) -> str:
        text = self.text(value, path)
        if "/" in text and is_ip_or_prefix(text):
            return canonical_prefix(text)
        if isinstance(value, str):
            self.problems.append(_address_error(path, text, detail="this is not an address with a prefix length"))
        return ""

    def ip(self, value: object, path: str) -> str:
        """Read an address without prefix length; an empty text means none, as for Go's net.IP."""
        text = self.text(value, path)
        if not text or is_ip(text):
            return canonical_ip(text)
        self.problems.append(_address_error(path, text, detail="this is not an address without prefix length"))
        return ""

    def ip4_ip6(self, value: object, path: str) -> tuple[IPConfig, tuple[Route, ...]]:
        fields = self.fields(value, path, _IP4_IP6, required="ip")
        config = IPConfig(address=fields["ip"], gateway=fields.get("gateway", ""))
        return config, fields.get("routes", ())


def _address_error(path: str, address: str | None, *, detail: str) -> SpecError:
    return SpecError(rule="result-address", path=path, value=address, detail=detail, section=_CNI)


def _ip4_ip6(result: Result) -> dict[str, Any]:
    """Return `ip4` and `ip6` with their routes (types/040 convertTo02x)."""
    families: dict[str, dict[str, Any]] = {}
    for config in result.ips:
        ip = {"ip": config.address, **_present(gateway=config.gateway)}
        families.setdefault("ip6" if ":" in config.address else "ip4", ip)
    for route in result.routes:
        of_family = families.get("ip6" if ":" in route.dst else "ip4")
        if of_family is not None:
            of_family.setdefault("routes", []).append({"dst": route.dst, **_present(gw=route.gw)})
    if not families and result.cni_version not in VERSIONS_IP4_IP6:
        detail = "cannot convert: no valid IP addresses"
        raise SpecErrors([SpecError(rule="result-convert", path="ips", detail=detail, section="libcni")])
    return {key: families[key] for key in ("ip4", "ip6") if key in families}


def _interface(interface: Interface, version: str) -> dict[str, Any]:
    since_1 = {"mtu": interface.mtu or None, "socketPath": interface.socket_path, "pciID": interface.pci_id}
    return {
        "name": interface.name,
        **_present(mac=interface.mac, sandbox=interface.sandbox),
        **(_present(**since_1) if version in VERSIONS_CURRENT else {}),
    }


def _ip_config(config: IPConfig, version: str) -> dict[str, Any]:
    return {
        **({"version": "6" if ":" in config.address else "4"} if version in VERSIONS_IPS_VERSION else {}),
        **_present(interface=config.interface),
        "address": config.address,
        **_present(gateway=config.gateway),
    }


def _route(route: Route) -> dict[str, Any]:
    return {
        "dst": route.dst,
        **_present(
            gw=route.gw,
            mtu=route.mtu or None,
            advmss=route.advmss or None,
            priority=route.priority or None,
            table=route.table,
            scope=route.scope,
        ),
    }


def _present(**values: object) -> dict[str, Any]:
    """Return the values that are set. NB: an index, table or scope of 0 is set."""
    return {key: value for key, value in values.items() if value is not None and value not in ("", [])}


def _table(**readers: Read) -> Table:
    """Return the fields of an object with their readers, by the folded form of their key."""
    return {field.replace("_", ""): (field, read) for field, read in readers.items()}


def _list_of(record: type[Record], table: Table, *, required: str = "") -> Read:
    def read(reading: _Reading, value: object, path: str) -> object:
        return reading.items(
            value, path, lambda _, item, at: record(**reading.fields(item, at, table, required=required))
        )

    return read


def _dns(reading: _Reading, value: object, path: str) -> Dns:
    return Dns(**reading.fields(value, path, _DNS))


_TEXT, _TEXTS, _INTEGER, _IP = _Reading.text, _Reading.texts, _Reading.integer, _Reading.ip
_DNS = _table(nameservers=_TEXTS, domain=_TEXT, search=_TEXTS, options=_TEXTS)
_INTERFACE_BEFORE_1 = _table(name=_TEXT, mac=_TEXT, sandbox=_TEXT)
_INTERFACE = {**_INTERFACE_BEFORE_1, **_table(mtu=_INTEGER, socket_path=_TEXT, pci_id=_TEXT)}
_IP_CONFIG = _table(interface=_Reading.index, address=_Reading.prefix, gateway=_IP)
_METRICS = _table(mtu=_INTEGER, advmss=_INTEGER, priority=_INTEGER, table=_INTEGER, scope=_INTEGER)
_ROUTES = _list_of(Route, {**_table(dst=_Reading.prefix, gw=_IP), **_METRICS}, required="dst")
_IP4_IP6 = _table(ip=_Reading.prefix, gateway=_IP, routes=_ROUTES)
_RESULT_IP4_IP6 = _table(ip4=_Reading.ip4_ip6, ip6=_Reading.ip4_ip6, dns=_dns)
_RESULT_IPS_VERSION = _table(
    interfaces=_list_of(Interface, _INTERFACE_BEFORE_1),
    ips=_list_of(IPConfig, _IP_CONFIG, required="address"),
    routes=_ROUTES,
    dns=_dns,
)
_RESULT = {**_RESULT_IPS_VERSION, **_table(interfaces=_list_of(Interface, _INTERFACE))}
