"""What is known of the cluster: manifests and watches in, one immutable snapshot out.

Belongs here: reading Kubernetes objects from files with their positions, and the indexed store that decisions ask.
Does not belong here: any decision about an object, wording for kubectl, HTTP towards the API server's webhooks.
Must not know: who reads a snapshot, or what for.

Two ways in, `source` (watches) and `manifests` (files), each on modules of its own; both fill `store`.
"""
