"""Files of Kubernetes objects, read as a cluster: YAML and JSON, places of fields, directories, charts, a snapshot.

Arrows: `gathering` > `builds`, `foreign`, `manifests`, `unknownnames` >
`builder` > `documents` > `positions`, `ownkinds` > `yamlstream`, `jsonstream` > `problems`; `treefiles` > `passedover`.
`environments` splits the documents of a tree.
"""
