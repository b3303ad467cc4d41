"""Tests of `nadmit ui`, without a browser."""
