"""Tests of the profiles for webhooks: how the suite asks, what it makes of answers, and the faults it must notice."""
