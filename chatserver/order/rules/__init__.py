"""What follows from each kind of item, by subject."""
