"""What a network's configuration touches on the node, and which configurations are never permitted."""
