"""Parsers of the node plugin: netspec, access, the input of runtimes and API servers, files of the node."""

from __future__ import annotations

import ipaddress
import json
import tempfile
from binascii import crc32
from pathlib import Path
from typing import NoReturn

import yaml

from cniplugin.access import compile as access_compile
from cniplugin.access.model import labels, matchers
from cniplugin.access.model.decision import Config
from cniplugin.access.reading import consent, policyconfig
from cniplugin.access.reading import policies as reading
from cniplugin.attach import claimdevices, devices
from cniplugin.cluster import accessrules, kubeconfig, kubeyaml, objects, transport
from cniplugin.cnierrors import CniError
from cniplugin.install import commandline
from cniplugin.netspec import annotation, cniconfig, jsontext, names, netattachdef, rawjson, result, versions
from cniplugin.netspec import networkstatus as network_status
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.selection import to_json
from cniplugin.protocol import netconf, skel
from cniplugin.records import journal, resultscache

from .target import Target, agree, object_of, text_of

_JSON = ("{", "}", "[", "]", ":", ",", '""', "null", "true", "false", "1e999", '"\\ud800"')
_ELEMENT = (
    "name", "namespace", "ips", "mac", "interface", "cni-args", "portMappings", "bandwidth", "default-route", "deviceID",
    "infiniband-guid", "ipam-claim-reference", "@", "/", "hostPort", "containerPort", "protocol", "ingressRate", "hostIP",
)  # fmt: skip
_CONF = ("cniVersion", "cniVersions", "plugins", "type", "name", "ipam", "capabilities", "delegates", "delegate",
         "disableCheck", "disableGC", "1.0.0", "0.3.1", "loadOnlyInlinedPlugins")  # fmt: skip


def _annotation(data: bytes) -> object:
    elements = annotation.parse(text_of(data), namespace="ns")
    written = jsontext.quote([to_json(element) for element in elements])
    agree(annotation.parse(written, namespace="other"), elements, "elements written and read again")
    return len(elements)


def _default_network(data: bytes) -> object:
    element = annotation.parse_default_network(text_of(data), namespace="ns")
    return element is None


def _cniconfig(data: bytes) -> object:
    config = cniconfig.parse(text_of(data), name="net")
    again = cniconfig.parse(cniconfig.render(config), name="other")
    agree(again.replace(written_name=config.written_name), config, "a configuration rendered and parsed again")
    return len(config.plugins)


def _jsontext(data: bytes) -> object:
    text = text_of(data)
    value = jsontext.parse(text, what="the text", bytes_max=65_536)
    agree(jsontext.parse(jsontext.quote(value), what="the text", bytes_max=1_000_000), value, "quote and parse")
    agree(json.loads(text), value, "jsontext and json")
    return type(value).__name__


def _rawjson(data: bytes) -> object:
    text = text_of(data)
    value = rawjson.loads(text)
    agree(repr(json.loads(text)), repr(value), "rawjson and json")
    return type(value).__name__


def _netattachdef(data: bytes) -> object:
    value = object_of(data)
    config = value.get("config", text_of(data))
    built = netattachdef.build(namespace="ns", name="n", config=config if isinstance(config, str) else None)
    return (built.is_on_disk, sorted(problem.rule for problem in built.problems))


def _result(data: bytes) -> object:
    read = result.parse(data, cni_version="1.0.0")
    written = result.convert(read, "1.1.0")
    agree(result.convert(result.parse(written, cni_version=""), "1.1.0"), written, "a result converted and read again")
    for version in ("0.4.0", "0.2.0"):
        result.convert(read, version)
    return len(read.interfaces)


def _status(data: bytes) -> object:
    read = result.parse(data, cni_version="1.0.0")
    made = network_status.entries("ns/net", read, is_default=False, ifname="net1", default_route=())
    json.loads(network_status.render(made))
    return len(made)


def _names(data: bytes) -> object:
    text = text_of(data)
    checks = (
        names.is_label, names.is_subdomain, names.is_network_name, names.is_ip, names.is_ip_or_prefix, names.is_mac,
        names.is_guid, versions.is_version,
    )  # fmt: skip
    found = tuple(check(text) for check in checks)
    if names.is_ip(text):
        ipaddress.ip_address(text)
    if versions.is_version(text):
        versions.number(text)
    names.nearest(text, ("name", "namespace", "macvlan"))
    return found


def _policy(data: bytes) -> object:
    value = object_of(data)
    read = reading.read_policy(value)
    policies = access_compile.read_policies([{**value, "kind": "NetworkAttachmentPolicy"}])
    access_compile.compile_rules(policies, Config())
    return sorted({problem.rule for problem in read.problems})


