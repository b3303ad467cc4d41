"""What is checked, one file per check. A check reads one request and one snapshot and returns a Decision."""
