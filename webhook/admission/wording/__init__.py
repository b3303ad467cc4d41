"""Every sentence about a decision. Values in, text out; nothing reads the text again."""
