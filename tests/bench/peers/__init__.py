"""The webhook beside two others, whose programs the bench is given: reviews that all differ, and the other servers."""
