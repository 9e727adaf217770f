"""What only a screen needs."""
