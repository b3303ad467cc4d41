"""The title and the category of each rule, which reports show beside its id.

Not in `reportform`, which is pure: the tables of codes are files.
"""

from __future__ import annotations

from webhook.admission.plugins.findings import SEVERITIES
from webhook.plugindata.codes import load_codes
from webhook.report.docspages import CODE_GROUPS
from webhook.report.titles import TITLES, page_of

from .reportform import RuleName

_CATEGORIES = {
    "docs/access.md": "access",
    "docs/configuration.md": "limits",
    "docs/conformance.md": "annotations and definitions",
    "docs/injection.md": "injection into pods",
    "docs/scan.md": "stock-taking",
    "docs/webhook.md": "networks in use",
}
"""Page of the manual -> category of its rules."""
OTHERS = "objects"


def name_rule(rule: str) -> RuleName:
    """Return title and category of a rule or code."""
    if rule in SEVERITIES:
        return RuleName(load_codes()[rule].title, CODE_GROUPS[rule[:4]])
    return RuleName(TITLES.get(rule, rule), _CATEGORIES.get(page_of(rule), OTHERS))
