"""The Helm chart, `charts/nadmit`, and the program that copies the manifests into it.

The chart has no manifests of its own: `crds` and `files` are what kustomize builds, and its templates change that by
the values. Tests compare what helm renders with what kustomize builds.
"""
