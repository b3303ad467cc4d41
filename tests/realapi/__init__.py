"""A real kube-apiserver with its etcd, on loopback, for one session of tests.

This package starts the server, sends it requests and ends it. It knows Kubernetes and the NetworkAttachmentDefinition,
but not the plugin or the webhook: each test creates the objects that it needs.
"""
