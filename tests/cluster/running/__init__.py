"""The webhook in a cluster: registration, certificates, tokens, restarts, configuration, rights, status."""
