"""The keys: files, the Secret and its rotation."""
