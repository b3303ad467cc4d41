"""What a container runtime sees of the plugin: CNI 1.1, sections 2 to 5."""
