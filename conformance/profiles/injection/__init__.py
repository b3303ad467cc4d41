"""Webhooks that put the resources of networks into pods."""
