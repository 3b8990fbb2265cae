"""Our own requests to an API: how it is, what it says of itself, and what is wrong with a connection."""
