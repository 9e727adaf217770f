"""Who is here, and on which connections."""
