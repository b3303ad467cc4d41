"""What a network's configuration touches on the node, and what is never or only at a level permitted of it."""
