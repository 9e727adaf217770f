"""What the threads do."""
