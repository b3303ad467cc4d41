"""The decisions: may a pod attach to a network, may an author write one, and the text of a refusal."""
