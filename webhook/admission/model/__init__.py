"""The values of a decision, and the constants and settings that checks and mutations share."""
