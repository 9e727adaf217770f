"""What the machine beneath offers: cores, memory, files."""
