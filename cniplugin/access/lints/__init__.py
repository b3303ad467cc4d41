"""Reports about policies that refuse nothing: lints, shadowed rules, and the status."""
