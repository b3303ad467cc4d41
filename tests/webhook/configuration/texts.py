"""Texts of a NadmitConfiguration: a minimal one, and one change each."""

from __future__ import annotations

HEAD = "apiVersion: config.nadmit.io/v1alpha1\nkind: NadmitConfiguration\n"
HONOR = f"{HEAD}injection: {{mode: honor}}\n".encode()
TOP_UP = f"{HEAD}injection: {{mode: topUp}}\n".encode()
OFF = f"{HEAD}injection: {{enabled: false}}\n".encode()
BAD = f"{HEAD}injection: {{mode: honour}}\n".encode()
