"""What a real API server makes of the webhook's answers: refusals, warnings, patches, side doors."""
