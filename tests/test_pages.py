"""The pages name files that exist, link to headings that exist, and quote the output of the program."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from tests.paths import EXAMPLES, ROOT
from webhook.cli import nadmit

DOCS = ROOT / "docs"
CHARTS = ROOT / "charts"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md")), *sorted(CHARTS.rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page: Path) -> None:
    """Folders and files, and modules or their definitions."""
    named = re.findall(r"`((?:webhook|cniplugin|certs|tests)[./][\w./]+)`", page.read_text())
    assert [name for name in named if not is_there(name)] == []


def is_there(name: str) -> bool:
    if "/" in name:
        return (ROOT / name).exists() or (ROOT / "tests" / name).exists()
    path = ROOT / name.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    files = (path.parent.with_suffix(".py"), path.parent / "__init__.py")
    return any(re.search(rf"\b{path.name}\b", file.read_text()) for file in files if file.is_file())


def test_pages_that_messages_and_files_name_exist() -> None:
    sources = [
        path
        for folder in ("webhook", "cniplugin", "certs", "manifests", "images", "examples")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".yaml"}
    ]
    named = {name for path in sources for name in re.findall(r"(?<![\w/])docs/[\w/-]+\.md", path.read_text())}
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_every_link_of_a_page_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in PAGES
        for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text())
        if not leads_somewhere(page, link)
    ]
    assert broken == []


def leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them, and those that it sets itself."""
    text = page.read_text()
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a (?:name|id)="([^"]+)"', text))


def pod(name: str, namespace: str, networks: str) -> str:
    """Return a pod in YAML, with the annotation that it is about from line 8."""
    lines = "\n".join(f"      {line}" for line in networks.splitlines())
    return f"""\
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: {namespace}
  annotations:
    k8s.v1.cni.cncf.io/networks: |
{lines}
spec: {{containers: [{{name: app, image: app}}]}}
"""


def network(namespace: str, name: str, config: dict[str, object]) -> str:
    return f"""\
---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{config: '{json.dumps(config)}'}}
"""


LAN = network("blue", "lan", {"type": "bridge", "capabilities": {"ips": True}, "ipam": {
    "type": "host-local", "subnet": "10.1.0.0/24", "gateway": "10.1.0.1"}})  # fmt: skip
BLUE = """\
apiVersion: v1
kind: Namespace
metadata: {name: blue}
"""
CLAIM = re.search(r"apiVersion: resource\.k8s\.io/v1\n.*?(?=```)", (ROOT / "docs/access.md").read_text(), re.DOTALL)
RECIPES = (
    (ROOT / "docs/access.md").read_text().partition("## The cluster of the recipes\n```yaml\n")[2].partition("```")[0]
)
SAN = """\
---
apiVersion: access.nadmit.io/v1alpha1
kind: NetworkAttachmentPolicy
metadata: {name: blue-storage}
spec:
  pods: [{namespaces: [blue]}]
  attachments:
  - name: san
    action: Allow
    networks: [{namespaces: [infra], names: [storage]}]
    limits: {ips: {cidrs: [10.1.0.0/16], max: 2}}
---
apiVersion: access.nadmit.io/v1alpha1
kind: NetworkAttachmentPolicy
metadata: {name: tenant-guardrails}
spec:
  pods: [{namespaces: [blue]}]
  attachments:
  - {name: keep-default-route, action: Deny, onRequests: [defaultRoute, replaceDefaultNetwork]}
"""
MAC = '[\n  {"name": "control-plane"},\n  {"name": "data-plane", "mac": "02:00"}\n]'


class Quote(NamedTuple):
    """A page, the files in the current directory, the command, and the lines of its output that the page has."""

    page: str
    files: dict[str, str]
    words: list[str]
    lines: slice


FIRST = {file: (ROOT / file).read_text() for file in ("examples/tutorial/networks.yaml", "examples/tutorial/typo.yaml")}
CLUSTER = ["review", "--manifests", str(EXAMPLES / "cluster")]
QUOTES = {
    "a typo": Quote(
        "README.md", {"pod.yaml": pod("alice-pod", "team-a", "data-plain")}, [*CLUSTER, "pod.yaml"], slice(1)
    ),
    "a refusal": Quote(
        "README.md",
        {"web.yaml": pod("web", "team-a", "data-plane, infra/secret")},
        [*CLUSTER, "--contact", "#net-team", "web.yaml"],
        slice(6),
    ),
    "a place": Quote("README.md", FIRST, ["check", *FIRST], slice(2)),
    "a place in CI": Quote(
        "docs/check.md", {"deploy/web.yaml": pod("web", "team-a", MAC)}, ["check", "deploy"], slice(1, 2)
    ),
    "what is passed over": Quote(
        "docs/check.md",
        {
            "pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n",
            "service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n",
            "mkdocs.yml": "a: 1\n",
            "node_modules/a.yaml": "",
        },
        ["check", "-v", "."],
        slice(8),
    ),
    "an address": Quote(
        "docs/webhook.md",
        {"c/blue.yaml": BLUE + LAN, "pod.yaml": pod("web-0", "blue", '[{"name": "lan", "ips": ["10.2.0.5"]}]')},
        ["review", "--manifests", "c", "pod.yaml"],
        slice(1),
    ),
    "an answer": Quote(
        "docs/webhook.md",
        {"c/all.yaml": RECIPES + SAN},
        ["can-attach", "-n", "blue", "infra/storage", "--ips", "10.1.4.7/16", "--manifests", "c"],
        slice(4),
    ),
    "a wrong value": Quote(
        "docs/plugins.md",
        {"lan.yaml": network("blue", "lan", {"plugins": [{"type": "bridge", "vlan": 4095}]})},
        ["review", "lan.yaml"],
        slice(1),
    ),
    "a claim": Quote(
        "docs/access.md",
        {"c/all.yaml": RECIPES, "claim.yaml": CLAIM[0] if CLAIM else ""},
        ["review", "--manifests", "c", "claim.yaml"],
        slice(3),
    ),
    "a configuration": Quote(
        "docs/configuration.md",
        {
            "config.yaml": "apiVersion: config.nadmit.io/v1alpha1\nkind: NadmitConfiguration\n"
            "injection:\n  mode: honour\n",
            "n/lan.yaml": LAN,
        },
        ["check", "--config", "config.yaml", "n"],
        slice(1),
    ),
}


@pytest.mark.parametrize("name", QUOTES)
def test_a_page_quotes_what_is_printed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, files, words, lines = QUOTES[name]
    monkeypatch.chdir(tmp_path)
    for file, text in files.items():
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    printed = CliRunner().invoke(nadmit, words).output.replace('error when creating "web.yaml": ', "")
    printed = printed.replace('error when creating "claim.yaml": ', "")
    quoted = plain((ROOT / page).read_text())
    chosen = printed.splitlines()[lines]
    assert chosen
    assert [line for line in chosen if plain(line) not in quoted] == [], f"{page} quotes another text"


def plain(text: str) -> str:
    """Return a text without its line breaks, which pages set elsewhere."""
    return " ".join(text.split())
