"""What the process says about itself: metrics with closed label sets, and the decision log."""
