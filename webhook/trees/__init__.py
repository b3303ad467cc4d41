"""Files of Kubernetes objects, read as a cluster: YAML and JSON, places of fields, directories, charts, a snapshot.

Arrows: `manifests` > `builder` > `documents` > `positions`, `ownkinds` > `yamlstream`, `jsonstream` > `problems`.
"""
