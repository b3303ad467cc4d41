"""`nadmit scan`: everything that exists, judged as if it were created now, and what only stock-taking finds."""