def _access_configuration(data: bytes) -> object:
    _, problems = policyconfig.read_config(object_of(data))
    return sorted({f"{problem.rule} {problem.path}"[:60] for problem in problems})


def _consent(data: bytes) -> object:
    text = text_of(data)
    listed, selected = {consent.ALLOWED_NAMESPACES: text}, {consent.ALLOWED_SELECTOR: text}
    outcome = []
    for written in (listed, selected):
        is_given = consent.consents(written, "blue", {"tenant": "blue"})
        problems = list(consent.problems(written))
        agree(bool(problems and is_given), False, "a consent that cannot be read grants nothing")
        outcome.append((is_given, bool(problems)))
    return outcome


def _labels(data: bytes) -> object:
    selector = labels.parse(text_of(data))
    selector.matches({"tenant": "blue"})
    return len(selector.requirements)


def _matchers(data: bytes) -> object:
    text = text_of(data)
    return (matchers.parse_range(text) is None, matchers.parse_cidr(text) is None, matchers.is_hex_prefix(text))


def _netconf(data: bytes) -> object:
    conf = object_of(data)
    reading = netconf.read(conf | {"name": "n"})
    reading.check("DEL")
    return (len(reading.conf.delegates), len(reading.check("ADD")))


def _skel(data: bytes) -> object:
    value = object_of(data)
    environ = {key: member for key, member in value.items() if isinstance(member, str) and key != "stdin"}
    environ.setdefault("CNI_COMMAND", "ADD")
    stdin = value.get("stdin")
    text = stdin if isinstance(stdin, str) else json.dumps(stdin)
    called = skel.read_invocation(environ, skel.Stdin(lambda: text.encode("utf-8", "surrogatepass")))
    json.loads(skel.render_version(skel.Stdin(text.encode)))
    return (called.command, called.pod_name)


def _kubeconfig(data: bytes) -> object:
    read = kubeconfig.parse_kubeconfig(text_of(data), source="/kubeconfig", directory="/")
    return (read.is_tls, bool(read.token), bool(read.ca_data))


