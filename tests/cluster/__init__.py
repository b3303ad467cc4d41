"""Replicas of `serve --cluster` as processes, and what a cluster does to them."""
