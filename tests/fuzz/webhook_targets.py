"""Parsers of the webhook and of its certificates: reviews, manifests, configurations, options, the Secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import click
from cryptography import x509

from certs import authority, cabundle, secretdata
from cniplugin.access.model.decision import Config, Rules
from cniplugin.netspec import cniconfig
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from tests.webhook.admission.world import FakeCluster
from webhook.admission.evaluate import evaluate
from webhook.admission.model import injection, podspec
from webhook.admission.model.injection import Injection
from webhook.admission.model.kinds import GroupKind
from webhook.admission.mutate import answer_mutation
from webhook.admission.mutation import jsonpatch
from webhook.admission.plugins.engine import check_plugins
from webhook.admission.plugins.goparsing import read_address, read_cidr
from webhook.admission.plugins.schema import PluginChecks
from webhook.admission.templates import podtemplates
from webhook.admission.templates.workloadtable import KNOWN
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.commands import options, serve
from webhook.commands.check import knownfindings, suppressions
from webhook.commands.policytests import testfiles
from webhook.configuration import parsing as configuration_text
from webhook.configuration import schemafiles
from webhook.configuration.texts import ConfigurationError
from webhook.kube import responses
from webhook.kube.apierrors import ClusterError
from webhook.observing import tally
from webhook.plugindata.adminschemas import read_schemas
from webhook.plugindata.pluginfiles import load_schemas
from webhook.report.lint import Finding
from webhook.report.scan import scantext
from webhook.report.scan.scantext import Scan
from webhook.report.scan.stock import Stock
from webhook.report.scan.stocktaking import take_stock
from webhook.report.topology import answertext, freeaddresses, lookup, maptext
from webhook.report.topology.graph import Graph
from webhook.report.topology.outline import outline
from webhook.review import wire
from webhook.serving import http
from webhook.serving.http import RequestError
from webhook.serving.tls import CertificateError, MemoryTls
from webhook.trees import builder, documents, jsonstream, positions, yamlstream
from webhook.trees.builds import kustomizations
from webhook.trees.problems import ManifestError, Position, Problem

from .target import Target, agree, json_of, object_of, text_of

_YAML = (
    "apiVersion: ",
    "kind: ",
    "metadata:",
    "- ",
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "|\n",
    ">-\n",
    "---\n",
    "{{ }}",
)


@cache
def _checks() -> PluginChecks:
    return PluginChecks(schemas=load_schemas())


def _review(data: bytes) -> object:
    request = wire.decode(data)
    try:
        uid = json.loads(data)["request"]["uid"]
    except UnicodeDecodeError:  # in a text that msgspec skips
        uid = request.uid
    agree(request.uid, uid, "the uid as msgspec and json read it")
    wire.encode(
        request,
        evaluate(
            request,
            DecisionContext(FakeCluster(), Rules(config=Config()), Configuration(injection=None, plugins=_checks())),
        ),
    )
    return (request.kind, request.operation)


def _mutation(data: bytes) -> object:
    request = wire.decode(data)
    injecting = Injection(mode="honor")
    if request.object is None or request.object.sent is None:
        return "no pod"
    sketch = request.object.sent.sketch(injecting.read)
    request.object.sent.sketch_requests()
    decision = answer_mutation(
        request, DecisionContext(FakeCluster(), Rules(config=Config()), Configuration(injection=injecting))
    )
    wire.encode(request, decision)
    return (sketch is None, decision.operations == ())


def _would_refuse(data: bytes) -> object:
    table = tally.parse(data)
    agree(tally.parse(tally.render(table)), table, "a list written and read again")
    return min(len(table.rows), 3)


def _configuration(data: bytes) -> object:
    return str(configuration_text.read(data, where="file"))[:60]


def _plugin_schema(data: bytes) -> object:
    value = json_of(data)
    found = read_schemas([value])
    return (len(found.by_type), [mistake.text[:30] for mistake in found.mistakes][:3])


def _schema_file(data: bytes) -> object:
    try:
        schemafiles._parse("file.yaml", data)
    except ManifestError as error:
        return [problem.rule for problem in error.problems][:4]
    return []


def _plugins(data: bytes) -> object:
    config = cniconfig.parse(text_of(data), name="net")
    return sorted({finding.code for finding in check_plugins(config, {}, _checks())})


def _documents(data: bytes) -> object:
    problems: list[Problem] = []
    found = list(documents.parse(text_of(data), file="file.yaml", problems=problems))
    for document in found:
        document.locate("spec.config.plugins[0].type")
        document.locate("metadata.annotations")
    builder.build(iter(found), problems)
    return sorted({problem.rule for problem in problems})


def _suppressions(data: bytes) -> object:
    mistakes: list[Finding] = []
    text = text_of(data)
    found = list(suppressions.read("file.yaml", text, mistakes))
    lines = len(text.splitlines())
    assert all(1 <= one.first <= one.last <= lines for one in found)
    return sorted({one.codes[0] for one in found} | {one.rule for one in mistakes})


def _baseline(data: bytes) -> object:
    entries = knownfindings.parse(data, Path("file.json"))
    finding = Finding(Position("web.yaml", 1, 1), "error", "mac-value", "...", "pod blue/web")
    knownfindings.apply(Path("file.json"), entries, [finding], {}, files=["web.yaml"])
    return len(entries)


def _kustomization(data: bytes) -> object:
    problems: list[Problem] = []
    found = [value for _, value in yamlstream.read(text_of(data), file="file.yaml", problems=problems)]
    read = [kustomizations.of_value("nowhere/kustomization.yaml", one) for one in found if isinstance(one, dict)]
    return [len(one.missing) for one in read]


def _yamlstream(data: bytes) -> object:
    text = text_of(data)
    problems: list[Problem] = []
    found = list(yamlstream.read(text, file="file.yaml", problems=problems))
    if not problems:
        positions.Source("f", text).locate(["spec", "config", "plugins", 0, "type"])
    return (len(found), sorted({problem.rule for problem in problems}))


def _jsonstream(data: bytes) -> object:
    text = text_of(data)
    found = jsonstream.read(text)
    for start, end, value in found:
        agree(repr(json.loads(text[start:end])), repr(value), "jsonstream and json")
    return len(found)


def _path(data: bytes) -> object:
    return len(positions.parse_path(text_of(data)))


def _policy_test(data: bytes) -> object:
    problems: list[Problem] = []
    found = list(testfiles.read_tests(data, "f.yaml", problems))
    return (len(found), sorted({problem.rule for problem in problems}))


def _pod_templates(data: bytes) -> object:
    """Read an object as each kind, and judge it; `path` has the path of a template."""
    value = object_of(data)
    text = str(value.get("path"))
    path = podtemplates.parse_path(text)
    if path is not None:
        agree(podtemplates.render_path(path), text, "the text of a path")
        podtemplates.find_by_paths(value, [path])
    found = [*podtemplates.find_by_shape(value), *(one for known in KNOWN.values() for one in known.find(value))]
    for one in found:
        podtemplates.object_of(one, value, own={})
        for key in (NETWORKS, DEFAULT_NETWORK):
            one.place.field(key, "[0].mac" if key == NETWORKS and "[" in str(one.pod) else "")
    context = DecisionContext(FakeCluster(), Rules(config=Config()), Configuration(injection=None, finds_by_shape=True))
    for kind in (*KNOWN, GroupKind("example.com", "Other")):
        sent = {
            "uid": "u",
            "kind": kind._asdict(),
            "operation": "CREATE",
            "namespace": "blue",
            "name": "a",
            "object": value,
        }
        review = {"apiVersion": wire.API_VERSION, "kind": wire.KIND, "request": sent}
        evaluate(wire.decode(json.dumps(review).encode()), context)
    return len(found)


def _api_page(data: bytes) -> object:
    page = responses.decode(responses.PAGE, data, "page")
    for item in page.items or ():
        responses.parse_item(item)
    return len(page.items or ())


def _api_event(data: bytes) -> object:
    responses.parse_status(data)
    event = responses.decode(responses.WATCH_EVENT, data, "event")
    responses.parse_item(event.object)
    return event.type[:10]


def _topology(data: bytes) -> object:
    """Objects of a cluster, which their authors wrote: what one of them says must not stop the answer about others."""
    value = json_of(data)
    graph, stock = Graph(), Stock()
    for one in value if isinstance(value, list) else [value]:
        graph.add(one if isinstance(one, dict) else {})
        stock.add(one if isinstance(one, dict) else {})
    scantext.render_text(Scan(take_stock(stock, _checks(), Rules()), {}), {}, lambda text, _role: text)
    found = graph.finish()
    texts = [*(one.key for one in found.claims), *(key for one in found.attachments for key in one.addresses)]
    for asked in filter(None, map(lookup.parse, ["10.1.0.5", "02:00:00:00:00:0a", "18:02.5", *texts[:4]])):
        answer = lookup.find(asked, found, _checks())
        answertext.render_text(answer, lambda text, _role: text)
    for network in found.networks:
        free = freeaddresses.find_free(network, found, _checks())
        agree(isinstance(free, str) or free.size >= 0, True, "the number of free addresses")
    maptext.render_mermaid(outline(found))
    return (len(found.networks), len(found.attachments), len(found.claims), len(found.allocations))


def _quantity(data: bytes) -> object:
    value = json_of(data)
    for one in (value, text_of(data)):
        podspec.parse_quantity(one)
    return podspec.parse_quantity(text_of(data)) is None


def _node_selector(data: bytes) -> object:
    text = text_of(data)
    injection.is_unclear({injection.INJECT: text})
    injection.is_device_name(text)
    return injection.read_node_selector(text) is None


def _patch(data: bytes) -> object:
    value = object_of(data)
    before, after = value.get("before"), value.get("after")
    difference = jsonpatch.diff(before, after)
    agree(jsonpatch.equal(jsonpatch.apply(difference, before), after), True, "a difference that is applied")
    return len(difference)


def _budget(data: bytes) -> object:
    seconds = http.parse_duration_s(text_of(data))
    budget = http.parse_budget_s(data, 10.0)
    agree(0 < budget <= 30, True, "a budget is above 0 and at most 30 s")
    return seconds is None


def _formats(data: bytes) -> object:
    text = text_of(data)
    return (read_address(text) is None, read_cidr(text) is None)


def _secret(data: bytes) -> object:
    given = {
        key: value.encode("utf-8", "surrogatepass") for key, value in object_of(data).items() if isinstance(value, str)
    }
    read = secretdata.parse_state(given)
    if read is None:
        return "empty"
    written = secretdata.render_state(read)
    again = secretdata.parse_state(written)
    agree(None if again is None else secretdata.render_state(again), written, "a state rendered and parsed again")
    return read.phase


def _ca_bundle(data: bytes) -> object:
    found = cabundle.certificates_in(data)
    leaf = found[0] if found else None
    if leaf is not None:
        cabundle.amend(data, trusted=[leaf], retired=[])
        cabundle.accepts(data, leaf, datetime.now(UTC))
    bundle = {"name": "pods.nadmit.io", "clientConfig": {"caBundle": text_of(data)}}
    cabundle.own_bundles({"webhooks": [bundle]})
    return len(found)


def _served_pair(data: bytes) -> object:
    given = object_of(data)
    certificate, key = (str(given.get(name) or "").encode("utf-8", "surrogatepass") for name in ("crt", "key"))
    served = MemoryTls("the Secret", now=lambda: 0.0, on_reload=lambda _not_after: None)
    served.take(certificate, key)
    return "served"


def _certificate(data: bytes) -> object:
    certificate = authority.parse_certificate(data)
    return (len(authority.names_in(certificate)), authority.is_issued_by(certificate, certificate))


def _certificate_name(data: bytes) -> object:
    return isinstance(authority.parse_name(text_of(data)), x509.IPAddress)


_COMMAND = click.Context(click.Command("fuzz"))
_OPTION = click.Option(["--fuzz"])
_OPTIONS: tuple[Callable[[str], object], ...] = (
    lambda text: options.parse_url(_COMMAND, _OPTION, text),
    lambda text: options._parse_namespaces(_COMMAND, _OPTION, text),
    lambda text: options.name_check("a namespace")(_COMMAND, _OPTION, text),
    lambda text: serve.ADDRESS.convert(text, _OPTION, _COMMAND),
)


def _option_values(data: bytes) -> object:
    read = []
    for parse in _OPTIONS:
        try:
            parse(text_of(data))
        except click.UsageError:
            read.append(False)
        else:
            read.append(True)
    return read


_REVIEWS = ("../examples/recordings/*.json",)
_MANIFESTS = ("../examples/cluster/*.yaml", "../examples/networks/*.yaml", "vectors/worked_examples/*.yaml")

TARGETS = (
    Target("review", _review, (RequestError,), vectors=_REVIEWS, bytes_max=16_384),
    Target("mutation", _mutation, (RequestError,), vectors=_REVIEWS, bytes_max=16_384),
    Target("would-refuse", _would_refuse, (ValueError,)),
    Target("configuration", _configuration, (ConfigurationError,), tokens=_YAML),
    Target("plugin-schema", _plugin_schema, vectors=("../webhook/plugindata/v*.json", "../webhook/plugindata/b*.json")),
    Target("schema-file", _schema_file, tokens=_YAML),
    Target("plugins", _plugins, (SpecErrors,), vectors=("vectors/plugin_cases.json", "vectors/cni_plugins/*.json")),
    Target("documents", _documents, vectors=_MANIFESTS, tokens=_YAML, steps_per_byte=2000),
    Target("yaml-stream", _yamlstream, vectors=_MANIFESTS, tokens=_YAML, steps_per_byte=2000),
    Target(
        "suppressions", _suppressions, tokens=(*_YAML, "# nadmit: ignore ", "NAD105", ",", "ignore-file", "\n- a:\n")
    ),
    Target("baseline", _baseline, (ManifestError,), tokens=('"fingerprint"', '"count"', '"version": 1')),
    Target("kustomization", _kustomization, tokens=(*_YAML, "resources", "patches", "path", "configMapGenerator")),
    Target("json-stream", _jsonstream, (jsonstream.NotStrictJsonError,)),
    Target("field-path", _path),
    Target("policy-test", _policy_test, tokens=_YAML, steps_per_byte=4000),
    Target("pod-templates", _pod_templates, steps_per_byte=40_000),
    Target("topology", _topology, steps_per_byte=40_000),
    Target("api-page", _api_page, (ClusterError, responses.MalformedError)),
    Target("api-event", _api_event, (ClusterError, responses.MalformedError)),
    Target("quantity", _quantity),
    Target("node-selector", _node_selector),
    Target("json-patch", _patch, vectors=("vectors/json_patch_cases.json",)),
    Target("timeout", _budget),
    Target("addresses", _formats),
    Target("secret", _secret, (secretdata.StateError,), bytes_max=16_384),
    Target("ca-bundle", _ca_bundle),
    Target("served-pair", _served_pair, (CertificateError,)),
    Target("certificate", _certificate, (authority.MaterialError,)),
    Target("certificate-name", _certificate_name, (authority.MaterialError,)),
    Target("option-values", _option_values),
)
