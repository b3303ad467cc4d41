"""What stands around a subject: the API server, the delegates, the namespaces of pods, the runtime that calls it."""
