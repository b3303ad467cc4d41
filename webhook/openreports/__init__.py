"""The findings of a stock-taking as reports in the cluster, which Policy Reporter and others show.

Belongs here: which reports follow from findings and from the reports that are stored (`reportform` and `reportplan`,
pure), one pass that writes the differences (`reportpass`, `reportstore`), and the part of a server that runs such a
pass from time to time in a process of its own (`reportschedule`).
Does not belong here: what is a finding (`webhook.report.scan`).
Must not know: how reviews arrive. Nothing here runs in the threads that answer them.
"""
