"""The tests: a folder for each profile of `conformance.profilelist`."""
