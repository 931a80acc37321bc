"""What breaks the disk under a copy, call by call."""
