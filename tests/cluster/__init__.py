<<<<<<< HEAD
"""Whole parts against a real API server, and where it goes also against one in this process."""
=======
"""Replicas of `serve --cluster` as processes, and what a cluster does to them."""
>>>>>>> h-scale
