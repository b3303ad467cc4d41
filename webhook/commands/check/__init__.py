"""`nadmit check`: options, the objects to judge, their findings, and what is left out of the report.

Belongs here: which objects are judged against what, suppressions, the baseline, exit codes. Does not belong here:
decisions, formats of reports, the reading of files. Must not know: Starlette or uvicorn.
"""

MARK = "nadmit:"
"""Begins a comment for nadmit in a file."""
