"""A real kube-apiserver with its etcd, on loopback, for one session of tests.

Here belongs what starts, asks and ends it. What the tests put into it is theirs: this package knows no plugin and no
webhook, only Kubernetes and the NetworkAttachmentDefinition.
"""
