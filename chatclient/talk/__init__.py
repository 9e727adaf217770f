"""What people type, how it is meant, and how what happens reads."""
