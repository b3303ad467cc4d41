"""The attachments of one pod: which networks it gets, the execution of the plan, and detaching.

The cluster is read and written only through `cniplugin.cluster`.
"""
