"""What users read about claims: problems as `SpecError`s, remarks as warnings of one line."""

from __future__ import annotations

from cniplugin.netspec.errors import SpecError
from webhook.admission.dra.attachments import Attachment
from webhook.admission.model.remark import Remark
from webhook.admission.wording import messages

SOURCE = "the claim"
"""What is to be changed when a network is refused."""


def where(attachment: Attachment) -> str:
    """Name the configuration that names a network; inside the object itself by its path alone."""
    place = attachment.place
    return place.path if attachment.field == place.parameters_path else str(place)


def not_found(attachment: Attachment, near: str | None) -> SpecError:
    """A claim names a network that does not exist."""
    element = attachment.element
    is_in_object = attachment.field == attachment.place.parameters_path
    by = "" if is_in_object else f", which {attachment.place} names"
    detail = f'there is no NetworkAttachmentDefinition "{element.name}" in namespace "{element.namespace}"{by}'
    fix = messages.did_you_mean(near) if near else messages.CREATE_IT
    return SpecError(rule="network-not-found", source=attachment.field, detail=detail, fix=fix)


def not_there_yet(attachment: Attachment) -> str:
    """A DeviceClass may come before the networks that it names."""
    element = attachment.element
    text = f'{attachment.field}: there is no NetworkAttachmentDefinition "{element.name}" in namespace '
    return Remark.of(
        messages.warning(f'{text}"{element.namespace}"; pods that use the class will be refused until it exists'),
        rule="network-not-found",
    )
