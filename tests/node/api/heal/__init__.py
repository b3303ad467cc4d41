"""What the plugin repairs by itself, with an API server: mistakes in definitions, lost sandboxes."""
