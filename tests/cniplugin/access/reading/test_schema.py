"""The schema of the CRDs and our readers agree at every place, and a real API server agrees with both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.access.model import policyrules
from cniplugin.access.reading import policies, policyconfig, policyfields
from cniplugin.access.reading.policies import read_policy
from cniplugin.access.reading.policyconfig import read_config
from tests.cniplugin.access.reading import schema
from tests.cniplugin.access.reading.schema import (
    BROKEN,
    BROKEN_CONFIG,
    CONFIG,
    CRDS,
    POLICY,
    STRICTER,
    Object,
    Probe,
    Schema,
    policy,
    put,
)
from tests.fakes.waiting import wait_until
from tests.realapi.server import RealApiServer

PROBES = [probe for kind in (POLICY, CONFIG) for probe in schema.probes(kind)]


def problems(value: Object) -> list[tuple[str, str]]:
    """Return field and text of the problems that our readers find."""
    found = read_config(value)[1] if value["kind"] == CONFIG else read_policy(value).problems
    return [(problem.path, problem.detail) for problem in found]


def test_the_names_of_the_kinds() -> None:
    found = schema.load()
    assert found.keys() == {policyrules.POLICY_KIND, policyrules.CONFIG_KIND}
    for crd in found.values():
        spec = crd["spec"]
        assert (spec["group"], spec["scope"], spec["versions"][0]["name"]) == (
            policyrules.GROUP,
            "Cluster",
            policyrules.VERSION,
        )
        assert crd["metadata"]["name"] == f"{spec['names']['plural']}.{policyrules.GROUP}"


def test_there_are_probes() -> None:
    """Probes are on both sides of every edge; a broken walk over the schema would find no places."""
    assert len(PLACES_PROBED) > 150
    assert 0.2 < sum(probe.is_right for probe in PROBES) / len(PROBES) < 0.8


PLACES_PROBED = sorted({(probe.kind, probe.path) for probe in PROBES})


@pytest.mark.parametrize(("kind", "path"), PLACES_PROBED)
def test_our_verdict_is_the_schemas(kind: str, path: str) -> None:
    """Each problem has the path of its place."""
    for probe in PROBES:
        if (probe.kind, probe.path) == (kind, path):
            found = problems(put(probe))
            assert (not found) == probe.is_right, (probe, found)
            for where, _ in found:
                assert where.startswith(probe.field) or probe.field.startswith(where), (probe, found)


@pytest.mark.parametrize(
    "probe", [probe for probe in PROBES if probe.what == "other word"], ids=lambda probe: probe.path
)
def test_the_words_a_reader_names_are_those_of_the_schema(probe: Probe) -> None:
    """The allowed words of a problem are compared with the schema; the probes do not compare them."""
    value = put(probe)
    found = read_config(value)[1] if probe.kind == CONFIG else read_policy(value).problems
    (allowed,) = (problem.allowed for problem in found if problem.path == probe.field)
    assert allowed.split(", ") == place(probe.kind, probe.path)["enum"]


TABLES: dict[str, Mapping[str, Any]] = {
    "": policies._SPEC,
    "pods[]": policyfields.POD,
    "exceptPods[]": policyfields.POD,
    "pods[].podSelector.matchExpressions[]": policyfields.EXPRESSION,
    "attachments[]": policies._ATTACHMENT,
    "attachments[].networks[]": policyfields.NETWORK,
    "attachments[].limits": policyfields.LIMIT_FIELDS,
    **{f"attachments[].limits.{key}": readers for key, readers in policyfields.LIMITS.items()},
    "definitions[]": policies._DEFINITION,
    "definitions[].authors": policyfields.AUTHORS,
    "definitions[].config": policies._CONFIG,
}
CONFIG_TABLES: dict[str, Mapping[str, Any]] = {
    "": policyconfig._SPEC,
    "definitions": policyconfig._DEFINITIONS,
    "definitions.levels": policyconfig._LEVELS,
    "definitions.baseline": policyconfig._BASELINE,
    "namespaceLabels": policyconfig._NAMESPACE_LABELS,
    "namespaceLabels.writers": policyfields.AUTHORS,
    "node": policyconfig._NODE,
    "messages": policyconfig._MESSAGES,
    "multusGate": policyconfig._GATE,
}
PLACES = [
    *((POLICY, path, table) for path, table in TABLES.items()),
    *((CONFIG, path, table) for path, table in CONFIG_TABLES.items()),
]


def place(kind: str, path: str) -> Schema:
    found: Schema = schema.schema_of(kind)["properties"]["spec"]
    for step in path.split(".") if path else ():
        found = found["additionalProperties"] if step == "{}" else found["properties"][step.removesuffix("[]")]
        found = found["items"] if step.endswith("[]") else found
    return found


@pytest.mark.parametrize(("kind", "path", "table"), PLACES, ids=lambda value: value if isinstance(value, str) else "")
def test_every_key_of_a_reader_is_in_the_schema(kind: str, path: str, table: Mapping[str, Any]) -> None:
    """The probes check the reverse: each key of the schema has one."""
    assert table.keys() == place(kind, path).get("properties", {}).keys()


def test_every_table_of_the_readers_is_compared() -> None:
    for module, tables in ((policies, TABLES), (policyconfig, CONFIG_TABLES)):
        found = {name for name, value in vars(module).items() if isinstance(value, dict) and name.isupper()}
        compared = {name for name in found if any(vars(module)[name] is table for table in tables.values())}
        assert found - compared <= {"_CAREFUL", "_FIELDS", "_RULES", "SPELLINGS"}


def test_the_readers_have_the_defaults_of_the_schema() -> None:
    config, found = read_config({"metadata": {"name": "cluster"}, "spec": dict(defaults(place(CONFIG, "")))})
    assert found == ()
    assert config == read_config({"metadata": {"name": "cluster"}, "spec": {}})[0]


def defaults(of: Schema) -> Iterator[tuple[str, Any]]:
    for key, inner in of.get("properties", {}).items():
        if "default" in inner:
            yield key, inner["default"] if inner["type"] != "object" else dict(defaults(inner))


def patterns() -> dict[str, tuple[Probe, Schema]]:
    """Return one place of each pattern, with its schema."""
    found: dict[str, tuple[Probe, Schema]] = {}
    for probe in PROBES:
        if probe.what == "a right text" and ".{}" not in probe.path:
            of = place(probe.kind, probe.path)
            if "pattern" in of:
                found.setdefault(of["pattern"], (probe, of))
    return found


PATTERNS = patterns()


@pytest.mark.parametrize("pattern", PATTERNS)
@given(data=st.data())
def test_texts_that_a_pattern_permits_are_read(pattern: str, data: st.DataObject) -> None:
    """Reader and pattern agree about texts of the pattern, and about texts with one character changed."""
    probe, of = PATTERNS[pattern]
    text = data.draw(st.from_regex(pattern.removesuffix("$") + r"\Z"))
    if text and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(text) - 1))
        text = text[:at] + data.draw(st.sampled_from(["", "*", "-", ".", "/", "A", "é", "9", " "])) + text[at + 1 :]
    found = problems(put(probe._replace(value=text)))
    assert (not found) == (
        schema.fits(of, text) and not schema.is_backwards(of, text) and not is_only_ours(probe.path, text)
    )


def is_only_ours(path: str, text: str) -> bool:
    """STRICTER: before or behind the slash."""
    prefix, _, name = text.partition("/")
    return len(prefix if path.endswith("key") else name) > 253


# CEL


def test_every_rule_has_a_policy_that_breaks_it() -> None:
    assert set(schema.rules(schema.schema_of(POLICY))) == BROKEN.keys()
    assert set(schema.rules(schema.schema_of(CONFIG))) == {schema.NAME_RULE, *BROKEN_CONFIG}


@pytest.mark.parametrize("rule", BROKEN, ids=lambda rule: rule[:40])
def test_our_reader_refuses_what_a_rule_refuses(rule: str) -> None:
    assert len(problems(policy(BROKEN[rule]))) == 1


@pytest.mark.parametrize("rule", BROKEN_CONFIG, ids=lambda rule: rule[:40])
def test_our_reader_refuses_what_a_rule_about_the_configuration_refuses(rule: str) -> None:
    assert len(problems(configuration_object(BROKEN_CONFIG[rule]))) == 1


def configuration_object(spec: Object) -> Object:
    return {"apiVersion": schema.API_VERSION, "kind": CONFIG, "metadata": {"name": "cluster"}, "spec": spec}


def test_a_configuration_of_another_name() -> None:
    value = {"kind": CONFIG, "metadata": {"name": "other"}, "spec": {}}
    assert [path for path, _ in problems(value)] == ["metadata.name"]


@pytest.mark.parametrize("what", STRICTER)
def test_values_that_only_our_reader_refuses(what: str) -> None:
    assert len(problems(policy(STRICTER[what]))) == 1


# A real API server


@pytest.fixture(scope="module")
def installed(real_api: RealApiServer) -> RealApiServer:
    """A server with the CRDs, served. They stay: other tests may use them."""
    crds = [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("networkattachmentpolic*.yaml"))]
    for crd in crds:
        real_api.put(crd)
    paths = [f"/apis/{schema.API_VERSION}/{crd['spec']['names']['plural']}" for crd in crds]
    wait_until(lambda: all(real_api.ask("GET", path).status == 200 for path in paths))
    for crd in crds:
        name = crd["metadata"]["name"]
        conditions = real_api.must("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")["status"]
        told = {one["type"]: (one["status"], one["message"]) for one in conditions["conditions"]}
        assert told["Established"][0] == "True", told
        assert told.get("NonStructuralSchema", ("False",))[0] == "False", told
    return real_api


PLURALS = {POLICY: "networkattachmentpolicies", CONFIG: "networkattachmentpolicyconfigs"}


def asked(api: RealApiServer, value: Object) -> tuple[bool, str]:
    """Return the server's verdict and its message."""
    path = f"/apis/{schema.API_VERSION}/{PLURALS[value['kind']]}?dryRun=All&fieldValidation=Strict"
    answer = api.ask("POST", path, value)
    assert answer.status in {201, 400, 422}, answer
    return answer.status == 201, str(answer.value.get("message", ""))


