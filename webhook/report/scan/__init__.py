"""What a stock-taking of a cluster finds: objects in, findings about them out, each with what to do.

Pure. What exists is judged as if it were created now, and beside that stands what only the whole cluster shows, such
as equal addresses on one segment. Does not belong here: why one pod does not work (`report.diagnosis`), and what is
attached to what (`report.topology`), which this package reads.
"""
