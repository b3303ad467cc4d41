"""The plugin process, with real delegates: scripted ones, and Debian's where they are installed."""
