"""The owner's consent: annotations by which the owners of a network share it with other namespaces.

    access.nadmit.io/allowed-namespaces: "blue,ci"          ; or "*"
    access.nadmit.io/allowed-namespace-selector: "tenant in (blue,red),env=prod"

One of the two is enough. They apply only under posture Consent and for rules with `requireConsent`. An annotation that
cannot be read grants nothing, and is refused when it is written.
"""

from __future__ import annotations

from cniplugin.access.model import labels
from cniplugin.netspec.errors import SpecError
from cniplugin.netspec.names import ALLOWED_LABEL, is_label, trim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ALLOWED_NAMESPACES = "access.nadmit.io/allowed-namespaces"
ALLOWED_SELECTOR = "access.nadmit.io/allowed-namespace-selector"
ANNOTATIONS = (ALLOWED_NAMESPACES, ALLOWED_SELECTOR)

TEXT_MAX = 8_192
"""Characters of an annotation that is read; a longer one grants nothing."""


def consents(annotations: Mapping[str, str], namespace: str, namespace_labels: Mapping[str, str]) -> bool:
    """Say whether the annotations of a network share it with a namespace."""
    listed = annotations.get(ALLOWED_NAMESPACES)
    if listed is not None and not _listed_problem(listed) and _lists(listed, namespace):
        return True
    selector = annotations.get(ALLOWED_SELECTOR)
    if selector is None or len(selector) > TEXT_MAX:
        return False
    try:
        return labels.parse(selector).matches(namespace_labels)
    except ValueError:
        return False


def problems(annotations: Mapping[str, str]) -> Iterator[SpecError]:
    """Yield the problems of the consent annotations of a network."""
    listed = annotations.get(ALLOWED_NAMESPACES)
    problem = _listed_problem(listed) if listed is not None else ""
    if problem:
        allowed = f'"*", or namespaces with commas between them: {ALLOWED_LABEL}'
        yield _error(ALLOWED_NAMESPACES, problem, allowed=allowed)
    selector = annotations.get(ALLOWED_SELECTOR)
    problem = _selector_problem(selector) if selector is not None else ""
    if problem:
        allowed = f"a label selector of at most {TEXT_MAX} characters, such as tenant in (blue,red),env=prod"
        yield _error(ALLOWED_SELECTOR, problem, allowed=allowed)


def _lists(text: str, namespace: str) -> bool:
    return trim(text) == "*" or namespace in map(trim, text.split(","))


def _listed_problem(text: str) -> str:
    if len(text) > TEXT_MAX:
        return f"it has {len(text)} characters"
    if trim(text) == "*":
        return ""
    wrong = next((name for name in map(trim, text.split(",")) if not is_label(name)), None)
    return "" if wrong is None else f"{wrong[:80]!a} does not name a namespace"


def _selector_problem(text: str) -> str:
    if len(text) > TEXT_MAX:
        return f"it has {len(text)} characters"
    try:
        labels.parse(text)
    except ValueError as error:
        return str(error)
    return ""


def _error(source: str, problem: str, *, allowed: str) -> SpecError:
    return SpecError(
        rule="consent",
        source=source,
        detail=f"the consent cannot be read, so it would grant nothing: {problem}",
        allowed=allowed,
        section="access policy, owner's consent",
    )
