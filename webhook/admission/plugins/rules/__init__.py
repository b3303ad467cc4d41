"""Rules about the configuration of one CNI plugin that a table of keys cannot say: one file per plugin."""
