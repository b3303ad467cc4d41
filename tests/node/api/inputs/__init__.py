"""What a runtime, an operator, the API server and an earlier plugin hand over, or do not."""
