"""Every code that a finding about a plugin can have: stable, explained, with an example that has exactly this one.

NAD1xx: keys and types. NAD2xx: values and limits. NAD3xx: IPAM and addresses. NAD4xx: order, chaining, capabilities.
NAD5xx: surprises. NAD6xx: pods against networks. A code is one severity for ever; what it means never changes, and a
code that is given up is not used again.
"""

from __future__ import annotations

from collections.abc import Mapping

from webhook.admission.plugins.code import ERROR, WARNING, Code
from webhook.admission.plugins.keycodes import KEY_CODES
from webhook.admission.plugins.networkcodes import NETWORK_CODES

__all__ = ["CODES", "ERROR", "WARNING", "Code"]

CODES: Mapping[str, Code] = {**KEY_CODES, **NETWORK_CODES}
