"""Webhooks that check definitions and pods."""
