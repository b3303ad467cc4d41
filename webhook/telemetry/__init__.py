"""The reports of the process: metrics with closed label sets, and the decision log."""
