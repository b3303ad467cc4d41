"""What is attached to what, and who may attach: objects in, networks by segment and attachments of pods out.

Pure. Pods are reduced to their attachments when they are taken, so that 100,000 of them fit. Who has an
address, and which are free, is asked here as well. Does not belong here: the decision who may attach (`admission`,
which is asked for one network at a time), and why something is not attached (`report.diagnosis`).
"""
