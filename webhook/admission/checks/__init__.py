"""The checks, one module per subject. A check takes a request and a context, and returns a Decision."""
