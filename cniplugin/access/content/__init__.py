"""The parts of the node that a configuration touches, and the configurations that are never permitted."""
