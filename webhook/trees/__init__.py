"""Files of Kubernetes objects: YAML and JSON with the place of every field, charts, whole directories."""
