"""`make bench`: what the webhook costs, next to a bare counterpart in the same run. Prints, asserts nothing."""
