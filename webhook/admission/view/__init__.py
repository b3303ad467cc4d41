"""The cluster as one decision sees it: one immutable snapshot, the rules in force, and what was parsed of its texts."""
