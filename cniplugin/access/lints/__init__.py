"""What is reported about policies without refusing anything: lints, shadowed rules, and their status."""