@pytest.mark.slow
@pytest.mark.kube_apiserver
def test_a_real_api_server_has_our_verdict(installed: RealApiServer) -> None:
    """All probes and rules of CEL are in one test, because without a server a thousand tests would be skipped."""
    differing = []
    for probe in PROBES:
        value = put(probe)
        is_accepted, said = asked(installed, value)
        if is_accepted != (not problems(value)):
            differing.append((probe.id, is_accepted, said[:200], problems(value)))
    assert differing == []
    for rule, spec in BROKEN.items():
        is_accepted, said = asked(installed, policy(spec))
        assert not is_accepted, rule
    for rule, spec in BROKEN_CONFIG.items():
        assert not asked(installed, configuration_object(spec))[0], rule
    assert not asked(installed, {**policy({}), "kind": CONFIG})[0]


@pytest.mark.slow
@pytest.mark.kube_apiserver
@pytest.mark.parametrize("what", STRICTER)
def test_values_that_the_schema_cannot_exclude(installed: RealApiServer, what: str) -> None:
    assert asked(installed, policy(STRICTER[what]))[0]


@pytest.mark.parametrize("path", ["definitions.levels", "definitions.baseline", "namespaceLabels"])
def test_an_upgrade_of_the_schema_writes_nothing_into_stored_objects(path: str) -> None:
    """An older release that is still running would refuse to read an unknown key."""
    assert "default" not in place(CONFIG, path)
