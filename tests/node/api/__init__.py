"""The plugin as a runtime calls it, with the real kernel, real delegates, and an API server over TLS."""
