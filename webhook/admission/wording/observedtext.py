"""Stage Observe: a refusal becomes an admission that records what would have been refused."""

from __future__ import annotations

from webhook.admission.model.requests import AdmissionWarning, Decision

MODE = "Observe"
"""As the modes Warn and Audit of policies in the records of trials."""


def observe(refusal: Decision, *, warns: bool) -> Decision:
    """Return the admission in place of a refusal. `warns`: whether users get a warning of it.

    Everything but the verdict stays, for the list of what would be refused. Warnings that the refusal has are kept.
    """
    text = first_problem(refusal)
    more = len(refusal.causes) - 1
    remark = f" (and {more} more)" if more > 0 else ""
    told = (AdmissionWarning("", f"would be refused{remark}: {text}"),) if warns else ()
    return refusal._replace(
        is_allowed=True,
        is_observed=True,
        warnings=(*told, *refusal.warnings),
        trials=(f"{MODE}: {text}", *refusal.trials),
    )


def first_problem(refusal: Decision) -> str:
    """Return the first problem of a refusal in one line."""
    if refusal.causes:
        cause = refusal.causes[0]
        text = f"{cause.field}: {cause.message}" if cause.field else cause.message
    else:
        text = refusal.message
    return text.partition("\n")[0]
