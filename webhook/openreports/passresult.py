"""What a pass did, as a value and as JSON: `nadmit scan --write-reports -o json` prints it, and a server reads it.

docs/reports.schema.json is its schema.
"""

from __future__ import annotations

import msgspec

from webhook.report.plaintext import counted


class PassResult(msgspec.Struct, rename="camel"):
    """What a pass did.

    `findings`: how many, by level. `reports`: how many objects have findings, of which `left_out` get no report.
    `conflicts`: changes for the next pass, because another client was first. `refused`: changes that the API server
    refuses. `notes`: a line for each reason.
    """

    api: str
    findings: dict[str, int]
    reports: int = 0
    left_out: int = 0
    created: int = 0
    changed: int = 0
    deleted: int = 0
    conflicts: int = 0
    refused: int = 0
    notes: list[str] = []

    @property
    def has_written(self) -> bool:
        """Whether any report has changed."""
        return bool(self.created or self.changed or self.deleted)

    def line(self) -> str:
        """Return the counts for people."""
        refused = f", {self.refused} refused" if self.refused else ""
        return (
            f"{self.created} created, {self.changed} changed, {self.deleted} deleted{refused}; "
            f"{counted(self.reports, 'object')} with findings"
        )


def render_result(result: PassResult) -> bytes:
    """Return the result as JSON."""
    return msgspec.json.encode(result)


def parse_result(text: bytes) -> PassResult | None:
    """Return the result of a JSON text, None for a text that is not one."""
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


_DECODER = msgspec.json.Decoder(PassResult)
