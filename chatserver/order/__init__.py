"""The one order of everything, and what follows from it."""
