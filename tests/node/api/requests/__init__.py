"""The requests of ADD to the API server: which ones, in what order, and how many wait for an answer."""
