"""Texts about ResourceClaims, their templates and DeviceClasses."""

from __future__ import annotations

from collections.abc import Sequence

from cniplugin.netspec.errors import SpecError
from webhook.admission.dra.attachments import Attachment
from webhook.admission.model.requests import AdmissionWarning, Cause, Decision, Request
from webhook.admission.wording.answers import refuse_for_now, who
from webhook.admission.wording.networktext import Hint, missing_fix

SOURCE = "the claim"
"""The part that the author changes when a network is refused."""
CLAIMS_SHOWN_MAX = 5
"""Claims that one message names."""


def where(attachment: Attachment) -> str:
    """Name the configuration that names a network; in the object itself by its path alone."""
    place = attachment.place
    return place.path if attachment.field == place.parameters_path else str(place)


def not_found(attachment: Attachment, near: str) -> SpecError:
    """A claim names a network that does not exist."""
    by = "" if attachment.field == attachment.place.parameters_path else f", which {attachment.place} names"
    return SpecError(
        rule="network-not-found",
        source=attachment.field,
        detail=f"{_missing(attachment)}{by}",
        fix=missing_fix(Hint(near)),
    )


def not_yet(attachment: Attachment) -> AdmissionWarning:
    """Warn that a DeviceClass names a network that does not exist yet."""
    text = f"{_missing(attachment)}; pods that use the class will be refused until it exists"
    return AdmissionWarning(attachment.field, text, "network-not-found")


def _missing(attachment: Attachment) -> str:
    element = attachment.element
    return f'there is no NetworkAttachmentDefinition "{element.name}" in namespace "{element.namespace}"'


def claims_unknown(request: Request, unknown: Sequence[tuple[str, str, str]]) -> Decision:
    """Refuse a pod whose claims are not known. `unknown`: kind, namespace and name of each."""
    named = [f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}" for kind, namespace, name in unknown]
    more = f" and {len(named) - CLAIMS_SHOWN_MAX} more" if len(named) > CLAIMS_SHOWN_MAX else ""
    shown = ", ".join(named[:CLAIMS_SHOWN_MAX])
    reason = f"it is not known what these attach, and the API server did not answer in time: {shown}{more}"
    by = "built-in check of claims"
    return refuse_for_now(
        f"network access denied for now: {who(request)}\n"
        f"  reason:  {reason}\n"
        f"  decided: {by}\n"
        "  fix:     try again; create claims before the pods that name them, at most 16 new ones for one pod",
        Cause(field="spec.resourceClaims", message=reason, reason="ClaimUnknown", rule="claim-unknown"),
        by=by,
    )
