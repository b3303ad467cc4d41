"""`make bench` measures the webhook and the node plugin, each beside a bare counterpart in the same run. It prints, and asserts nothing."""
