"""The page of `nadmit ui` and `nadmit map -o html` in a real browser: Debian's chromium, driven by selenium."""
