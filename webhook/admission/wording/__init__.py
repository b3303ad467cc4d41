"""Every sentence about a decision, one module per subject: values in, text out. Nothing reads the text again."""
