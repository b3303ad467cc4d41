"""Dynamic resource allocation: drivers, claims, templates, classes, and the pods that name them."""
