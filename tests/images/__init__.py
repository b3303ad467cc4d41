"""Tests of the images, and of the bundle for another architecture."""
