"""Titles of the rules without a code such as NAD101: rules of decisions, and of files that cannot be read."""

from __future__ import annotations

from string import ascii_uppercase

from webhook.admission.model.ruleids import RULES

FILE_RULES = {
    "duplicate-object": "two objects have one kind, namespace and name",
    "half-an-object": "an object has no apiVersion or no kind",
    "helm-chart": "the templates of a Helm chart are skipped",
    "metadata": "an object has no metadata or no name",
    "metadata-type": "labels, annotations or a name have the wrong type",
    "not-an-object": "a document is not an object of Kubernetes",
    "not-utf-8": "a file is not UTF-8",
    "unreadable-file": "a file cannot be read",
    "unreadable-object": "an object does not have the form that the API server expects",
    "yaml-alias": "an alias of YAML has no anchor, or expands to too much",
    "yaml-depth": "YAML nests too deeply",
    "yaml-duplicate-key": "a key is twice in one mapping",
    "yaml-key": "a key of YAML is not a string",
    "yaml-merge": "a merge of YAML does not name mappings",
    "yaml-number": "a number cannot be written in JSON",
    "yaml-syntax": "a text is not YAML",
    "yaml-tag": "a tag of YAML is not supported",
}

TITLES = {**RULES, **FILE_RULES}
"""Rule -> title."""

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
    return next(page for page, prefixes in _PAGES if rule.startswith(prefixes))
