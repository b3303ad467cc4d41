"""The pages that are made from the program: cli.md, metrics.md, policy-fields.md, and the fields in configuration.md."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tests.e2e.process import RECORDINGS, serving
from tests.paths import ROOT
from webhook.admission.dra.drivers import Driver
from webhook.configuration import sections
from webhook.serving.bodies import REASONS

DOCS = ROOT / "docs"


def rendered(name: str) -> str:
    program = f"import reference; print(reference.PAGES['{name}'](), end='')"
    done = subprocess.run([sys.executable, "-Bc", program], cwd=DOCS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cli.md", "metrics.md", "policy-fields.md"])
def test_a_page_is_what_the_program_says(name: str) -> None:
    assert (DOCS / name).read_text() == rendered(name), "run make golden"


def rows(page: str, head: str) -> list[list[str]]:
    """Return the cells of the first table below a text."""
    table = (DOCS / page).read_text().partition(head)[2]
    table = table[table.index("|") :].partition("\n\n")[0]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines() if line.startswith("|")
    ]


def test_a_text_about_a_field_is_of_use() -> None:
    """A field that has gone, or that its schema explains by now, leaves no text behind."""
    program = "import reference; print(*(text for text in reference.FIELD_TEXTS.values()), sep=chr(10))"
    done = subprocess.run([sys.executable, "-Bc", program], cwd=DOCS, capture_output=True, text=True, check=True)
    page = (DOCS / "policy-fields.md").read_text()
    assert [text for text in done.stdout.splitlines() if f"| {text} |" not in page] == []


METRICS = {cells[0].strip("` "): cells for cells in rows("metrics.md", "if the server has |\n")[1:]}


@pytest.mark.slow
def test_metrics_are_those_of_a_running_server(tmp_path: Path) -> None:
    with serving(tmp_path / "certs") as server:
        server.post((RECORDINGS / "create-pods-alice-pod.json").read_bytes())
        shown = {
            f"{family.name}_total" if family.type == "counter" else family.name: family
            for family in text_string_to_metric_families(server.get("/metrics")[1])
            if family.name.startswith("nadmit_")
        }
    shown = {name: family for name, family in shown.items() if not name.endswith("_created")}
    of_every_server = {name: cells for name, cells in METRICS.items() if not cells[4]}
    assert shown.keys() == of_every_server.keys()
    for name, family in shown.items():
        _, kind, labels, text, _ = of_every_server[name]
        assert (family.type, family.documentation) == (kind, text), name
        for sample in family.samples:
            assert {label for label in sample.labels if label != "le"} == set(filter(None, labels.split(", "))), name


def test_the_other_metrics_name_an_option_of_the_server() -> None:
    options = {cells[4] for cells in METRICS.values() if cells[4]}
    assert options == {"`--reports`", "`--tls-secret`", "`--webhook-configuration`", "`--write-status`"}
    page = (DOCS / "cli.md").read_text()
    assert [option for option in options if option.strip("`") not in page] == []


def test_reasons_of_refusals_are_listed() -> None:
    (row,) = re.findall(r"^\| reason \| (.*) \|$", (DOCS / "metrics.md").read_text(), re.MULTILINE)
    assert re.findall("`([^`]+)`", row) == list(REASONS)


SECTIONS: dict[str, type[sections.Section]] = {
    "| field | default | |": sections.NadmitConfiguration,
    "| field of `injection` | default | |": sections.InjectionSection,
    "| field of `plugins` | default | |": sections.PluginsSection,
    "| field of `drivers` | default | |": sections.DriversSection,
    "| field of `workloads[]` | default | |": sections.WorkloadSection,
    "| field of `observe` | default | |": sections.ObserveSection,
    "| field of `limits` | default | refuses, before it is read |": sections.LimitsSection,
}
"""Head of a table of configuration.md -> the class that reads these fields."""
IN_THE_TEXT = {"apiVersion", "kind"}


def test_the_page_has_a_table_for_each_section() -> None:
    made = {one for one in vars(sections).values() if isinstance(one, type) and issubclass(one, sections.Section)}
    assert made - {sections.Section} == set(SECTIONS.values())


@pytest.mark.parametrize("head", SECTIONS)
def test_the_page_has_every_field_with_its_default(head: str) -> None:
    section = SECTIONS[head]
    documented = {
        name: cells[1] for cells in rows("configuration.md", head)[1:] for name in re.findall(r"`(\w+)`", cells[0])
    }
    fields = {str(field.alias): field for field in section.model_fields.values()}
    of_sections = {name for name, field in fields.items() if is_section(field)}
    expected = fields.keys() - of_sections - (IN_THE_TEXT if section is sections.NadmitConfiguration else set())
    assert documented.keys() == expected
    for name, default in documented.items():
        written = fields[name].get_default(call_default_factory=True)
        if isinstance(written, bool):
            assert default == str(written).lower(), name
        elif isinstance(written, int | str) and written:
            assert default.strip("`") == str(written), name
        elif isinstance(written, list | dict) and not written:
            assert default == "none", name


def test_the_page_has_every_field_of_a_driver() -> None:
    cells = [one[0] for one in rows("configuration.md", "describes a DRA driver")[1:]]
    documented = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} - {"field"}
    assert documented == {one.name for one in dataclasses.fields(Driver)}


def is_section(field: FieldInfo) -> bool:
    """Say whether a field is a section, or a list of such, with a table of its own."""
    default = field.get_default(call_default_factory=True)
    return isinstance(default, BaseModel) or "WorkloadSection" in str(field.annotation)
