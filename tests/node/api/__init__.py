"""The plugin as a runtime calls it: real kernel, real delegates, and an API server over TLS."""
