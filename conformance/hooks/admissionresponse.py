"""What an API server makes of an answer: a verdict, or a failed call (W/request/admissionreview.go, 1.36).

An API server that cannot read an answer treats the webhook as failed, and failurePolicy decides. So each of these rules
is a MUST, and every case of the profiles goes through them.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple

from .calls import Answer
from .envelopes import API_VERSION

JSON_PATCH = "JSONPatch"


class Verdict(NamedTuple):
    """What the webhook decided. `code` is 0 and `message` is "" if the answer has no status."""

    is_allowed: bool
    message: str
    code: int
    warnings: tuple[str, ...]
    patch: list[dict[str, Any]]

    def says(self, *words: str) -> bool:
        """Whether one text of the verdict, of any letter case, has all of the words."""
        texts = [self.message, *self.warnings]
        return any(all(word.lower() in text.lower() for word in words) for text in texts)

    def must_say(self, *words: str) -> None:
        """Fail unless one text of the verdict has all of the words."""
        assert self.says(*words), f"the message does not say {' and '.join(words)}: {self}"

    def __str__(self) -> str:
        decided = "allowed" if self.is_allowed else f"refused: {self.code} {self.message!r}"
        return f"{decided}; warnings: {list(self.warnings)}" if self.warnings else decided


def read_review(answer: Answer) -> dict[str, Any]:
    """Return the AdmissionReview of an answer; fails unless the status is 200 and the body is one."""
    assert answer.status == 200, f"the status of an answered review is 200, not {answer}"
    try:
        value = json.loads(answer.body)
    except ValueError as error:
        raise AssertionError(f"the body is not JSON: {answer}") from error
    assert isinstance(value, dict), f"the body is not an object: {answer}"
    return value


def read_verdict(answer: Answer, uid: str, *, may_patch: bool = False) -> Verdict:
    """Return the verdict of an answer to a review with this uid; fails where an API server would."""
    value = read_review(answer)
    found = (value.get("apiVersion"), value.get("kind"))
    assert found == (API_VERSION, "AdmissionReview"), f"expected webhook response of {API_VERSION}, got {found}"
    response = value.get("response")
    assert isinstance(response, dict), f"webhook response was absent: {answer}"
    assert response.get("uid") == uid, f"expected response.uid={uid!r}, got {response.get('uid')!r}"
    is_allowed = response.get("allowed")
    assert isinstance(is_allowed, bool), f"response.allowed is true or false, not {is_allowed!r}"
    status = response.get("status") or {}
    code = status.get("code") or 0
    assert isinstance(code, int), f"response.status.code is a number, not {code!r}"
    warnings = response.get("warnings") or []
    assert all(isinstance(text, str) for text in warnings), f"response.warnings is a list of texts, not {warnings!r}"
    patch = _read_patch(response) if may_patch else _no_patch(response)
    return Verdict(is_allowed, str(status.get("message") or ""), code, tuple(warnings), patch)


def _no_patch(response: dict[str, Any]) -> list[dict[str, Any]]:
    assert not response.get("patch"), "validating webhook may not return response.patch"
    assert response.get("patchType") is None, "validating webhook may not return response.patchType"
    return []


def _read_patch(response: dict[str, Any]) -> list[dict[str, Any]]:
    text, patch_type = response.get("patch"), response.get("patchType")
    if not text:
        assert patch_type is None, "webhook returned response.patchType but not response.patch"
        return []
    assert patch_type is not None, "webhook returned response.patch but not response.patchType"
    assert patch_type == JSON_PATCH, f"unsupported patch type {patch_type!r}"
    try:
        patch = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise AssertionError(f"response.patch is not JSON in base64: {text!r:.200}") from error
    assert patch is None or isinstance(patch, list), f"a JSON Patch is a list (RFC 6902 §3), not {patch!r:.200}"
    return patch or []
