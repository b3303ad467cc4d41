"""The section `workloads`: kinds of other programs that make pods."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.webhook.admission.templates.test_podtemplates import at, template
from webhook.admission.model.kinds import GroupKind
from webhook.admission.templates.workloadtable import KNOWN, TEMPLATED, own_kinds
from webhook.cli import nadmit
from webhook.configuration.parsing import read
from webhook.configuration.sections import defaults
from webhook.configuration.texts import ConfigurationError

from .texts import HEAD

DATABASE = GroupKind("example.com", "Database")
OWN = f"""{HEAD}workloads:
- group: example.com
  kind: Database
  templates:
  - spec.template
  - "spec.shards[*].template"
- {{group: data.example.com, kind: Entity, plural: entities}}
"""


def test_kinds_of_an_admin_come_beside_those_that_are_known() -> None:
    workloads = read(OWN.encode(), where="f.yaml").to_value({}).workloads
    assert set(workloads) == {*KNOWN, DATABASE, GroupKind("data.example.com", "Entity")}
    assert own_kinds(workloads) == (("example.com", "databases"), ("data.example.com", "entities"))
    value = {"spec": {"template": template(), "shards": [{"template": template()}], "other": template()}}
    assert [one.place.path for one in workloads[DATABASE].find(value)] == ["spec.template.", "spec.shards[0].template."]


def test_without_paths_a_template_is_found_by_its_shape() -> None:
    workloads = read(OWN.encode(), where="f.yaml").to_value({}).workloads
    found = workloads[GroupKind("data.example.com", "Entity")].find(at("spec", "a", 0, "b", value=template()))
    assert [one.place.path for one in found] == ["spec.a[0].b."]


def test_a_known_kind_can_be_described_anew() -> None:
    text = f"{HEAD}workloads:\n- {{group: argoproj.io, kind: Rollout, templates: [spec.pod]}}\n"
    workloads = read(text.encode(), where="f.yaml").to_value({}).workloads
    assert [
        one.place.path for one in workloads[GroupKind("argoproj.io", "Rollout")].find(at("spec", "pod", value={}))
    ] == ["spec.pod."]
    assert own_kinds(workloads) == (("argoproj.io", "rollouts"),)


def test_without_the_section_the_known_kinds_count() -> None:
    assert defaults().to_value({}).workloads is KNOWN
    assert own_kinds(KNOWN) == ()
    assert all(one.paths for one in TEMPLATED)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{kind: A}", "4:3: workloads[0].group: it is missing; add it"),
        ("{group: a.b}", "4:3: workloads[0].kind: it is missing; add it"),
        ("{group: A_b, kind: A}", '4:4: workloads[0].group: not an API group: "A_b"; allowed: lower case'),
        ("{group: '', kind: A}", '4:4: workloads[0].group: not an API group: ""; allowed: lower case'),
        ("{group: a.b, kind: a-b}", '4:16: workloads[0].kind: not a kind: "a-b"; allowed: a name as in manifests'),
        ("{group: a.b, kind: A, plural: A}", '4:25: workloads[0].plural: not a resource: "A"; allowed: lower case'),
        ("{group: a.b, kind: A, plurals: a}", '4:25: workloads[0].plurals: no such field; did you mean "plural"?'),
        ("{group: a.b, kind: A, templates: spec}", '4:25: workloads[0].templates: wrong type: "spec"; allowed: a list'),
        (
            "{group: a.b, kind: A, templates: [a/b]}",
            '4:37: workloads[0].templates[0]: not a path: "a/b"; allowed: names',
        ),
        ("{group: apps, kind: Deployment}", "3:1: workloads: nadmit judges Deployment of apps already; remove it"),
        (
            "{group: a.b, kind: A}\n- {group: a.b, kind: A}",
            "3:1: workloads: A of a.b is listed twice; keep one of them",
        ),
    ],
)
def test_one_mistake_is_one_line(entry: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(f"{HEAD}workloads:\n- {entry}\n".encode(), where="f.yaml")
    (line,) = map(str, caught.value.problems)
    assert line.startswith(f"f.yaml:{problem}"), line


def test_show_registers_them(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(OWN)
    done = CliRunner().invoke(nadmit, ["webhooks", "show", "--config", str(config)])
    assert done.exit_code == 0
    hooks = [hook for value in yaml.safe_load_all(done.output) for hook in value["webhooks"]]
    (own,) = [hook for hook in hooks if hook["name"] == "own-workloads.access.nadmit.io"]
    assert {rule["apiGroups"][0]: rule["resources"] for rule in own["rules"]} == {
        "example.com": ["databases"],
        "data.example.com": ["entities"],
    }
    config.write_text(f"{HEAD}workloads: 5\n")
    assert CliRunner().invoke(nadmit, ["webhooks", "show", "--config", str(config)]).exit_code == 2
