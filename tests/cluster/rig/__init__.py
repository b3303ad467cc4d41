"""What the tests of a real API server share: tenants, replicas of the webhook, streams of pods, an installation."""
