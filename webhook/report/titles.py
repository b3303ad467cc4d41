"""Titles of the rules without a code such as NAD101: of decisions, of files that cannot be read, of stock-taking."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from operator import eq
from string import ascii_uppercase

from webhook.admission.model.ruleids import RULES
from webhook.admission.plugins.findings import SEVERITIES

from .stockrules import STOCK_RULES

FILE_RULES = {
    "duplicate-object": "two objects have one kind, namespace and name",
    "half-an-object": "an object has no apiVersion or no kind",
    "helm-chart": "a Helm chart is passed over",
    "kustomization": "a kustomization is not built",
    "kustomization-build": "kustomize cannot build a kustomization",
    "metadata": "an object has no metadata or no name",
    "metadata-type": "labels, annotations or a name have the wrong type",
    "not-an-object": "a document is not an object of Kubernetes",
    "not-utf-8": "a file is not UTF-8",
    "environments": "directories of a tree have the same objects, and are judged one by one",
    "passed-over": "files of a tree are of other programs, and are not read",
    "suppression-comment": "a comment for nadmit cannot be read",
    "template": "an object is a template that is not filled in",
    "unknown-kind": "an API group of the project has no such kind or version",
    "unknown-name": "an access policy names what no file has",
    "unreadable-file": "a file cannot be read",
    "unreadable-object": "an object does not have the form that the API server expects",
    "unused-baseline": "an entry of the baseline is of no use",
    "unused-suppression": "a comment for nadmit suppresses nothing",
    "yaml-alias": "an alias of YAML has no anchor, or expands to too much",
    "yaml-depth": "YAML nests too deeply",
    "yaml-duplicate-key": "a key is twice in one mapping",
    "yaml-key": "a key of YAML is not a string",
    "yaml-merge": "a merge of YAML does not name mappings",
    "yaml-number": "a number cannot be written in JSON",
    "yaml-syntax": "a text is not YAML",
    "yaml-tag": "a tag of YAML is not supported",
}

TITLES = {**RULES, **FILE_RULES, **{rule: one.title for rule, one in STOCK_RULES.items()}}
"""Rule -> title."""


@cache
def codes_by_upper() -> Mapping[str, str]:
    """Return every code and rule by its upper case, because people write them in any letter case."""
    return {name.upper(): name for name in (*SEVERITIES, *TITLES)}


def meant_code(code: str) -> str:
    """Return the code or rule that somebody most likely means, "" for none.

    Of codes such as NAD101 it is the one with most characters at the same place.
    """
    if code[:3].upper() == "NAD":
        return max(SEVERITIES, key=lambda known: sum(map(eq, known, code.upper())))
    near = get_close_matches(code.lower(), {rule.lower(): rule for rule in TITLES}, n=1)
    return codes_by_upper()[near[0].upper()] if near else ""


def no_such_code(code: str) -> str:
    """Return that a code does not exist, and which one is meant."""
    meant = meant_code(code)
    hint = f'did you mean "{meant}"? ' if meant else ""
    return f'there is no such code: "{code}"; {hint}allowed: those that `nadmit explain` lists'


_PAGES = (
    ("docs/injection.md", ("inject-", "node-selector-", "resource-")),
    ("docs/configuration.md", ("limit-",)),
    ("docs/webhook.md", ("NetworkInUse",)),
    ("docs/access.md", ("driver-", "claim-", "cni-ipam-program", "cni-meta-plugin", "cni-runtime", "cni-type-path")),
    ("docs/access.md", ("consent", "policy-field", *ascii_uppercase)),
    ("docs/conformance.md", ("",)),
)
"""Pages of the manual, each with the beginnings of its rules. The first match counts."""


def page_of(rule: str) -> str:
    """Return the page of the manual that explains a rule, "" if there is none."""
    if rule in FILE_RULES:
        return ""
    if rule in STOCK_RULES:
        return "docs/scan.md"
    return next(page for page, prefixes in _PAGES if rule.startswith(prefixes))
