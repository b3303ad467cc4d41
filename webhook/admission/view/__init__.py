"""The cluster as one decision sees it: a snapshot, its rules, the configuration, and the texts that were parsed."""
