"""Files of Kubernetes objects, read as a cluster: YAML and JSON, places of fields, directories, charts, a snapshot.

Arrows: `manifests`, `unknownnames` > `builder` > `documents` > `positions`, `ownkinds` > `yamlstream`, `jsonstream` >
`problems`.
"""
