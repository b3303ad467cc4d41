"""What the process reports: metrics with closed label sets, and the decision log."""
