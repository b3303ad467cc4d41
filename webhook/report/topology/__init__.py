"""What is attached to what: objects in, networks by segment and attachments of pods out, and who has an address.

Pure. Pods are reduced to their attachments when they are taken, so that 100,000 of them fit. Does not belong here: who
may attach (`admission`), and why something is not attached (`report.diagnosis`).
"""
