"""One pod's attachments: which networks it gets, the plan carried out, and the plan taken back.

Everything outside the node's kernel and disk arrives as values or through `cniplugin.cluster`.
"""
