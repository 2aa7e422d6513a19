"""What is written to the disk: all of it or nothing."""
