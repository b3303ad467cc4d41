"""The node's half of nadmit: a CNI delegating plugin, and the two pure packages that both halves run.

Belongs here: `netspec` (the standard), `access` (who may attach to what) and the plugin process around them.
Does not belong here: anything of the API server's admission contract, certificates, manifests.
Must not know: any module outside the standard library; this package ships alone and pays for every import.
"""