def _service_account(data: bytes) -> object:
    host, _, port = text_of(data).partition("\n")
    kubeconfig.load_service_account({"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port})
    return "read"


class _RefusedError(Exception):
    """What `kubeyaml` and `transport` call with the reason of a refusal."""


def _refuse(text: str) -> NoReturn:
    raise _RefusedError(text)


class _YamlLoader(yaml.CBaseLoader):
    """YAML with every scalar as text."""


def _kubeyaml(data: bytes) -> object:
    text = text_of(data)
    value = kubeyaml.Lines(text, refuse=_refuse).parse()
    if "\t" in text:  # libyaml refuses some tabs that YAML allows, for example in an empty line
        return "tabs"
    try:
        other = list(yaml.load_all(text, Loader=_YamlLoader))  # a BaseLoader returns only text
    except yaml.YAMLError as error:
        raise AssertionError(f"PyYAML refuses what kubeyaml reads: {error}") from error
    agree(_plain(value), _plain(other[0] if other else {}), "kubeyaml and PyYAML")
    return type(value).__name__


def _plain(value: object) -> object:
    """Return a value in which null, an empty text and an absent value are the same, because the two readers differ there."""
    if value in (None, "null", "Null", "NULL", "~", {}, []):
        return ""
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


class _Stream:
    """A socket that returns the input in pieces."""

    def __init__(self, data: bytes) -> None:
        self._pieces = [data[at : at + 1000] for at in range(0, len(data), 1000)]

    def settimeout(self, _seconds: float, /) -> None: ...

    def sendall(self, _data: bytes, /) -> None: ...

    def recv(self, _size: int, /) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def close(self) -> None: ...


def _http1(data: bytes) -> object:
    connection = transport.Connection(_Stream(data), expiry=1, clock=lambda: 0.0, refuse=_refuse)
    answer = connection.receive()
    _ = (answer.message(), answer.retry_after_s, answer.is_last)
    return answer.status


def _journal(data: bytes) -> object:
    journal.parse_damaged(data)
    record = journal.parse(data)
    agree(journal.parse(journal.render(record)), record, "a record rendered and parsed again")
    return len(record.entries)


def _with_checksums(data: bytes) -> bytes:
    return b"\n".join(b"%08x %s" % (crc32(line[9:]), line[9:]) if line else b"" for line in data.split(b"\n"))


def _rulesfile(data: bytes) -> object:
    return len(accessrules._parse(data, "https://api").objects)


def _resultscache(data: bytes) -> object:
    with tempfile.TemporaryDirectory(prefix="nadmit-fuzz-") as folder:
        results = Path(folder) / "results"
        results.mkdir()
        for path in (Path(folder) / "c1", results / "net-c1-net1"):
            path.write_bytes(data)
        found = resultscache.load_multus(folder, "c1", runtime_ifname="eth0", args="")
    return (len(found.entries), len(found.unusable))


def _checkpoint(data: bytes) -> object:
    return len(devices.parse_checkpoint(data, "uid"))


class _Cluster:
    """An API server whose every answer is the input."""

    server = "https://api"

    def __init__(self, answer: dict[str, object]) -> None:
        self.memo: dict[tuple[str, ...], object] = {}
        self._answer = answer

    def left_s(self) -> float:
        return 1.0

    def limit(self, seconds: float) -> None: ...

    def ask(self, *paths: str) -> None: ...

    def get(self, _path: str, *, appears_within_s: float = 0.0) -> dict[str, object]:  # noqa: ARG002 - as the client
        return self._answer


def _claim_devices(data: bytes) -> object:
    """Read an input as a claim and as ResourceSlices."""
    api = _Cluster(object_of(data))
    pod = objects.Pod(
        namespace="a", name="b", uid="u", labels={}, annotations={}, service_account="c", is_static=False, node="n"
    )
    claimdevices.index_slices([object_of(data)], "d.example", "n")
    return len(claimdevices.find(pod.replace(claims=("claim",), extended_claim="claim"), api).gaps)


def _device_information(data: bytes) -> object:
    return len(devices._parse_info(data, "/file"))


def _install_arguments(data: bytes) -> object:
    command, _ = commandline.read_arguments(text_of(data).split("\n"))
    return command


TARGETS = (
    Target("annotation", _annotation, (SpecErrors,), vectors=("vectors/annotation.json",), tokens=_ELEMENT),
    Target("default-network", _default_network, (SpecErrors,), vectors=("vectors/annotation.json",), tokens=_ELEMENT),
    Target(
        "cniconfig",
        _cniconfig,
        (SpecErrors,),
        vectors=("vectors/cniconfig.json", "vectors/plugin_cases.json"),
        tokens=_CONF,
    ),
    Target("jsontext", _jsontext, (SpecErrors,), vectors=("vectors/cniconfig.json",), tokens=_JSON),
    Target("rawjson", _rawjson, (ValueError, RecursionError), vectors=("vectors/cniconfig.json",), tokens=_JSON),
    Target("netattachdef", _netattachdef, vectors=("vectors/cniconfig.json",), tokens=_CONF),
    Target("result", _result, (SpecErrors,), vectors=("vectors/network_status.json",), tokens=_JSON),
    Target("network-status", _status, (SpecErrors,), vectors=("vectors/network_status.json",), tokens=_JSON),
    Target("names", _names),
    Target("policy", _policy, vectors=("vectors/policy_cases.json",)),
    Target("access-configuration", _access_configuration, vectors=("vectors/policy_cases.json",)),
    Target("consent", _consent),
    Target("labels", _labels, (ValueError,), tokens=(" in (", " notin (", "!", "==", "!=", ",")),
    Target("matchers", _matchers),
    Target("netconf", _netconf, (CniError,), tokens=tuple(netconf._KEYS)),
    Target(
        "skel", _skel, (CniError, SpecErrors), tokens=("K8S_POD_NAME=", ";", "IgnoreUnknown=1", "ADD", "GC", "VERSION")
    ),
    Target("kubeconfig", _kubeconfig, (CniError,)),
    Target("service-account", _service_account, (CniError,)),
    Target("kubeyaml", _kubeyaml, (_RefusedError,)),
    Target("http1", _http1, (_RefusedError, OSError), tokens=("chunked", "Content-Length: ", "\r\n", "HTTP/1.1 ")),
    Target("journal", _journal, (ValueError,), repair=_with_checksums),
    Target("rules-file", _rulesfile, (ValueError,), repair=_with_checksums),
    Target("results-cache", _resultscache),
    Target("checkpoint", _checkpoint, (ValueError,)),
    Target(
        "claim-devices",
        _claim_devices,
        (CniError,),
        tokens=(
            "status",
            "allocation",
            "devices",
            "results",
            "reservedFor",
            "uid",
            "u",
            "pods",
            "spec",
            "pool",
            *_JSON,
        ),
    ),
    Target("device-information", _device_information, (CniError,)),
    Target("install-arguments", _install_arguments, (commandline.UsageError,), tokens=tuple(commandline.OPTIONS)),
)
