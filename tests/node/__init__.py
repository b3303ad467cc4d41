"""The plugin process with real delegates: scripted ones, and Debian's if they are installed."""
