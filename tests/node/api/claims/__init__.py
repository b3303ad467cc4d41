"""ResourceClaims at ADD: their networks are judged, and their devices given."""
