"""The attachments of each container: our own journal, and the records of libcni and Multus. Calls no plugin."""
